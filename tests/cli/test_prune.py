"""The command `prune`: says before it does, and leaves what anything cites or uses."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from emotion.cli.main import run
from emotion.cli.prune import prune
from emotion.config.composition import Config
from emotion.errors import ConfigError
from emotion.runs.inventory import UNDER_WAY_SECONDS, find_items
from emotion.runs.run import Run
from emotion.runs.test_access_log import fingerprint_clips, record_test_access, test_accesses
from emotion.utils.files import write_json, write_text

DAY = 86_400
KEY, OTHER = "0123456789abcdef0123", "fedcba98765432100000"


def age(folder: Path, days: float) -> Path:
    """Make a folder and all in it as old."""
    then = time.time() - days * DAY
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
    return folder


def write_run(folder: Path, days: float = 90, *, uar: float = 0.5, **settings: str) -> Path:
    """Write what a finished run leaves."""
    lines = [f"{name}: {value}" for name, value in {"seed": "0", **settings}.items()]
    output_root = next(place for place in folder.parents if place.name == "outputs")
    lines += [f"output_root: {output_root}", "dataset: {labels: [a, b]}", ""]
    write_text(folder / "config.yaml", "\n".join(lines))
    write_text(folder / "split.csv", "path,subset\n1.wav,test\n")
    write_text(folder / "predictions.csv", "path,target,predicted\n1.wav,a,a\n")
    write_json(folder / "environment.json", {"fingerprints": {"cache": KEY}})
    write_json(folder / "metrics.json", {"test": {"uar": uar}, "val": {"uar": 1 - uar}})
    write_text(folder / "checkpoints/best.ckpt", "x" * 10_000)
    write_text(folder / "report.html", "")
    return age(folder, days)


def write_cache(folder: Path, days: float = 90, size: int = 1000) -> Path:
    write_text(folder / "samples.bin", "x" * size)
    write_json(folder / "about.json", {"format": 1})
    return age(folder, days)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "outputs"


def ask(root: Path, **settings: object) -> str:
    """Return what the command says."""
    plain = {"older_than": None, "keep_under": None, "kind": ["caches", "runs"], "apply": False}
    folders = {"output_root": str(root), "cache_dir": str(root / "cache")}
    return prune(Config.of(plain | folders | settings))


def test_it_says_first_and_drops_only_when_told(root: Path) -> None:
    old, new = write_run(root / "train/old"), write_run(root / "train/new", 3)
    cache = write_cache(root / "cache/waves" / OTHER)
    before = sorted(root.rglob("*"))
    printed = ask(root, older_than="30d")
    assert sorted(root.rglob("*")) == before
    assert str(old) in printed
    assert str(cache) in printed
    assert str(new) not in printed
    assert "apply=true" in printed
    assert "dropped 2" in ask(root, older_than="30d", apply=True)
    assert not cache.exists()
    assert not (old / "config.yaml").exists()
    assert (new / "checkpoints/best.ckpt").exists()


def test_nothing_goes_where_no_limit_is_given(root: Path) -> None:
    old = write_run(root / "train/old", 9999)
    assert "older_than=30d" in ask(root, apply=True)
    assert (old / "config.yaml").exists()


def test_the_longest_unused_go_until_the_rest_fits(root: Path) -> None:
    caches = [write_cache(root / "cache/waves" / f"{n:020x}", n, 100_000) for n in range(1, 6)]
    ask(root, keep_under="250kB", apply=True)
    assert [cache.exists() for cache in caches] == [True, True, False, False, False]


def test_only_the_named_kind_goes(root: Path) -> None:
    kept, cache = write_run(root / "train/old"), write_cache(root / "cache/features" / OTHER)
    ask(root, older_than="30d", kind="caches", apply=True)
    assert (kept / "config.yaml").exists()
    assert not cache.exists()


def test_what_a_table_cites_stays(root: Path) -> None:
    swept, cell = write_run(root / "sweeps/s1/0"), write_run(root / "studies/s/cells/cnn-fold0")
    stamp = "2020-01-01_00-00-00-00000"
    timed, judged, began, latest, compared, exported = (
        write_run(root / "train" / f"{stamp}{number}") for number in range(1, 7)
    )
    write_text(root / "sweeps/s1/sweep.csv", f"job,folder\n0,{swept}\n")
    write_text(root / "benchmark/now/benchmark.csv", f"model\n{timed}\n")
    write_text(root / "evaluate/other/config.yaml", f"split: {{path: {judged}/split.csv}}\n")
    write_run(root / "train/new", 1, init_from=f"outputs/train/{began.name}")
    write_run(root / "train" / f"{latest.name}b", 1, init_from="latest")
    write_json(root / f"train/new/evaluate/against_{compared.name}/comparison.json", {})
    write_text(exported / "export/model.json", "{}")
    age(exported, 90)
    cited = [swept, cell, timed, judged, began, latest, compared, exported]
    free = [write_run(root / "sweeps/s1/1"), write_run(root / "train" / stamp)]
    printed = ask(root, older_than="30d", apply=True)
    assert [path for path in cited if not (path / "config.yaml").exists()] == []
    assert [path for path in cited if f"{path} (" not in printed] == []
    assert not any((path / "config.yaml").exists() for path in free)


def test_a_dropped_run_still_weighs_in_judging_others(root: Path) -> None:
    lucky, better = write_run(root / "train/a", 1, uar=0.9), write_run(root / "train/b", uar=0.4)
    test = fingerprint_clips(["1.wav"])
    for looker in (lucky, better):
        record_test_access(root, test, by=str(looker))
    assert Run(lucky).chosen_by_test
    ask(root, older_than="30d", apply=True)
    assert [path.name for path in better.iterdir()] == ["metrics.json"]
    assert len(test_accesses(root, test)) == 2
    assert Run(lucky).chosen_by_test
    assert [item.path for item in find_items(root, root / "cache")] == [lucky]


def test_an_untested_run_goes_whole(root: Path) -> None:
    untested = write_run(root / "train/a")
    write_json(untested / "metrics.json", {"val": {"uar": 0.5}})
    age(untested, 90)
    ask(root, older_than="30d", apply=True)
    assert not untested.exists()


def test_a_run_under_way_stays_and_so_does_its_cache(root: Path) -> None:
    going = write_run(root / "train/a")
    (going / "report.html").unlink()
    cache = write_cache(root / "cache/waves" / KEY)
    age(going, UNDER_WAY_SECONDS / 2 / DAY)
    ask(root, keep_under="0B", apply=True)
    assert (going / "config.yaml").exists()
    assert cache.exists()
    age(going, 2 * UNDER_WAY_SECONDS / DAY)
    ask(root, keep_under="0B", apply=True)
    assert not (going / "config.yaml").exists()
    assert not cache.exists()


def test_a_cache_counts_as_used_when_a_run_used_it(root: Path) -> None:
    write_run(root / "train/a", 1)
    waves, unused = (
        write_cache(root / "cache/waves" / KEY),
        write_cache(root / "cache/waves" / OTHER),
    )
    features = root / "cache/features" / OTHER
    write_text(features / "samples.bin", "")
    write_json(features / "about.json", {"waves": KEY})
    age(features, 90)
    ask(root, older_than="30d", apply=True)
    assert waves.exists()
    assert features.exists()
    assert not unused.exists()


HOLD = """
import ctypes, mmap, sys
with open(sys.argv[1], "rb") as file:  # as torch does: mapped, and the file itself closed
    mapped = ctypes.CDLL(None).mmap
    mapped.restype = ctypes.c_void_p
    mapped.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    mapped(None, 1000, mmap.PROT_READ, mmap.MAP_PRIVATE, file.fileno(), 0)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what is mapped is not to be seen")
