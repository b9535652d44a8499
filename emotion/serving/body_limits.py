"""Limits for the size of a request's body and for the time that it takes."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.serving.gate import PREDICT, UPLOAD

FORM_OVERHEAD = 65_536
"""Bytes that a multipart form may add to its file."""

MAX_JSON_BYTES = 65_536
"""Size of a body that is not a recording."""

BODY_TIMEOUT_S = 60.0
GRACE_S, MIN_BYTES_PER_S = 10.0, 20_000
"""A body may pause for `GRACE_S`. It may take that time, and as much longer as it needs at this
rate, up to the timeout."""

DRAIN_FACTOR = 4
"""Bodies up to this many times the limit are read to the end, so that the client gets the error."""


class BodyLimits:
    """ASGI middleware: an HTTPException (408, 413) in place of a body beyond the limits.

    A response that is sent before the end of the body closes the connection only after the rest of
    the body; otherwise some clients see a broken connection and no response.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        recording = scope["path"] in (PREDICT, UPLOAD)
        body = _Body(receive, self.max_bytes + FORM_OVERHEAD if recording else MAX_JSON_BYTES)

        async def limited_receive() -> Message:
            if body.complete:
                return await receive()  # waits for the end of the connection
            message = await body.receive()
            if body.size > body.max_bytes:
                raise HTTPException(413, too_large_message(self.max_bytes))
            return message

        async def send_after_body(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not last or scope["method"] != "POST" or body.complete:
                await send(message)
                return
            await send({**message, "more_body": True})
            await body.drain()
            await send({"type": "http.response.body"})

        await self.app(scope, limited_receive, send_after_body)


class _Body:
    """The messages of a body, with their size and a deadline."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self.max_bytes = max_bytes
        self.size = 0
        self.complete = False
        self._start = self._last = asyncio.get_running_loop().time()

    async def receive(self) -> Message:
        """Return the next message; raise an HTTPException at the deadline."""
        seconds = min(GRACE_S + self.size / MIN_BYTES_PER_S, BODY_TIMEOUT_S)
        deadline = min(self._start + seconds, self._last + GRACE_S)
        try:
            async with asyncio.timeout_at(deadline):
                message = await self._receive()
        except TimeoutError as err:
            self.complete = True  # nothing more is read
            raise HTTPException(408, too_slow_message()) from err
        self._last = asyncio.get_running_loop().time()
        self.size += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read the rest of the body, within limits."""
        try:
            while not self.complete and self.size <= DRAIN_FACTOR * self.max_bytes:
                await self.receive()
        except HTTPException:
            return


def too_slow_message() -> str:
    """Return the error message for an upload beyond the time limits."""
    return f"The upload is too slow: it paused for {GRACE_S:g} s, or took {BODY_TIMEOUT_S:g} s."


def too_large_message(max_bytes: int) -> str:
    """Return the error message for an upload beyond the limit."""
    return f"The upload is too large: at most {max_bytes / 1e6:g} MB are allowed."
