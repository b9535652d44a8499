"""The command `prune`: lists before it deletes, and keeps what is cited or in use."""

import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from emotion.cli.main import run
from emotion.cli.prune import prune
from emotion.config.schema import PruneSettings
from emotion.errors import ConfigError
from emotion.runs import test_access_log as access_log
from emotion.runs.inventory import DELETED, IN_USE, RECENT_SECONDS, Item, find_items
from emotion.runs.lock import locked_run
from emotion.runs.references import add_reference
from emotion.runs.run import Run
from emotion.utils.files import build_folder, replaced_folder, write_json, write_text
from emotion.utils.locks import LOCK
from tests.support.runs_and_caches import KEY, OTHER_KEY, set_age, write_cache, write_finished_run

DAY = 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "outputs"


def call(
    root: Path,
    *,
    older_than: object = None,
    keep_under: object = None,
    kind: object = ("caches", "runs"),
    apply: bool = False,
) -> str:
    """Return the output of the command."""
    settings = PruneSettings(
        output_root=str(root),
        cache_dir=str(root / "cache"),
        older_than=older_than,
        keep_under=keep_under,
        kind=list(kind) if isinstance(kind, tuple) else kind,
        apply=apply,
        debug=False,
        trust=[],
    )
    return prune(settings)


def test_it_lists_first_and_deletes_only_with_apply(root: Path) -> None:
    old, new = write_finished_run(root / "train/old"), write_finished_run(root / "train/new", 3)
    cache = write_cache(root / "cache/waves" / OTHER_KEY)
    before = sorted(root.rglob("*"))
    printed = call(root, older_than="30d")
    assert sorted(root.rglob("*")) == before
    assert str(old) in printed
    assert str(cache) in printed
    assert str(new) not in printed
    assert "apply=true" in printed
    assert "deleted 2" in call(root, older_than="30d", apply=True)
    assert not cache.exists()
    assert not (old / "config.yaml").exists()
    assert (new / "checkpoints/best.ckpt").exists()


def test_nothing_is_deleted_without_a_limit(root: Path) -> None:
    old = write_finished_run(root / "train/old", 9999)
    assert "older_than=30d" in call(root, apply=True)
    assert (old / "config.yaml").exists()


def test_the_longest_unused_are_deleted_until_the_rest_fits(root: Path) -> None:
    caches = [write_cache(root / "cache/waves" / f"{n:020x}", n, 100_000) for n in range(1, 6)]
    call(root, keep_under="250kB", apply=True)
    assert [cache.exists() for cache in caches] == [True, True, False, False, False]


def test_only_the_named_kind_is_deleted(root: Path) -> None:
    kept = write_finished_run(root / "train/old")
    cache = write_cache(root / "cache/features" / OTHER_KEY)
    call(root, older_than="30d", kind="caches", apply=True)
    assert (kept / "config.yaml").exists()
    assert not cache.exists()


def test_runs_that_are_cited_or_exported_are_kept_with_the_reason(root: Path) -> None:
    cell = write_finished_run(root / "studies/s/cells/cnn-fold0")
    swept, began = write_finished_run(root / "sweeps/s1/0"), write_finished_run(root / "train/1")
    write_text(root / "sweeps/s1/sweep.csv", "")
    add_reference(swept, by=root / "sweeps/s1/sweep.csv")
    add_reference(began, by=write_finished_run(root / "train/new", 1) / "config.yaml")
    exported = write_finished_run(root / "train/2")
    write_text(exported / "export/model.json", "{}")
    for folder in (swept, began, exported):
        set_age(folder, 90)
    free = [write_finished_run(root / "sweeps/s1/1"), write_finished_run(root / "train/3")]
    printed = call(root, older_than="30d", apply=True)
    reasons = {
        cell: f"part of the study {root / 'studies/s'}",
        swept: f"cited by {root / 'sweeps/s1/sweep.csv'}",
        began: f"cited by {root / 'train/new/config.yaml'}",
        exported: "has an export",
    }
    assert [path for path in reasons if not (path / "config.yaml").exists()] == []
    assert [path for path, why in reasons.items() if f"{path} ({why})" not in printed] == []
    assert not any((path / "config.yaml").exists() for path in free)