def test_what_a_process_holds_stays(root: Path) -> None:
    mapped = write_cache(root / "cache/waves" / KEY)
    built = write_cache(root / "cache/features" / f"{OTHER}.partial")
    words = [sys.executable, "-c", HOLD, str(mapped / "samples.bin")]
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder,
        FileLock(root / "cache/features" / f"{OTHER}.lock"),
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        printed = ask(root, older_than="30d", apply=True)
        assert mapped.exists()
        assert built.exists()
    assert "a process builds it" in printed
    assert "a process reads it" in printed
    ask(root, older_than="30d", apply=True)
    assert not mapped.exists()
    assert not built.exists()


def test_what_is_no_run_and_no_cache_stays(root: Path, tmp_path: Path) -> None:
    outside = write_run(tmp_path / "elsewhere/outputs/train/a")
    mine = [
        root / "train/notes/ideas.txt",
        root / "train/half/config.yaml",
        root / "stats/x/stats.csv",
        root / "evaluate/other/config.yaml",
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
    age(root, 90)
    ask(root, keep_under="0B", older_than="1m", apply=True)
    assert [path for path in mine if not path.exists()] == []
    assert (outside / "config.yaml").exists()


def test_a_killed_call_is_finished_by_the_next(root: Path) -> None:
    tested = write_run(root / "train/a")
    tested.rename(root / "train/.a.being-dropped")
    cache = write_cache(root / "cache/waves" / f".{KEY}.being-dropped")
    ask(root, older_than="30d", apply=True)
    assert not cache.exists()
    assert [path.name for path in root.glob("train/*")] == ["a"]
    assert [path.name for path in tested.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"older_than": 30}, "older_than=30 is no age"),
        ({"older_than": "-3d"}, "is no age"),
        ({"keep_under": 20}, "keep_under=20 is no size"),
        ({"kind": "cache"}, "Did you mean caches?"),
        ({"kind": []}, "names nothing"),
    ],
)
def test_a_limit_that_is_none_drops_nothing(
    settings: dict[str, object], said: str, root: Path
) -> None:
    kept = write_run(root / "train/a")
    with pytest.raises(ConfigError, match=re.escape(said)):
        ask(root, apply=True, **settings)
    assert (kept / "config.yaml").exists()


def test_the_command_takes_its_settings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone, kept = write_run(root / "train/a"), write_cache(root / "cache/waves" / OTHER)
    words = ["older_than=30d", "keep_under=20GB", "kind=[runs]", "apply=true"]
    assert run(["prune", f"output_root={root}", *words]) == 0
    assert "dropped 1" in capsys.readouterr().out
    assert not (gone / "config.yaml").exists()
    assert kept.exists()
