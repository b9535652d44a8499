"""Requests of the page to Gradio's functions: checked, and written anew without paths."""

from collections.abc import Mapping, Sequence

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.serving.gate import RUN

INVALID = "The request is invalid: the page sends an upload and the name of a model."


class UploadReference(BaseModel):
    """An upload, as Gradio's page describes it; `path` is its token."""

    path: str


class RunRequest(BaseModel):
    """The part of a request that is passed on; without a session, Gradio keeps no values."""

    data: list[UploadReference | str | None]
    fn_index: int
    trigger_id: int | None = None


class PageRequests:
    """ASGI application in front of Gradio's: no path, address or session of a request reaches it.

    Args:
        app: Gradio's application.
        inputs: types of the inputs of each function of the page: an upload or the name of a model.
        models: the names of the models.
    """

    def __init__(
        self, app: ASGIApp, *, inputs: Mapping[int, Sequence[type]], models: Sequence[str]
    ) -> None:
        self.app = app
        self.inputs = inputs
        self.models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["path"] != RUN:
            await self.app(scope, receive, send)
            return
        try:
            run = RunRequest.model_validate_json(await Request(scope, receive).body())
        except ValidationError:
            run = None
        if run is None or not self._matches(run):
            await JSONResponse({"error": INVALID, "detail": INVALID}, 400)(scope, receive, send)
            return
        values = [item.path if isinstance(item, UploadReference) else item for item in run.data]
        body = run.model_copy(update={"data": values}).model_dump_json().encode()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(messages, None) or await receive()

        await self.app(scope, replay, send)

    def _matches(self, run: RunRequest) -> bool:
        """Return whether the values are those that the function takes."""
        types = self.inputs.get(run.fn_index, ())
        return len(types) == len(run.data) and all(
            item in self.models if kind is str else isinstance(item, UploadReference | None)
            for item, kind in zip(run.data, types, strict=True)
        )
