"""Reasons why a file is not usable audio."""

import errno
import os
from pathlib import Path

import pytest

from emotion.audio.unreadable import UNSUPPORTED_CONTAINERS, decode_error, file_error


def test_a_regular_file_has_no_reason(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to("a.wav")
    assert file_error(tmp_path / "a.wav") == file_error(tmp_path / "link.wav") == ""


def test_paths_that_are_not_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for name in ("folder", "nowhere", "circle"):
        (tmp_path / f"to {name}").symlink_to(f"to {name}" if name == "circle" else name)
    assert file_error(tmp_path / "none.wav") == "is not there"
    assert file_error(tmp_path / "to nowhere") == "is a broken link"
    assert file_error(tmp_path / "to circle") == "is a link that leads in a circle"
    assert file_error(folder) == "is a folder, not a file"
    assert file_error(tmp_path / "to folder") == (
        "is a link to a folder, and such links are not followed"
    )
    assert "a pipe" in file_error(pipe)


def test_a_folder_without_permission_gives_the_systems_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert file_error(tmp_path) == "is a folder that cannot be opened (Permission denied)"


@pytest.mark.parametrize("container", UNSUPPORTED_CONTAINERS)
def test_an_unsupported_container_is_named_with_the_command_that_converts_it(
    tmp_path: Path, container: str
) -> None:
    offset, signature, suffix = UNSUPPORTED_CONTAINERS[container]
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(offset) + signature + bytes(40))
    reason = decode_error(path, ValueError("unknown format"))
    assert reason.startswith(f"is {container}, which libsndfile cannot read")
    assert f"ffmpeg -i in.{suffix} out.wav" in reason


def test_other_bytes_give_the_decoders_own_message(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("hello")
    reason = decode_error(tmp_path / "a.wav", ValueError("unknown format"))
    assert reason == "is not readable audio (unknown format)"
