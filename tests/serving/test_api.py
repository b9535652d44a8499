"""The JSON service: rows, error messages, no files left behind."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `app` is not installed")

from fastapi.testclient import TestClient

from benchmarks.broken import Upload, broken_uploads, sound
from emotion.serving import body_limits
from emotion.serving.api import build_api
from emotion.serving.service import Limits, Service
from tests.support.served_model import LOCAL_HOSTS, LoudnessModel, served_model

LIMITS = Limits(max_mb=0.5, max_seconds=4.0, waiting=2)
BROKEN = broken_uploads(max_bytes=LIMITS.max_bytes, max_seconds=LIMITS.max_seconds)


@pytest.fixture
def model() -> LoudnessModel:
    return LoudnessModel()


@pytest.fixture
def client(model: LoudnessModel, tmp_path: Path) -> Iterator[TestClient]:
    models = [served_model(name, model) for name in ("first", "second")]
    app = build_api(Service(models, LIMITS), tmp_path, hosts=LOCAL_HOSTS)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("form", [True, False])
def test_response_is_the_row_that_predict_writes(
    client: TestClient, tmp_path: Path, form: bool
) -> None:
    body = sound(2.0)
    files = {"file": ("a b.wav", body, "audio/wav")}
    sent = {"files": files} if form else {"content": body}
    response = client.post("/predict", **sent)
    assert response.status_code == 200, response.text
    row = response.json()
    assert list(row) == ["path", "predicted", "note", "p_loud", "p_quiet", "model", "seconds"]
    assert (row["path"], row["predicted"]) == ("a b.wav" if form else "recording", "quiet")
    assert row["p_loud"] + row["p_quiet"] == pytest.approx(1)
    assert (row["model"], row["seconds"]) == ("first", 2.0)
    assert not list(tmp_path.iterdir())


def test_timeline_has_one_row_per_window(client: TestClient) -> None:
    rows = client.post("/predict?timeline=true", content=sound(2.0)).json()["timeline"]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0, 1), (0.5, 1.5), (1, 2)]
    assert {"path", "predicted", "note", "p_loud", "p_quiet"} < set(rows[0])


def test_fifty_broken_uploads_are_fifty_kinds() -> None:
    assert len({upload.wrong for upload in BROKEN}) == len(BROKEN) == 50


@pytest.mark.parametrize("upload", BROKEN, ids=[upload.wrong for upload in BROKEN])
def test_broken_upload_gets_a_sentence_and_leaves_no_file(
    client: TestClient, tmp_path: Path, upload: Upload
) -> None:
    url = f"/predict{upload.query}"
    response = client.post(url, content=upload.body, headers=upload.headers)
    assert 400 <= response.status_code < 500, response.text
    message = response.json()["detail"]
    assert isinstance(message, str)
    assert len(message.split()) > 2, message
    assert message.endswith(".")
    assert str(tmp_path) not in message
    assert not list(tmp_path.iterdir())


def test_recording_at_the_limit_is_classified(client: TestClient) -> None:
    assert client.post("/predict", content=sound(4.0)).status_code == 200


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        (sound(4.1), "is 4.1 s long; at most 4 s are allowed"),
        (sound(3.9, rate=48_000, channels=8, kind=("FLAC", "PCM_16"), fill=0.0), "1 million"),
        (bytes(LIMITS.max_bytes + 1), "at most 0.5 MB"),
        (bytes(3 * LIMITS.max_bytes), "at most 0.5 MB"),
    ],
)
def test_recording_beyond_a_limit_is_413_with_the_limit(
    client: TestClient, body: bytes, limit: str
) -> None:
    response = client.post("/predict", content=body)
    assert (response.status_code, limit in response.text) == (413, True), response.text
    form = client.post("/predict", files={"file": ("a.wav", body)})
    assert (form.status_code, limit in form.text) == (413, True), form.text


def test_recordings_beyond_the_waiting_limit_are_refused(
    client: TestClient, model: LoudnessModel
) -> None:
    inside, released = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        inside.release()
        released.wait(10)

    model.before = wait
    responses: list[Any] = []
    threads = [
        threading.Thread(target=lambda: responses.append(client.post("/predict", content=sound())))
        for _ in range(LIMITS.waiting + 1)
    ]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=10)
    while not responses:  # until one is refused
        threads[0].join(0.01)
    released.set()
    for thread in threads:
        thread.join(10)
    assert sorted(response.status_code for response in responses) == [200] * LIMITS.waiting + [503]
    assert responses[0].headers["Retry-After"] == "1"
    assert "Try again" in responses[0].json()["detail"]


UPLOAD_SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/predict",
    "headers": [(b"host", b"localhost")],
    "query_string": b"",
}


def exchange(app: Any, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what an application sends to a client that sends these messages, then stalls."""
    sent: list[dict[str, Any]] = []
    pending = iter(messages)

    async def receive() -> dict[str, Any]:
        try:
            return next(pending)
        except StopIteration:
            await asyncio.Event().wait()
            raise

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(dict(UPLOAD_SCOPE), receive, send))
    return sent


