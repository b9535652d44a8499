"""The inventory of runs and caches."""

import time
from pathlib import Path

from emotion.runs.inventory import find_items
from emotion.runs.references import add_reference
from emotion.utils.files import write_json, write_text
from emotion.utils.locks import SharedLock
from tests.support.runs_and_caches import KEY, OTHER_KEY, write_cache, write_finished_run


def test_runs_and_caches_are_listed_with_size_and_last_use(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "outputs"
    runs = [
        write_finished_run(root / name, 10)
        for name in ("train/a", "sweeps/s/0", "studies/s/cells/c")
    ]
    caches = [
        write_cache(root / "cache" / name, 5, size=700)
        for name in (f"waves/{KEY}", f"features/{OTHER_KEY}.partial", "synthetic/v1-seed0-12x20")
    ]
    items = {item.path: item for item in find_items(root, root / "cache")}
    assert set(items) == {*runs, *caches}
    assert {items[path].kind for path in runs} == {"runs"}
    for path in caches:
        item = items[path]
        assert (item.kind, item.bytes, item.keep_reason) == ("caches", 700, "")
        assert round((time.time() - item.used) / 86_400) == 5


def test_folders_of_other_files_are_not_listed(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "outputs"
    write_text(root / "train/notes/ideas.txt", "")
    write_text(root / "cache/waves/mine/samples.bin", "")
    write_cache(root / "cache/waves" / f".{KEY}.being-deleted")
    assert find_items(root, root / "cache") == []


def test_each_reason_to_keep_a_run_or_a_cache_is_named(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "outputs"
    table = root / "sweeps/s/sweep.csv"
    write_text(table, "")
    names = ("train/new", "train/damaged", "sweeps/s/0", "studies/s/cells/c", "train/e", "train/f")
    new, damaged, cited, cell, exported, free = (write_finished_run(root / name) for name in names)
    write_json(new / "metrics.json", {})
    write_text(damaged / "metrics.json", "{")
    add_reference(cited, by=table)
    (exported / "export").mkdir()
    cache = write_cache(root / "cache/waves" / KEY)
    lock = SharedLock(cache)
    reasons = {item.path: item.keep_reason for item in find_items(root, root / "cache")}
    assert reasons == {
        new: "in progress",
        damaged: "in progress",
        cited: f"cited by {table}",
        cell: f"part of the study {root / 'studies/s'}",
        exported: "has an export",
        free: "",
        cache: "in use",
    }
    del lock
