"""JSON service: POST a recording, get the row that the command `predict` writes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.errors import AudioError, EmotionError, TooLongError
from emotion.inference.timeline import window_rows
from emotion.runtime.rows import prediction_row
from emotion.serving.service import (
    BusyError,
    Limits,
    Result,
    Service,
    UnknownModelError,
    error_sentence,
)

UPLOAD_TIMEOUT_S = 60.0

FORM_OVERHEAD = 65_536
"""Bytes that a multipart form may add to its file."""

MAX_FORM_FIELDS = 8
DEFAULT_NAME = "recording"

DRAIN_FACTOR = 4
"""Bodies up to this many times the limit are read to the end, so that the client gets the error."""

HTTP_STATUS: dict[type[EmotionError], int] = {
    TooLongError: 413,
    AudioError: 422,
    UnknownModelError: 404,
    BusyError: 503,
}
"""HTTP status of each error; the first that matches is used."""

RESPONSES = {
    200: "The row of `emotion predict`: label, note, calibrated probabilities.",
    400: "The request has no body, or the form has no file.",
    404: "No model has this name.",
    408: "The upload took too long.",
    413: "The recording has too many bytes or seconds.",
    422: "The recording is not readable audio.",
    503: "Too many recordings are waiting; retry after the seconds in Retry-After.",
}

CONTENT_SECURITY_POLICY = (
    b"default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    b"style-src 'self' 'unsafe-inline'"
)
"""Browsers load nothing from other servers for the page."""

FILE = {"type": "string", "format": "binary"}
FORM = {"type": "object", "required": ["file"], "properties": {"file": FILE}}
BODY_TYPES = {"multipart/form-data": {"schema": FORM}, "audio/*": {"schema": FILE}}
REQUEST_BODY = {"requestBody": {"required": True, "content": BODY_TYPES}}
"""OpenAPI description of the upload: a form with a file, or the file itself."""

EXAMPLE = {"path": "clip.wav", "predicted": "sad", "note": "", "p_sad": 0.81, "p_angry": 0.19}
EXAMPLE |= {"model": "2026-11-24_18-10-24-120974", "seconds": 2.4}


def build_api(service: Service, folder: Path) -> FastAPI:
    """Return the JSON service as an application.

    The private folder is for uploads; each is deleted after its prediction.
    """

    async def predict(
        request: Request, model: str | None = None, timeline: bool = False
    ) -> dict[str, Any]:
        """Classify one recording: a form with a field `file`, or the file itself as the body."""
        async with uploaded_file(request, service.limits, folder) as (file, name):
            result = await run_in_threadpool(service.predict, file, model=model, timeline=timeline)
        return result_row(result, name, timeline=timeline)

    def models() -> list[dict[str, Any]]:
        """List the models with their evaluation results; the first is the default."""
        return [asdict(model.card) for model in service.models.values()]

    def health() -> dict[str, Any]:
        """Report that the service runs."""
        return {"status": "ok", "models": list(service.models)}

    app = FastAPI(
        title="emotion",
        version=version("emotion"),
        summary="Speech emotion recognition. Recordings are deleted after their prediction.",
        docs_url=None,  # FastAPI's documentation pages load scripts from other servers
        redoc_url=None,
    )
    responses: dict[int | str, dict[str, Any]] = {}
    for status, text in RESPONSES.items():
        content = {"application/json": {"example": EXAMPLE if status == 200 else {"detail": text}}}
        responses[status] = {"description": text, "content": content}
    app.add_api_route(
        "/predict", predict, methods=["POST"], openapi_extra=REQUEST_BODY, responses=responses
    )
    app.add_api_route("/models", models)
    app.add_api_route("/health", health)
    app.add_api_route("/docs", lambda: RedirectResponse("/openapi.json"), include_in_schema=False)
    app.add_exception_handler(EmotionError, error_response)
    app.add_exception_handler(ClientDisconnect, lambda *_: Response(status_code=400))  # not sent
    app.add_exception_handler(RequestValidationError, invalid_request_response)
    app.add_middleware(RequestGuard, max_bytes=service.limits.max_bytes + FORM_OVERHEAD)
    return app


@asynccontextmanager
async def uploaded_file(
    request: Request, limits: Limits, folder: Path
) -> AsyncIterator[tuple[Path, str]]:
    """Return a context manager that gives the uploaded file and its name, and deletes the file."""
    with tempfile.NamedTemporaryFile(dir=folder) as target:
        try:
            async with asyncio.timeout(UPLOAD_TIMEOUT_S):
                name = await save_upload(request, target)
        except TimeoutError as err:
            message = f"The upload took longer than {UPLOAD_TIMEOUT_S:g} s."
            raise HTTPException(408, message) from err
        target.flush()
        if not target.tell():
            raise HTTPException(400, "The request has no body. Send a recording.")
        if target.tell() > limits.max_bytes:
            raise HTTPException(413, too_large_message(limits.max_bytes))
        yield Path(target.name), name


async def save_upload(request: Request, target: IO[bytes]) -> str:
    """Write the recording in a request's body to a file; return its name."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        async for chunk in request.stream():
            target.write(chunk)
        return DEFAULT_NAME
    async with request.form(max_files=1, max_fields=MAX_FORM_FIELDS) as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise HTTPException(400, "The form has no file in the field 'file'.")
        while chunk := await part.read(2**20):
            target.write(chunk)
        return part.filename or DEFAULT_NAME


def result_row(result: Result, name: str, *, timeline: bool) -> dict[str, Any]:
    """Return the row of `predict`, plus model, seconds and, if wanted, the rows of the windows."""
    labels = result.model.predictor.labels
    row = prediction_row({"path": name}, result.prediction, labels)
    row |= {"model": result.model.card.name, "seconds": result.seconds}
    return row | {"timeline": window_rows(name, result.windows, labels)} if timeline else row


def too_large_message(max_bytes: int) -> str:
    """Return the error message for an upload beyond the limit."""
    return f"The upload is too large: at most {max_bytes / 1e6:g} MB are allowed."


def error_response(_: Request, error: Exception) -> JSONResponse:
    """Return the response for an EmotionError."""
    status = next((code for kind, code in HTTP_STATUS.items() if isinstance(error, kind)), 500)
    message = error_sentence(error) if isinstance(error, EmotionError) else str(error)
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse({"detail": message}, status, headers)


def invalid_request_response(_: Request, error: Exception) -> JSONResponse:
    """Return the response for invalid query parameters."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    text = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
    return JSONResponse({"detail": f"The request is invalid: {text}."}, 400)


class RequestGuard:
    """ASGI middleware: limits bodies to `max_bytes` and sets the content security policy."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        count = 0

        async def limited_receive() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count <= self.max_bytes:
                return message
            while message.get("more_body") and count <= DRAIN_FACTOR * self.max_bytes:
                message = await receive()
                count += len(message.get("body", b""))
            raise HTTPException(413, too_large_message(self.max_bytes - FORM_OVERHEAD))

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", CONTENT_SECURITY_POLICY)
                message["headers"] = [*message["headers"], policy]
            await send(message)

        await self.app(scope, limited_receive, send_with_policy)
