"""References to a run."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emotion.runs.references import REFERENCES, add_reference, references
from emotion.utils.files import write_text


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "outputs" / "train" / "a"
    for name in ("config.yaml", "split.csv"):
        write_text(folder / name, "")
    return folder


def write_table(run: Path, name: str = "table.csv") -> Path:
    table = run.parent.parent / name
    write_text(table, "")
    return table


def test_a_reference_counts_while_the_citing_file_exists(run: Path) -> None:
    assert references(run) == []
    table = run.parent.parent / "table.csv"
    add_reference(run, by=table)
    assert references(run) == []
    write_table(run)
    assert references(run) == [table]
    table.unlink()
    assert references(run) == []


def test_a_reference_is_recorded_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_table(run)
    monkeypatch.chdir(run.parent)
    for path in (run, Path("a"), run / "split.csv", run / "export"):
        add_reference(path, by=table)
    assert len((run / REFERENCES).read_text().splitlines()) == 1


def test_references_survive_a_move_of_the_output_root(run: Path) -> None:
    add_reference(run, by=write_table(run))
    root = run.parent.parent
    moved = root.rename(root.with_name("moved"))
    assert references(moved / "train" / "a") == [moved / "table.csv"]


def test_references_that_are_added_at_the_same_time_are_all_recorded(run: Path) -> None:
    tables = [write_table(run, f"{number}.csv") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda table: add_reference(run, by=table), tables))
    assert sorted(references(run)) == sorted(tables)


def test_a_line_that_a_crash_cut_off_is_ignored(run: Path) -> None:
    add_reference(run, by=write_table(run))
    with (run / REFERENCES).open("a") as file:
        file.write('{"by": "../..')
    assert len(references(run)) == 1


def test_paths_outside_of_runs_are_ignored(run: Path) -> None:
    before = sorted(run.parent.rglob("*"))
    for path in (run.parent, run.parent / "missing", Path("/nowhere")):
        add_reference(path, by=run / "config.yaml")
    assert sorted(run.parent.rglob("*")) == before


def test_a_run_that_must_not_be_written_to_can_be_cited(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    table = write_table(run)
    monkeypatch.setattr(os, "open", refuse)
    add_reference(run, by=table)
    assert references(run) == []
