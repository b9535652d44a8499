import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from emotion.utils.files import folder_name, write_text, written_whole
from emotion.utils.tables import read_table, write_table


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_text(tmp_path / "a.txt", "before")
    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, no_room)
        with pytest.raises(OSError, match="No space left") as raised:
            write_text(tmp_path / "a.txt", "after")
    assert raised.value.filename == str(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


def test_whatever_ends_the_writing_leaves_no_file(tmp_path: Path) -> None:
    def write() -> None:
        with written_whole(tmp_path / "a.bin") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["../../x", "/etc", "..", ".", "", "a/../../b", "\0", "x" * 999])
def test_a_folder_of_any_name_lies_where_it_should(tmp_path: Path, text: str) -> None:
    folder = tmp_path / folder_name(text)
    folder.mkdir()
    assert folder.resolve().parent == tmp_path.resolve()
    assert folder.resolve() != tmp_path.resolve()


@pytest.mark.parametrize("name", ["a\rb", "a\nb", 'a"b,c', "\udce9", "NA", " a ", "\ufeffa", "🎉"])
def test_a_table_keeps_any_name(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"path": [name, "plain"], "n": [1, 2]})
    write_table(tmp_path / "a.csv", table)
    assert list(read_table(tmp_path / "a.csv")["path"]) == [name, "plain"]
