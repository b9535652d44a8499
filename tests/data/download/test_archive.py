"""Extraction of archives: every clip at its destination, and nothing outside it."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from emotion.data.download.archive import unpack
from emotion.errors import CorpusError

PLACES = {r"(?:.*/)?(\w+\.wav)": r"Mine/\1"}
CLIP = b"RIFF" + bytes(2000)


def write_zip(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # unchanged: the constructor would normalise it
            info.external_attr = mode << 16
            archive.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED)
    return path


def unpacked(archive: Path, folder: Path, *, max_bytes: int = 1_000_000) -> list[str]:
    unpack(archive, folder / "in", places=PLACES, max_bytes=max_bytes)
    inside = folder / "in"
    return sorted(path.relative_to(inside).as_posix() for path in inside.rglob("*.*"))


def test_clips_are_written_to_their_destination_and_other_files_are_ignored(tmp_path: Path) -> None:
    members = {"deep/down/a.wav": CLIP, "b.WAV": CLIP, "README": b"hello", "b/": b""}
    archive = write_zip(tmp_path / "x.zip", members)
    assert unpacked(archive, tmp_path) == ["Mine/a.wav", "Mine/b.WAV"]
    assert (tmp_path / "in/Mine/a.wav").read_bytes() == CLIP


def test_a_folder_is_read_like_an_archive(tmp_path: Path) -> None:
    (tmp_path / "got/deep").mkdir(parents=True)
    (tmp_path / "got/deep/a.wav").write_bytes(CLIP)
    (tmp_path / "got/link.wav").symlink_to("/etc/hostname")
    assert unpacked(tmp_path / "got", tmp_path) == ["Mine/a.wav"]


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("../a.wav", 0, "leads out"),
        ("deep/../../a.wav", 0, "leads out"),
        ("..\\a.wav", 0, "leads out"),
        ("/tmp/a.wav", 0, "absolute"),
        ("C:\\a.wav", 0, "absolute"),
        ("\\\\host\\a.wav", 0, "absolute"),
        ("a.wav", stat.S_IFLNK | 0o777, "is a link"),
        ("a.wav", stat.S_IFIFO | 0o644, "not a regular file"),
        ("../README", 0, "leads out"),
    ],
)
def test_an_archive_with_an_unsafe_member_is_rejected(
    name: str, mode: int, message: str, tmp_path: Path
) -> None:
    archive = write_zip(tmp_path / "x.zip", {name: b"/etc/passwd"}, mode=mode)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("good.wav", CLIP)
    with pytest.raises(CorpusError, match=message):
        unpacked(archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_an_unsafe_destination_is_rejected(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", {"a.wav": CLIP})
    with pytest.raises(CorpusError, match="leads out"):
        unpack(archive, tmp_path / "in", places={r"(.*)": r"../\1"}, max_bytes=10_000)
    assert not (tmp_path / "in").exists()


def test_a_decompression_bomb_is_rejected_before_anything_is_written(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", {f"a{n}.wav": bytes(1_000_000) for n in range(5)})
    assert archive.stat().st_size < 10_000
    with pytest.raises(CorpusError, match="5,000,000 bytes"):
        unpacked(archive, tmp_path)
    assert not (tmp_path / "in").exists()


def test_a_member_with_a_wrong_size_is_damaged(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", {"a.wav": bytes(5_000_000)})
    content = bytearray(archive.read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    archive.write_bytes(bytes(content))
    with pytest.raises(CorpusError, match="damaged"):
        unpacked(archive, tmp_path)
    written = [path.stat().st_size for path in tmp_path.rglob("a.wav")]
    assert all(size <= 1000 for size in written)


@pytest.mark.parametrize("damage", ["flip", "cut", "text", "none"])
def test_a_damaged_archive_is_named(damage: str, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", {"a.wav": bytes(range(256)) * 40})
    content = bytearray(archive.read_bytes())
    if damage == "flip":
        content[60] ^= 0xFF
    elif damage == "cut":
        del content[-40:]
    elif damage == "text":
        content[:] = b"<html>Please log in</html>"
    else:
        archive.unlink()
    if damage != "none":
        archive.write_bytes(bytes(content))
    with pytest.raises(CorpusError, match=r"is damaged|does not exist"):
        unpacked(archive, tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_is_damaged_within_a_member_is_named(method: int, tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        opened.writestr("a.wav", bytes(range(256)) * 40)
    content = bytearray(archive.read_bytes())
    content[45:60] = b"\xff" * 15
    archive.write_bytes(content)
    with pytest.raises(
        CorpusError, match=r"is not a zip archive, or is damaged .*Download it again"
    ):
        unpacked(archive, tmp_path)


def test_a_member_that_is_both_file_and_folder_is_rejected(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", {"a": CLIP, "a/b": CLIP})
    with pytest.raises(CorpusError, match="a would be a file, and the folder of a/b"):
        unpack(archive, tmp_path / "in", places={"(.*)": r"\1"}, max_bytes=10_000)
    assert not (tmp_path / "in").exists()


def test_equal_copies_are_merged_and_different_ones_are_rejected(tmp_path: Path) -> None:
    same = write_zip(tmp_path / "x.zip", {"a.wav": CLIP, "copy/a.wav": CLIP})
    assert unpacked(same, tmp_path) == ["Mine/a.wav"]
    other = write_zip(tmp_path / "y.zip", {"a.wav": CLIP, "copy/a.wav": CLIP[::-1]})
    with pytest.raises(CorpusError, match=r"both would be Mine/a\.wav"):
        unpacked(other, tmp_path)


def test_an_archive_without_clips_is_rejected(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", {"README": b"hello"})
    with pytest.raises(CorpusError, match="no clip of this corpus"):
        unpacked(archive, tmp_path)
