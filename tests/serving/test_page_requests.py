"""Requests to the page: known routes only, no file kept, and no connection to any machine."""

import json
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="the extra `app` is not installed")

from fastapi.testclient import TestClient
from starlette.routing import BaseRoute

from benchmarks.broken import sound
from emotion.serving.gate import ROUTES, RUN, UPLOAD
from emotion.serving.server import build_app
from emotion.serving.service import Limits, Service
from tests.support.network import recorded_connections
from tests.support.served_model import LOCAL_HOSTS, LoudnessModel, served_model

AWAY = "http://192.0.2.1/away"

REFUSED = {
    "fetch an address, or read a file of this machine": [
        "/gradio_api/file={path_or_url:path}",
        "/gradio_api/file/{path:path}",
        "/gradio_api/proxy={url_path:path}",
        "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
        "/svelte/{path:path}",
    ],
    "keep an upload": [
        "/gradio_api/process_recording",
        "/gradio_api/component_server",
        "/gradio_api/upload_progress",
    ],
    "start functions by other ways than the page does": [
        "/gradio_api/api/{api_name}",
        "/gradio_api/call/{api_name}",
        "/gradio_api/call/{api_name}/{event_id}",
        "/gradio_api/call/v2/{api_name}",
        "/gradio_api/call/v2/{api_name}/{event_id}",
        "/gradio_api/queue/data",
        "/gradio_api/queue/join",
        "/gradio_api/queue/status",
        "/gradio_api/run/{api_name}",  # but run/predict
        "/gradio_api/cancel",
        "/gradio_api/reset",
    ],
    "stay open, or keep results": [
        "/gradio_api/heartbeat/{session_hash}",
        "/gradio_api/stream/{event_id}",
        "/gradio_api/stream/{event_id}/close",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
        "/gradio_api/runs",
        "/gradio_api/deep_link",
        "/monitoring",
        "/monitoring/summary",
        "/monitoring/{key}",
    ],
    "edit the program": [
        "/gradio_api/dev/reload",
        "/gradio_api/vibe-code",
        "/gradio_api/vibe-edit",
        "/gradio_api/undo-vibe-edit",
        "/gradio_api/vibe-starter-queries",
    ],
    "are not used by the page": [
        "/config",
        "/gradio_api/app_id",
        "/gradio_api/info",
        "/gradio_api/login_check",
        "/gradio_api/openapi.json",
        "/gradio_api/startup-events",
        "/gradio_api/theme.css",
        "/gradio_api/token",
        "/gradio_api/user",
        "/login",
        "/logout",
        "/manifest.json",
        "/pwa_icon",
        "/pwa_icon/{size}",
        "/robots.txt",
    ],
}
"""Routes of Gradio that are refused, by what they do."""

REFUSED_PATHS = [path for paths in REFUSED.values() for path in paths]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def app(folder: Path) -> Any:
    models = [served_model(name, LoudnessModel()) for name in ("first", "second")]
    return build_app(Service(models, Limits(0.5, 4.0, waiting=4)), folder, hosts=LOCAL_HOSTS)


@pytest.fixture(scope="module")
def client(app: Any) -> Iterator[TestClient]:
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(autouse=True)
def no_file_and_no_connection(client: TestClient, folder: Path) -> Iterator[None]:
    """After every request: no file is left, and nothing was connected to."""
    with recorded_connections() as connections:
        yield
    assert not connections
    assert not [path for path in folder.rglob("*") if path.is_file()]


def route_paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """Yield the paths of routes and of the routers that they include."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from route_paths(route.original_router.routes)
        else:
            yield route.path  # type: ignore[attr-defined]


def upload(client: TestClient) -> dict[str, str]:
    """Upload a recording; return the value of the page's field."""
    (token,) = client.post(UPLOAD, files={"files": ("a.wav", sound(2.0))}).json()
    return {"path": token, "meta": {"_type": "gradio.FileData"}}


def run(client: TestClient, data: list[Any], **more: Any) -> Any:
    """Send a request of the page: the first function takes an upload, the last a model."""
    return client.post(RUN, json={"data": data, "fn_index": 0} | more)


