"""Uploads of the page: a slot each, deleted by prediction, age, and the next server."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `app` is not installed")

from fastapi.testclient import TestClient

from benchmarks.broken import sound
from emotion.errors import AudioError
from emotion.serving import uploads as uploads_module
from emotion.serving.api import build_api
from emotion.serving.gate import UPLOAD
from emotion.serving.service import Limits, Service
from emotion.serving.uploads import Uploads, private_folder
from tests.support.served_model import LOCAL_HOSTS, LoudnessModel, served_model

FORM = {"files": ("a b.wav", sound(), "audio/wav")}


@pytest.fixture
def service() -> Service:
    return Service([served_model("first", LoudnessModel())], Limits(0.5, 4.0, waiting=2))


@pytest.fixture
def uploads(service: Service, tmp_path: Path) -> Uploads:
    return Uploads(service, tmp_path)


@pytest.fixture
def client(service: Service, uploads: Uploads, tmp_path: Path) -> Iterator[TestClient]:
    app = build_api(service, tmp_path, hosts=LOCAL_HOSTS)
    app.add_api_route(UPLOAD, uploads.receive, methods=["POST"])
    with TestClient(app, "http://localhost") as client:
        yield client


def test_upload_has_a_slot_until_it_is_taken(
    client: TestClient, uploads: Uploads, tmp_path: Path
) -> None:
    (first,) = client.post(UPLOAD, files=FORM).json()
    (second,) = client.post(UPLOAD, files=FORM).json()
    assert len(list(tmp_path.iterdir())) == 2
    assert client.post(UPLOAD, files=FORM).status_code == 503
    assert client.post("/predict", content=sound()).status_code == 503
    with uploads.take(first) as upload:
        assert (upload.name, upload.file.read_bytes()) == ("a b.wav", FORM["files"][1])
        assert client.post("/predict", content=sound()).status_code == 503
    assert client.post("/predict", content=sound()).status_code == 200
    with uploads.take(second):
        pass
    assert not list(tmp_path.iterdir())
    with pytest.raises(AudioError, match="upload it again"), uploads.take(second):
        pass


def test_upload_without_a_prediction_is_deleted_by_age(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "UPLOAD_LIFETIME_S", 0.2)
    for _ in range(2):
        assert client.post(UPLOAD, files=FORM).status_code == 200
    assert len(list(tmp_path.iterdir())) == 2
    end = time.monotonic() + 10
    while list(tmp_path.iterdir()):
        assert time.monotonic() < end
        client.portal.call(asyncio.sleep, 0.01)
    assert client.post(UPLOAD, files=FORM).status_code == 200  # the slots are free


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"files": {"file": ("a.wav", b"RIFF")}}, 400),
        ({"files": {"files": ("a.wav", b"")}}, 400),
        ({"files": {"files": ("a.wav", bytes(500_001))}}, 413),
        ({"files": [("files", ("a.wav", b"RIFF")), ("files", ("b.wav", b"RIFF"))]}, 400),
    ],
)
def test_refused_upload_leaves_no_file_and_no_slot(
    client: TestClient, tmp_path: Path, sent: dict[str, object], status: int
) -> None:
    for _ in range(3):
        assert client.post(UPLOAD, **sent).status_code == status
    assert not list(tmp_path.iterdir())


def test_folder_of_a_killed_server_is_deleted_by_the_next_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "from emotion.serving.uploads import private_folder\n"
        "with private_folder() as folder:\n"
        "    (folder / 'recording').write_text('speech')\n"
        "    print(folder, flush=True); input()"
    )
    servers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(tmp_path)},
        )
        for _ in range(2)
    ]
    killed, alive = (Path(server.stdout.readline().strip()) for server in servers if server.stdout)
    servers[0].send_signal(signal.SIGKILL)
    servers[0].wait()
    other = tmp_path / "emotion-notes"
    other.mkdir()
    with private_folder():
        assert not killed.exists()
        assert (alive / "recording").exists()
        assert other.exists()
    servers[1].communicate("\n", timeout=60)
    assert list(tmp_path.iterdir()) == [other]


def test_temporary_files_are_in_the_private_folder(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    with private_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        with tempfile.NamedTemporaryFile() as file:
            assert Path(file.name).parent == folder
    assert tempfile.gettempdir() == before
    assert not folder.exists()