def test_disconnected_upload_leaves_no_file(client: TestClient, tmp_path: Path) -> None:
    start_of_upload = {"type": "http.request", "body": b"RIFF", "more_body": True}
    exchange(client.app, [start_of_upload, {"type": "http.disconnect"}])
    assert not list(tmp_path.iterdir())


def test_stalled_upload_times_out(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limits, "GRACE_S", 0.05)
    start_of_upload = {"type": "http.request", "body": b"RIFF", "more_body": True}
    start, body = exchange(client.app, [start_of_upload])
    assert start["status"] == 408
    assert "paused for 0.05 s" in json.loads(body["body"])["detail"]
    assert not list(tmp_path.iterdir())


def test_unfinished_uploads_count_as_waiting(client: TestClient, tmp_path: Path) -> None:
    async def flood() -> list[int]:
        statuses, stalled = [], asyncio.Event()

        async def upload() -> None:
            messages = iter([{"type": "http.request", "body": b"RIFF", "more_body": True}])

            async def receive() -> Any:
                return next(messages, None) or await stalled.wait() or {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                statuses.append(message.get("status"))

            await client.app(dict(UPLOAD_SCOPE), receive, send)

        tasks = [asyncio.create_task(upload()) for _ in range(3 * LIMITS.waiting)]
        while len(statuses) < 2 * 2 * LIMITS.waiting:  # start and body of each refusal
            await asyncio.sleep(0)
        files = list(tmp_path.iterdir())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(files) == LIMITS.waiting
        return [status for status in statuses if status]

    assert asyncio.run(flood()) == [503] * 2 * LIMITS.waiting
    assert not list(tmp_path.iterdir())
    assert client.post("/predict", content=sound()).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/predict", "POST"), ("POST", "/models", "GET"), ("DELETE", "/health", "GET")],
)
def test_wrong_method_is_405_with_the_right_one(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
    assert f"use {allowed}" in response.json()["detail"]


def test_models_are_listed_with_their_scores(client: TestClient) -> None:
    first, second = client.get("/models").json()
    assert (first["name"], second["name"]) == ("first", "second")
    assert first["score"]["speakers"] == 9
    assert client.get("/health").json() == {"status": "ok", "models": ["first", "second"]}
    row = client.post("/predict?model=second", content=sound()).json()
    assert row["model"] == "second"


def test_openapi_lists_every_error_and_pages_load_nothing_from_other_servers(
    client: TestClient,
) -> None:
    description = client.get("/docs").json()  # redirects to openapi.json
    post = description["paths"]["/predict"]["post"]
    assert {"200", "400", "404", "408", "413", "422", "503"} <= set(post["responses"])
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "audio/*"}
    assert "http" not in client.get("/models").headers["content-security-policy"]