def test_every_route_of_gradio_is_allowed_or_refused(app: Any) -> None:
    """A new version of Gradio with further routes fails here: allow each, or list it above."""
    paths = {path.rstrip("/") or "/" for path in route_paths(app.routes[-1].app.app.routes)}
    assert paths - set(ROUTES) == set(REFUSED_PATHS)


@pytest.mark.parametrize("path", REFUSED_PATHS)
@pytest.mark.parametrize("value", [AWAY, "/etc/hostname"])
def test_refused_route_is_not_found(client: TestClient, path: str, value: str) -> None:
    address = path.split("{")[0] + (value if "{" in path else "")
    for method, sent in (
        ("GET", {"params": {"url": value, "upload_id": "x", "session_hash": "x"}}),
        ("POST", {"files": {"files": ("a.wav", sound()), "file": ("a.wav", sound())}}),
        ("POST", {"json": {"data": [{"path": value, "url": value}], "session_hash": "x"}}),
    ):
        for end in ("", "/"):
            assert client.request(method, address + end, **sent).status_code == 404


def test_page_loads_its_parts(client: TestClient) -> None:
    html = client.get("/").text
    assert "Speech emotion recognition" in html
    assert str(Path(__file__).parent) not in html
    assert client.get("/theme.css").status_code == 200
    assert client.get("/static/img/logo.svg").status_code == 200
    for path in (
        "/static/../../routes.py",
        "/assets/%2e%2e/%2e%2e/routes.py",
        "/static//etc/hosts",
    ):
        assert client.get(path).status_code in (403, 404)


def test_upload_is_classified_and_deleted(client: TestClient) -> None:
    response = run(client, [upload(client), "second"], session_hash="abc")
    emptied, html = response.json()["data"]
    assert emptied is None
    assert "quiet" in html
    assert "Model: second" in html


def test_no_session_is_kept(client: TestClient, app: Any) -> None:
    for _ in range(3):
        assert run(client, [upload(client), "first"], session_hash="abc").status_code == 200
    gradio = app.routes[-1].app.app
    assert not gradio.state_holder.session_data
    assert not gradio.get_blocks()._queue.pending_messages_per_session


def test_upload_is_classified_once(client: TestClient) -> None:
    value = upload(client)
    assert run(client, [value, "first"]).status_code == 200
    assert "upload it again" in run(client, [value, "first"]).json()["data"][1]


@pytest.mark.parametrize(
    "value", [AWAY, "/etc/hostname", "../examples/sad.wav", "file:///etc/hostname", "", "x" * 9999]
)
def test_path_or_address_is_never_opened(client: TestClient, value: str) -> None:
    meta = {"meta": {"_type": "gradio.FileData"}, "url": value}
    response = run(client, [{"path": value, **meta}, "first"])
    assert "was deleted before its prediction" in response.json()["data"][1]
    for data in ([value, "first"], [{"url": value, "meta": meta}, "first"], [None, value]):
        assert run(client, data).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"{" * 60_000,
        json.dumps({"data": [None, "first"], "fn_index": 99}).encode(),
        json.dumps({"data": [None, "first"], "fn_index": -1}).encode(),
        json.dumps({"data": [None], "fn_index": 0}).encode(),
        json.dumps({"data": [None, "first", "first"], "fn_index": 0}).encode(),
        json.dumps({"data": [["first"], "first"], "fn_index": 0}).encode(),
        json.dumps({"data": [None, {"path": AWAY}], "fn_index": 0}).encode(),
        json.dumps({"data": [None, "first"], "simple_format": True}).encode(),
    ],
)
def test_invalid_request_is_400_in_a_sentence(
    client: TestClient, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    response = client.post(RUN, content=body)
    assert (response.status_code, response.json()["detail"][-1]) == (400, ".")
    assert capfd.readouterr() == ("", "")


def test_long_request_is_413(client: TestClient) -> None:
    assert client.post(RUN, content=bytes(70_000)).status_code == 413


def test_guard_records_connections_and_look_ups() -> None:
    with recorded_connections() as connections, socket.socket() as sock:
        sock.settimeout(0)
        sock.connect_ex(("127.0.0.1", 9))
        socket.getaddrinfo("127.0.0.1", 9)
    assert [record.split()[0] for record in connections] == ["socket.connect", "socket.getaddrinfo"]
