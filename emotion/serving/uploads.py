"""Uploaded recordings: received into the private folder, deleted after their prediction."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from emotion.errors import AudioError
from emotion.serving.body_limits import too_large_message
from emotion.serving.service import Service
from emotion.utils.locks import try_exclusive_lock

PREFIX = "emotion-serve-"
MAX_FORM_FIELDS = 8
DEFAULT_NAME = "recording"

UPLOAD_LIFETIME_S = 30.0
"""An upload of the page is deleted after this time if its prediction was not requested."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """Return a context manager that gives a temporary folder for this user only, and deletes it.

    The folders of servers that were killed are deleted first. All temporary files of this process
    are created in the new folder.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with try_exclusive_lock(old) as free:
            if free:
                shutil.rmtree(old, ignore_errors=True)  # one of another user stays
    with ExitStack() as stack:
        new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
        stack.enter_context(try_exclusive_lock(new))
        folder = new.rename(new.with_name(new.name[1:]))  # locked before others can find it
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = str(folder)
        yield folder


async def save_upload(request: Request, target: IO[bytes], *, field: str, max_bytes: int) -> str:
    """Write the recording in a request's body to a file; return its name.

    Args:
        request: a form, or the recording itself as the body.
        target: the file.
        field: name of the form's field.
        max_bytes: size of a recording.
    """
    name = await _write_body(request, target, field)
    target.flush()
    if not target.tell():
        raise HTTPException(400, "The request has no body. Send a recording.")
    if target.tell() > max_bytes:
        raise HTTPException(413, too_large_message(max_bytes))
    return name


async def _write_body(request: Request, target: IO[bytes], field: str) -> str:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        async for chunk in request.stream():
            target.write(chunk)
        return DEFAULT_NAME
    async with request.form(max_files=1, max_fields=MAX_FORM_FIELDS) as form:
        part = form.get(field)
        if not isinstance(part, UploadFile):
            raise HTTPException(400, f"The form has no file in the field {field!r}.")
        while chunk := await part.read(2**20):
            target.write(chunk)
        return part.filename or DEFAULT_NAME


@dataclass(frozen=True)
class Upload:
    """An upload of the page: its file and name, and the resources that are freed after it."""

    file: Path
    name: str
    resources: ExitStack


class Uploads:
    """Recordings uploaded by the page, by token; each has a slot of the service until its end.

    Args:
        service: the service whose slots are taken.
        folder: folder of the files.
    """

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._uploads: dict[str, Upload] = {}

    async def receive(self, request: Request) -> list[str]:
        """Save a recording; return its token, as Gradio's upload returns paths."""
        max_bytes = self._service.limits.max_bytes
        with ExitStack() as stack:
            stack.enter_context(self._service.slot())
            target = stack.enter_context(tempfile.NamedTemporaryFile(dir=self._folder))
            name = await save_upload(request, target, field="files", max_bytes=max_bytes)
            token = secrets.token_urlsafe(16)
            self._uploads[token] = Upload(Path(target.name), name, stack.pop_all())
        asyncio.get_running_loop().call_later(UPLOAD_LIFETIME_S, self._remove, token)
        return [token]

    @contextmanager
    def take(self, token: str) -> Iterator[Upload]:
        """Return a context manager that gives an upload and deletes it.

        Raises:
            AudioError: the upload does not exist any more.
        """
        upload = self._uploads.pop(token, None)
        if upload is None:
            raise AudioError("was deleted before its prediction: upload it again")
        with upload.resources:
            yield upload

    def _remove(self, token: str) -> None:
        upload = self._uploads.pop(token, None)
        if upload is not None:
            upload.resources.close()