def test_a_run_is_deleted_after_the_file_that_cited_it(root: Path) -> None:
    cited, table = write_finished_run(root / "sweeps/s1/0"), root / "sweeps/s1/sweep.csv"
    add_reference(cited, by=table)
    set_age(cited, 90)
    call(root, older_than="30d", apply=True)
    assert not (cited / "config.yaml").exists()


def test_a_deleted_run_still_counts_in_the_selection_of_others(root: Path) -> None:
    lucky = write_finished_run(root / "train/a", 1, uar=0.9)
    better = write_finished_run(root / "train/b", uar=0.4)
    test = access_log.fingerprint_clips(["1.wav"])
    for tested in (lucky, better):
        access_log.record_test_access(root, test, by=str(tested))
    assert Run(lucky).chosen_by_test
    call(root, older_than="30d", apply=True)
    assert [path.name for path in better.iterdir()] == ["metrics.json"]
    assert len(access_log.test_accesses(root, test)) == 2
    assert Run(lucky).chosen_by_test
    assert [item.path for item in find_items(root, root / "cache")] == [lucky]


def test_an_untested_run_is_deleted_completely(root: Path) -> None:
    untested = write_finished_run(root / "train/a")
    write_json(untested / "metrics.json", {"val": {"uar": 0.5}})
    set_age(untested, 90)
    call(root, older_than="30d", apply=True)
    assert not untested.exists()


def test_a_run_in_progress_is_kept(root: Path) -> None:
    folder = write_finished_run(root / "train/a")
    with locked_run(folder):
        set_age(folder, 90)
        assert f"{folder} (in progress)" in call(root, keep_under="0B", apply=True)
    assert (folder / "config.yaml").exists()
    call(root, keep_under="0B", apply=True)
    assert not (folder / "config.yaml").exists()


def test_an_unfinished_run_that_changed_lately_is_kept(root: Path) -> None:
    folder = write_finished_run(root / "train/a")
    write_json(folder / "metrics.json", {})
    set_age(folder, RECENT_SECONDS / 2 / DAY)
    assert f"{folder} (in progress)" in call(root, keep_under="0B", apply=True)
    set_age(folder, 2 * RECENT_SECONDS / DAY)
    call(root, keep_under="0B", apply=True)
    assert not folder.exists()


def test_a_cache_counts_as_used_when_it_was_opened(root: Path) -> None:
    opened, unused = (write_cache(root / "cache/waves" / key) for key in (KEY, OTHER_KEY))
    build_folder(opened, lambda _: None)
    call(root, older_than="30d", apply=True)
    assert opened.exists()
    assert not unused.exists()


READ = """
import sys
from pathlib import Path
from emotion.utils.files import build_folder
lock = build_folder(Path(sys.argv[1]), lambda _: None)
print("opened", flush=True)
sys.stdin.read()
"""


def test_caches_that_are_built_or_read_are_kept(root: Path) -> None:
    read = write_cache(root / "cache/waves" / KEY)
    built = write_cache(root / "cache/features" / f"{OTHER_KEY}.partial")
    words = [sys.executable, "-c", READ, str(read)]
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader,
        FileLock(root / "cache/features" / f"{OTHER_KEY}.lock"),
    ):
        assert reader.stdout is not None
        assert reader.stdout.readline() == "opened\n"
        set_age(read, 90)
        printed = call(root, older_than="30d", apply=True)
        assert read.exists()
        assert built.exists()
    assert printed.count("(in use)") == 2
    call(root, older_than="30d", apply=True)
    assert not read.exists()
    assert not built.exists()


def test_other_files_and_folders_are_kept(root: Path, tmp_path: Path) -> None:
    outside = write_finished_run(tmp_path / "elsewhere/outputs/train/a")
    mine = [
        root / "train/notes/ideas.txt",
        root / "train/half/config.yaml",
        root / "stats/x/stats.csv",
        root / "evaluate/other/metrics.json",
        root / "cache/waves/mine/samples.bin",
        root / "cache/synthetic/voices/a.wav",
        root / "cache/index/0123456789abcdef.csv",
        root / "ledger.jsonl",
        root / "README.md",
    ]
    for path in mine:
        write_text(path, "mine")
    (root / "train/link").symlink_to(outside)
    (root / "sweeps").symlink_to(outside.parent)
    (root / "cache/features").symlink_to(root / "cache/waves")
    set_age(root, 90)
    call(root, keep_under="0B", older_than="1m", apply=True)
    assert [path for path in mine if not path.exists()] == []
    assert (outside / "config.yaml").exists()


