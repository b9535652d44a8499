"""Hosts and origins that are answered, and those that are refused."""

import socket

import pytest

pytest.importorskip("fastapi", reason="the extra `app` is not installed")

from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from emotion.errors import ConfigError
from emotion.serving.gate import AllowedHosts, Gate

SERVER = "http://127.0.0.1:7860"


def status(
    hosts: AllowedHosts, *, path: str = "/models", method: str = "GET", **headers: str
) -> int:
    """Return the status of a request that arrives at 127.0.0.1:7860."""
    client = TestClient(Gate(PlainTextResponse("ok"), hosts), SERVER)
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return int(client.request(method, path, headers=names).status_code)


DEFAULT = AllowedHosts.from_settings(None, host="127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860"])
def test_loopback_names_are_answered(host: str) -> None:
    assert status(DEFAULT, host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example:7860",
        "127.0.0.1.evil.example",
        "192.0.2.1",
        "",
        "[",
        "a@localhost",
        "localhost/a",
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    assert status(DEFAULT, host=host) == 403


def test_server_for_the_network_answers_to_its_name_and_the_address_called() -> None:
    hosts = AllowedHosts.from_settings(None, host="0.0.0.0")
    assert hosts.allow(socket.gethostname().lower(), "192.0.2.7")
    assert hosts.allow("192.0.2.7", "192.0.2.7")
    assert hosts.allow("fe80::1", "fe80::1%eth0")
    assert not hosts.allow("192.0.2.8", "192.0.2.7")
    assert not hosts.allow("rebound.example", "192.0.2.7")


def test_host_setting_is_allowed() -> None:
    assert AllowedHosts.from_settings(None, host="Voice.local").allow("voice.local", "192.0.2.7")


def test_hosts_replace_the_default() -> None:
    hosts = AllowedHosts.from_settings(["Voice.example", "[2001:db8::1]"], host="0.0.0.0")
    assert status(hosts, host="voice.example:8080") == 200
    assert status(hosts, host="[2001:db8::1]") == 200
    assert status(hosts, host="localhost") == 403
    assert not hosts.allow("192.0.2.7", "192.0.2.7")


@pytest.mark.parametrize("entry", ["http://voice.example", "voice.example:80", "", "a/b"])
def test_entry_that_is_not_a_host_is_an_error(entry: str) -> None:
    with pytest.raises(ConfigError, match="give a name or an address"):
        AllowedHosts.from_settings([entry], host="0.0.0.0")
    with pytest.raises(ConfigError, match="allows no host"):
        AllowedHosts.from_settings([], host="0.0.0.0")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:8000", "http://localhost:7860", ""]
)
def test_foreign_origins_are_refused(origin: str) -> None:
    assert status(DEFAULT, path="/predict", method="POST", origin=origin) == 403


def test_own_origin_is_answered() -> None:
    assert status(DEFAULT, path="/predict", method="POST", origin=SERVER) == 200
    assert status(DEFAULT, sec_fetch_site="same-origin") == 200
    assert status(DEFAULT, sec_fetch_site="none") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_of_foreign_pages_are_refused_but_links_to_the_page_work(site: str) -> None:
    link = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert status(DEFAULT, sec_fetch_site=site) == 403
    assert status(DEFAULT, path="/", sec_fetch_site=site) == 403
    assert status(DEFAULT, path="/", **link) == 200
    assert status(DEFAULT, path="/", **link | {"sec_fetch_dest": "iframe"}) == 403
    assert status(DEFAULT, path="/models", **link) == 403
    assert status(DEFAULT, path="/", method="HEAD", **link) == 403


def test_websockets_are_refused() -> None:
    client = TestClient(Gate(PlainTextResponse("ok"), DEFAULT), SERVER)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass
