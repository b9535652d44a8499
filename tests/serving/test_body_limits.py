"""Time and size limits of request bodies, and responses before their end."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `app` is not installed")

from fastapi import FastAPI, Request

from emotion.serving import body_limits
from emotion.serving.body_limits import BodyLimits, too_large_message

Messages = list[dict[str, Any]]


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    async def size(request: Request) -> int:
        return len(await request.body())

    async def early() -> str:
        return "before the body"

    for path in ("/predict", "/gradio_api/run/predict"):
        app.add_api_route(path, size, methods=["POST"])
    app.add_api_route("/early", early, methods=["POST"])
    app.add_middleware(BodyLimits, max_bytes=100_000)
    return app


def exchange(
    app: FastAPI, path: str, chunk: Callable[[int], bytes | asyncio.Event]
) -> tuple[Messages, int]:
    """Return what is sent to a client whose body never ends, and the chunks that were asked for.

    A chunk that is an event is waited for.
    """
    sent: Messages = []
    count = 0

    async def receive() -> dict[str, Any]:
        nonlocal count
        await asyncio.sleep(0)
        body = chunk(count)
        count += 1
        if isinstance(body, asyncio.Event):
            await body.wait()
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return sent, count


@pytest.mark.parametrize(
    ("path", "limit"), [("/predict", 100_000 + 65_536), ("/gradio_api/run/predict", 65_536)]
)
def test_body_beyond_the_limit_is_413_and_only_a_multiple_is_read(
    app: FastAPI, path: str, limit: int
) -> None:
    sent, count = exchange(app, path, lambda _: bytes(10_000))
    assert sent[0]["status"] == 413
    assert too_large_message(100_000).encode() in sent[1]["body"]
    assert limit < 10_000 * count <= 4 * limit + 10_000


def test_body_that_drips_ends_at_the_rate(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "GRACE_S", 0.05)
    monkeypatch.setattr(body_limits, "MIN_BYTES_PER_S", 1e9)
    sent, _ = exchange(app, "/predict", lambda _: b"")
    assert sent[0]["status"] == 408


def test_fast_body_may_take_up_to_the_timeout(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limits, "GRACE_S", 0.1)
    monkeypatch.setattr(body_limits, "MIN_BYTES_PER_S", 1e-3)
    monkeypatch.setattr(body_limits, "BODY_TIMEOUT_S", 0.2)
    start = time.monotonic()
    sent, _ = exchange(app, "/predict", lambda index: b"x" if index == 0 else b"")
    assert sent[0]["status"] == 408
    assert time.monotonic() - start > 0.19
    assert b"or took 0.2 s." in sent[1]["body"]


def test_fast_body_that_stops_ends_after_the_pause(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limits, "GRACE_S", 0.1)
    stopped = asyncio.Event()
    sent, count = exchange(app, "/predict", lambda index: bytes(9000) if index < 9 else stopped)
    assert (sent[0]["status"], count) == (408, 10)
    assert b"it paused for 0.1 s" in sent[1]["body"]


def test_response_before_the_body_is_complete_at_once_and_ends_after_the_body(
    app: FastAPI,
) -> None:
    sent, count = exchange(app, "/early", lambda _: bytes(10_000))
    start, body, end = sent
    headers = dict(start["headers"])
    assert (start["status"], int(headers[b"content-length"])) == (200, len(body["body"]))
    assert (body["more_body"], end.get("body", b"")) == (True, b"")
    assert count > 20
