"""Search for audio files by name."""

import os
from pathlib import Path

import pytest

from emotion.data.corpora.find_audio import file_status, find_files
from tests.support.archive import write_clip


def found(folder: Path, glob: str) -> list[str]:
    return sorted(path for path, _ in find_files(folder, glob))


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.wav", ["a.wav", "deep/B.WAV"]),
        ("*.flac b.*", ["c.flac", "deep/B.WAV"]),
        ("audio", ["a.wav", "c.flac", "deep/B.WAV"]),
    ],
)
def test_files_match_one_of_several_globs_in_any_case(
    tmp_path: Path, glob: str, expected: list[str]
) -> None:
    touch(tmp_path, "a.wav", "deep/B.WAV", "c.flac", "README.md", "wav")
    assert found(tmp_path, glob) == expected


def test_loops_of_links_end_and_links_to_folders_are_reported(tmp_path: Path) -> None:
    touch(tmp_path, "clips/a.wav")
    (tmp_path / "clips/up").symlink_to(tmp_path)
    assert found(tmp_path, "*.wav") == ["clips/a.wav", "clips/up"]


def test_broken_links_and_folders_with_the_name_of_a_clip_are_reported(tmp_path: Path) -> None:
    touch(tmp_path, "folder.wav/a.wav")
    (tmp_path / "broken.wav").symlink_to("nowhere")
    assert found(tmp_path, "*.wav") == ["broken.wav", "folder.wav", "folder.wav/a.wav"]


def test_a_folder_without_permission_is_reported(as_a_user: Path) -> None:
    touch(as_a_user, "closed/a.wav", "open/b.wav")
    (as_a_user / "closed").chmod(0)
    try:
        assert found(as_a_user, "*.wav") == ["closed", "open/b.wav"]
    finally:
        (as_a_user / "closed").chmod(0o700)


def test_only_a_regular_file_has_a_status(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.wav")
    (tmp_path / "link").symlink_to(clip)
    os.mkfifo(tmp_path / "pipe")
    status = file_status(str(tmp_path / "link"))
    assert status is not None
    assert status.st_size == clip.stat().st_size
    for name in ("pipe", ".", "missing", "nul\0"):
        assert file_status(str(tmp_path / name)) is None
