"""The JSON service: a recording in a POST -> the row that `predict` would write."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from emotion.errors import AudioError, EmotionError
from emotion.inference.output import make_row
from emotion.inference.timeline import window_rows
from emotion.serving.service import (
    Answer,
    BusyError,
    Limits,
    Service,
    TooLongError,
    UnknownModelError,
    explain,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

UPLOAD_S = 60.0
"""An upload that takes longer is given up."""

ENVELOPE = 65_536
"""Bytes that a form may add to its file."""

UNNAMED = "recording"
FIELDS = 8

DRAINED = 4
"""So many times the limit is read and forgotten, so that a client comes to hear why."""

STATUS: dict[type[EmotionError], int] = {
    TooLongError: 413,
    AudioError: 422,
    UnknownModelError: 404,
    BusyError: 503,
}
"""What each refusal is in HTTP; the first that fits counts."""

POLICY = "; ".join(
    [
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
    ]
)
"""What a browser may load for the page: only what this program sends."""

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

EXAMPLE = {
    "path": "clip.wav",
    "predicted": "sad",
    "note": "",
    "p_sad": 0.81,
    "p_angry": 0.19,
    "model": "2026-11-24_18-10-24-120974",
    "seconds": 2.4,
}


def build_endpoint(service: Service, folder: Path) -> FastAPI:
    """Return the application.

    Args:
        service: who answers.
        folder: a private one, where an upload lies until it is answered.
    """
    refusals = {
        400: "Nothing was sent, or a form without a file.",
        404: "No model of this name.",
        408: "The upload took too long.",
        413: "Too many bytes or seconds.",
        422: "No audio that can be read.",
        503: "Too many recordings wait; Retry-After says how many seconds to stay away.",
    }

    async def predict(
        request: Request, model: str | None = None, timeline: bool = False
    ) -> dict[str, Any]:
        """Answer one recording: a form with a field `file`, or the file itself as the body."""
        async with received(request, service.limits, folder) as (file, name):
            answer = await run_in_threadpool(service.predict, file, model=model, timeline=timeline)
        return as_json(answer, name, timeline=timeline)

    def models() -> list[dict[str, Any]]:
        """Say which models answer, and how good each was on whom; the first is asked by default."""
        return [asdict(model.about) for model in service.models.values()]

    def health() -> dict[str, Any]:
        """Say that the service runs."""
        return {"status": "ok", "models": list(service.models)}

    app = FastAPI(
        title="emotion",
        version=version("emotion"),
        summary="Hears an emotion in a voice. What is sent is deleted once it is answered.",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    described: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "As `emotion predict` writes it: label, note, calibrated probabilities.",
            "content": {"application/json": {"example": EXAMPLE}},
        },
        **{
            code: {
                "description": said,
                "content": {"application/json": {"example": {"detail": said}}},
            }
            for code, said in refusals.items()
        },
    }
    app.add_api_route(
        "/predict", predict, methods=["POST"], openapi_extra=BODY, responses=described
    )
    app.add_api_route("/models", models)
    app.add_api_route("/health", health)
    app.add_api_route("/docs", documentation, include_in_schema=False)
    app.add_exception_handler(EmotionError, refuse)
    app.add_exception_handler(ClientDisconnect, forget)
    app.add_exception_handler(RequestValidationError, refuse_words)
    app.add_middleware(Guard, max_bytes=service.limits.max_bytes + ENVELOPE)
    return app


@asynccontextmanager
async def received(
    request: Request, limits: Limits, folder: Path
) -> AsyncIterator[tuple[Path, str]]:
    """Give the file of a request's body, and its name; it is gone afterwards."""
    handle, path = tempfile.mkstemp(dir=folder)
    file = Path(path)
    try:
        with os.fdopen(handle, "wb") as target:
            try:
                async with asyncio.timeout(UPLOAD_S):
                    name = await save(request, target)
            except TimeoutError as err:
                raise HTTPException(408, f"The upload took longer than {UPLOAD_S:g} s.") from err
            size = target.tell()
        if not size:
            raise HTTPException(400, "Nothing was sent: the body must be a recording.")
        if size > limits.max_bytes:
            raise HTTPException(413, too_large(limits.max_bytes))
        yield file, name
    finally:
        file.unlink(missing_ok=True)


async def save(request: Request, target: BinaryIO) -> str:
    """Write the recording of a request's body to a file; return what it is called."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        async for chunk in request.stream():
            target.write(chunk)
        return UNNAMED
    async with request.form(max_files=1, max_fields=FIELDS) as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise HTTPException(400, "The form has no file in a field called 'file'.")
        while chunk := await part.read(2**20):
            target.write(chunk)
        return part.filename or UNNAMED


def as_json(answer: Answer, name: str, *, timeline: bool) -> dict[str, Any]:
    """Return the row of a recording of this name, who answered, and the rows of its windows."""
    labels = answer.model.predictor.labels
    row = make_row({"path": name}, answer.opinion, labels)
    row |= {"model": answer.model.about.name, "seconds": answer.seconds}
    return row | {"timeline": window_rows(name, answer.moments, labels)} if timeline else row


def too_large(max_bytes: int) -> str:
    """Return what is said of an upload beyond the limit."""
    return f"The upload is too large: at most {max_bytes / 1e6:g} MB are taken."


def documentation() -> RedirectResponse:
    """Lead to the OpenAPI description."""
    return RedirectResponse("/openapi.json")


def refuse(_: Request, error: Exception) -> JSONResponse:
    """Say in one sentence why there is no answer."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    said = explain(error) if isinstance(error, EmotionError) else str(error)
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse({"detail": said}, status, headers)


def forget(_: Request, __: Exception) -> Response:
    """Close the books on a client that left before its upload was whole."""
    return Response(status_code=400)


def refuse_words(_: Request, error: Exception) -> JSONResponse:
    """Say in one sentence which part of a request cannot be read."""
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)
    return JSONResponse({"detail": f"The request cannot be read: {said}."}, 400)


class Guard:
    """Stops bodies beyond a limit, and tells browsers to load nothing from elsewhere.

    Args:
        app: what it stands before.
        max_bytes: of any request.
    """

    def __init__(self, app: App, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count <= self.max_bytes:
                return message
            while message.get("more_body") and count <= DRAINED * self.max_bytes:
                message = await receive()
                count += len(message.get("body", b""))
            raise HTTPException(413, too_large(self.max_bytes - ENVELOPE))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", POLICY.encode()),
                ]
            await send(message)

        await self.app(scope, counted, guarded)
