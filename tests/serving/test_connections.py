"""Connections that send no complete header, or do not read: they end, and others are answered."""

import asyncio
import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra `app` is not installed")

import uvicorn

from emotion.serving import connections
from emotion.serving.connections import connection_settings

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-"
WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY_MB = 8


started = threading.Semaphore(0)
"""Counts the requests for /wait that have begun."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/wait":
        started.release()
        await asyncio.sleep(1)
    body = bytes(BODY_MB * 10**6) if scope["path"] == "/large" else b"hello"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serve(**more: Any) -> Iterator[int]:
    """Run a server in a thread; give its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        settings = connection_settings() | {"timeout_graceful_shutdown": 1} | more
        config = uvicorn.Config(application, lifespan="off", **settings)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)


def connect(stack: ExitStack, port: int, sent: bytes) -> socket.socket:
    """Open a connection and send bytes."""
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
    client.sendall(sent)
    return client


def response(client: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    received = b""
    try:
        while part := client.recv(2**20):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("first", [b"", HALF, WHOLE + HALF])
def test_connection_without_a_complete_header_is_closed(
    first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.3)
    with serve() as port, ExitStack() as stack:
        client = connect(stack, port, first)
        start = time.monotonic()
        assert (b"hello" in response(client)) == first.startswith(WHOLE)
        assert 0.2 < time.monotonic() - start < 4


def test_header_that_drips_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.3)
    with serve() as port, ExitStack() as stack:
        client = connect(stack, port, HALF)
        for _ in range(100):
            time.sleep(0.05)
            try:
                client.sendall(b"a")
            except (ConnectionResetError, BrokenPipeError):
                return
    pytest.fail("The connection was still open after 5 s.")


def test_request_longer_than_the_header_timeout_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.2)
    wait = WHOLE.replace(b" / ", b" /wait ")
    with serve() as port, ExitStack() as stack:
        received = response(connect(stack, port, wait + wait))
    assert received.count(b"hello") == 2
    assert all(started.acquire(timeout=10) for _ in range(2))


def test_slow_reader_gets_the_whole_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.2)
    with serve() as port, ExitStack() as stack:
        client = connect(stack, port, WHOLE.replace(b" / ", b" /large "))
        time.sleep(0.6)
        assert len(response(client)) > BODY_MB * 10**6


@pytest.mark.parametrize("sent", [HALF, WHOLE.replace(b" / ", b" /large ")])
def test_new_request_is_answered_beside_stalled_connections(
    sent: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with serve(limit_concurrency=10) as port, ExitStack() as stack:
        for _ in range(50):
            connect(stack, port, sent)
        assert b"hello" in response(connect(stack, port, WHOLE))
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_requests_beyond_the_limit_are_refused_and_those_before_are_answered() -> None:
    wait = WHOLE.replace(b" / ", b" /wait ")
    with serve(limit_concurrency=4) as port, ExitStack() as stack:
        first = [connect(stack, port, wait) for _ in range(3)]
        for _ in first:
            assert started.acquire(timeout=10)
        rest = [connect(stack, port, wait) for _ in range(5)]
        assert {response(client)[9:12] for client in rest} <= {b"503", b""}  # b"": closed
        assert all(b"hello" in response(client) for client in first)


def test_invalid_requests_leave_no_log_line(capfd: pytest.CaptureFixture[str]) -> None:
    with serve() as port, ExitStack() as stack:
        for sent in (b"\0\r\n\r\n", b"GET\r\n\r\n", WHOLE.replace(b"X", b"\xff") + b"?\r\n\r\n"):
            response(connect(stack, port, sent))
    assert capfd.readouterr().err == ""


def test_limit_for_files_is_raised_and_connections_stay_below() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, before[1]))
        assert connection_settings()["limit_concurrency"] == 1000
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("files", "limit"), [(1024, 768), (400, 200)])
def test_limit_for_files_that_cannot_be_raised_lowers_the_limit_for_connections(
    files: int, limit: int
) -> None:
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        os._exit(connection_settings()["limit_concurrency"] != limit)
    assert os.waitpid(child, 0)[1] == 0