@pytest.mark.parametrize("deleted_before_the_kill", [(), ("metrics.json", "config.yaml")])
def test_a_killed_call_is_completed_by_the_next(
    root: Path, deleted_before_the_kill: tuple[str, ...]
) -> None:
    tested = write_finished_run(root / "train/a")
    deleted = tested.rename(root / "train/.a.being-deleted")
    if deleted_before_the_kill:
        write_text(tested / "metrics.json", (deleted / "metrics.json").read_text())
    for name in deleted_before_the_kill:
        (deleted / name).unlink()
    cache = write_cache(root / "cache/waves" / f".{KEY}.being-deleted")
    call(root, older_than="30d", apply=True)
    assert not cache.exists()
    assert [path.name for path in root.glob("train/*")] == ["a"]
    assert [path.name for path in tested.iterdir()] == ["metrics.json"]
    assert Run(tested).metrics["test"]


@pytest.mark.parametrize("interrupted", ["rename", "write_json", "rmtree"])
def test_a_call_interrupted_at_any_step_is_completed_by_the_next(
    root: Path, interrupted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = write_finished_run(root / "train/a")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    owner = {"rename": "pathlib.Path", "rmtree": "shutil"}.get(interrupted, "emotion.cli.prune")
    with monkeypatch.context() as patch:
        patch.setattr(f"{owner}.{interrupted}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            call(root, older_than="30d", apply=True)
    call(root, older_than="30d", apply=True)
    assert list(root.glob("train/.*")) == []
    assert [path.name for path in tested.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"older_than": 30}, "older_than=30 is not valid: give a number and a unit"),
        ({"older_than": "-3d"}, "such as older_than=30d"),
        ({"keep_under": 20}, "keep_under=20 is not valid"),
        ({"kind": "cache"}, "kind=cache is not valid: choose caches or runs"),
        ({"kind": []}, "choose caches or runs"),
    ],
)
def test_an_invalid_setting_deletes_nothing(
    settings: dict[str, object], message: str, root: Path
) -> None:
    kept = write_finished_run(root / "train/a")
    with pytest.raises(ConfigError, match=re.escape(message)):
        call(root, apply=True, **settings)  # type: ignore[arg-type]
    assert (kept / "config.yaml").exists()


def test_the_command_takes_its_settings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = write_finished_run(root / "train/a")
    kept = write_cache(root / "cache/waves" / OTHER_KEY)
    words = ["older_than=30d", "keep_under=20GB", "kind=[runs]", "apply=true"]
    assert run(["prune", f"output_root={root}", *words]) == 0
    assert "deleted 1" in capsys.readouterr().out
    assert not (gone / "config.yaml").exists()
    assert kept.exists()


@pytest.mark.parametrize("event", ["opened", "resumed", "cited", "exported", "deleted"])
def test_a_run_that_is_used_after_it_was_listed_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    folder = write_finished_run(root / "train/old")
    assert not (folder / LOCK).exists(), "as in a copy, or after a removal of hidden files"
    stack = contextlib.ExitStack()

    def listed(*folders: Path) -> list[Item]:
        items = find_items(*folders)
        match event:
            case "opened":
                stack.enter_context(locked_run(folder))
            case "resumed":
                with locked_run(folder):
                    write_text(folder / "train.log", "resumed")
            case "cited":
                write_text(root / "table.csv", "")
                add_reference(folder, by=root / "table.csv")
            case "exported":
                stack.enter_context(replaced_folder(folder / "export"))
            case "deleted":
                shutil.rmtree(folder)
        return items

    monkeypatch.setattr("emotion.cli.prune.find_items", listed)
    with stack:
        printed = call(root, older_than="30d", apply=True)
    assert "deleted 0 of 1" in printed
    reasons = {"cited": "cited by", "exported": "in progress", "deleted": DELETED}
    assert f"{folder} ({reasons.get(event, IN_USE)}" in printed
    assert folder.exists() == (event != "deleted")
