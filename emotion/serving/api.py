"""JSON service: POST a recording, get the row that the command `predict` writes."""

import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.requests import ClientDisconnect

from emotion.errors import AudioError, EmotionError, TooLongError
from emotion.inference.timeline import window_rows
from emotion.runtime.rows import prediction_row
from emotion.serving.body_limits import BodyLimits
from emotion.serving.gate import PREDICT, AllowedHosts, Gate
from emotion.serving.service import (
    BusyError,
    Result,
    Service,
    UnknownModelError,
    error_sentence,
)
from emotion.serving.uploads import save_upload

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
    403: "The host is not allowed, or a page of another site sent the request.",
    404: "No model has this name.",
    408: "The upload took too long.",
    413: "The recording has too many bytes or seconds.",
    422: "The recording is not readable audio.",
    503: "Too many recordings are waiting; retry after the seconds in Retry-After.",
}

FILE = {"type": "string", "format": "binary"}
FORM = {"type": "object", "required": ["file"], "properties": {"file": FILE}}
BODY_TYPES = {"multipart/form-data": {"schema": FORM}, "audio/*": {"schema": FILE}}
REQUEST_BODY = {"requestBody": {"required": True, "content": BODY_TYPES}}
"""OpenAPI description of the upload: a form with a file, or the file itself."""

EXAMPLE = {"path": "clip.wav", "predicted": "sad", "note": "", "p_sad": 0.81, "p_angry": 0.19}
EXAMPLE |= {"model": "2026-11-24_18-10-24-120974", "seconds": 2.4}


def build_api(service: Service, folder: Path, *, hosts: AllowedHosts) -> FastAPI:
    """Return the JSON service as an application.

    The private folder is for uploads; each is deleted after its prediction. Requests for other
    hosts than `hosts` are refused.
    """

    async def predict(
        request: Request, model: str | None = None, timeline: bool = False
    ) -> dict[str, Any]:
        """Classify one recording: a form with a field `file`, or the file itself as the body."""
        max_bytes = service.limits.max_bytes
        with service.slot(), tempfile.NamedTemporaryFile(dir=folder) as target:
            name = await save_upload(request, target, field="file", max_bytes=max_bytes)
            file = Path(target.name)
            result = await run_in_threadpool(service.predict, file, model=model, timeline=timeline)
        return result_row(result, name, timeline=timeline)

    async def models() -> list[dict[str, Any]]:
        """List the models with their evaluation results; the first is the default."""
        return [asdict(model.card) for model in service.models.values()]

    async def health() -> dict[str, Any]:
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
        PREDICT, predict, methods=["POST"], openapi_extra=REQUEST_BODY, responses=responses
    )
    app.add_api_route("/models", models)
    app.add_api_route("/health", health)
    app.add_api_route("/docs", lambda: RedirectResponse("/openapi.json"), include_in_schema=False)
    app.add_exception_handler(EmotionError, error_response)
    app.add_exception_handler(ClientDisconnect, lambda *_: Response(status_code=400))  # not sent
    app.add_exception_handler(RequestValidationError, invalid_request_response)
    app.add_middleware(BodyLimits, max_bytes=service.limits.max_bytes)
    app.add_middleware(Gate, hosts=hosts)
    return app


def result_row(result: Result, name: str, *, timeline: bool) -> dict[str, Any]:
    """Return the row of `predict`, plus model, seconds and, if wanted, the rows of the windows."""
    labels = result.model.predictor.labels
    row = prediction_row({"path": name}, result.prediction, labels)
    row |= {"model": result.model.card.name, "seconds": result.seconds}
    return row | {"timeline": window_rows(name, result.windows, labels)} if timeline else row


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
