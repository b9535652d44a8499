"""Commands on a folder of hostile files with good clips among them."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from emotion.cli.main import run
from emotion.utils.printable import printable
from emotion.utils.tables import read_table
from tests.support.archive import write_clip
from tests.support.hostile import HIDDEN, Kind, write_hostile

pytestmark = pytest.mark.slow

Reasons = Mapping[str, str]
"""Reason for each file by its path; empty for a usable clip."""


def emotion(*words: str, code: int) -> subprocess.CompletedProcess[str]:
    """Run a command that must end without a traceback and with this exit code."""
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "emotion", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="surrogateescape", timeout=300
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning:" not in done.stderr.replace("Warning: Xing", ""), done.stderr
    return done


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per class with twenty good clips each, and all hostile files in one of them."""
    folder = tmp_path_factory.mktemp("hostile")
    for emotion_, seed in (("happy", 100), ("sad", 200)):
        for number in range(20):
            write_clip(folder / emotion_ / f"good {number:02}.wav", seed=seed + number)
    return folder


@pytest.fixture(scope="module")
def kinds(root: Path) -> dict[str, Kind]:
    """Hostile files by their path below the root."""
    return {f"happy/{name}": kind for name, kind in write_hostile(root / "happy").items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    few = ["dataset.generate.speakers=4", "dataset.generate.sentences=2", "trainer.max_epochs=1"]
    assert run(["train", f"output_root={folder}", f"hydra.run.dir={folder}/run", *few]) == 0
    return folder / "run"


def print_counts(
    command: str, kinds: Mapping[str, Kind], reasons: Reasons, good: int, lost: int
) -> None:
    """Print the number of files of each reason; visible with pytest -s."""
    print(f"\n{command}: {len(kinds)} kinds, {good} good clips, {lost} of them lost")
    for reason, count in Counter(reasons[path] or "a clip" for path in kinds).most_common():
        print(f"{count:>4}  {reason}")


def check(kinds: Mapping[str, Kind], reasons: Reasons, *, wanted: Sequence[str]) -> None:
    """Assert that no good clip is lost and that every other file has its own reason."""
    assert [path for path in wanted if reasons.get(path) != ""] == [], "good clips were lost"
    different = {
        path: (kind.reason, reasons.get(path))
        for path, kind in kinds.items()
        if path not in wanted and kind.reason not in (reasons.get(path) or "no reason")
    }
    assert different == {}


def prepared(output: Path) -> Reasons:
    """Return the reasons of `emotion prepare`."""
    (cache,) = (path.parent for path in (output / "cache" / "waves").glob("*/left_out.csv"))
    left_out = dict(read_table(cache / "left_out.csv").itertuples(index=False, name=None))
    return dict.fromkeys(read_table(cache / "index.csv")["path"], "") | left_out


def test_prepare_takes_every_good_clip_and_names_every_other_file(
    root: Path, kinds: dict[str, Kind], tmp_path: Path
) -> None:
    words = ["dataset=folder", f"dataset.root={root}", f"output_root={tmp_path}"]
    done = emotion("prepare", *words, code=0)
    reasons = prepared(tmp_path)
    good = [str(path.relative_to(root)) for path in root.glob("*/good*")]
    good += [path for path, kind in kinds.items() if kind.good]
    print_counts(
        "prepare dataset=folder",
        kinds,
        reasons,
        len(good),
        sum(reasons[path] != "" for path in good),
    )
    check(kinds, reasons, wanted=good)
    assert set(reasons) == {*good, *kinds}, "a file that does not exist has a reason"
    lines = [line for line in done.stdout.splitlines() if line.startswith("left out: ")]
    assert all(line.isprintable() for line in lines)
    assert f"{len(good):,} clips" in done.stdout


def test_prepare_of_a_table_does_the_same(
    root: Path, kinds: dict[str, Kind], tmp_path: Path
) -> None:
    good = [str(path.relative_to(root)) for path in root.glob("*/good*")]
    good += [path for path, kind in kinds.items() if kind.good or kind.reason == HIDDEN]
    strange = {"../happy/good.wav": "is not there", "nul\0.wav": "is not there", "": "is a folder"}
    table = tmp_path / "table.csv"
    with table.open("w", errors="surrogateescape", newline="") as file:
        rows = csv.writer(file, quoting=csv.QUOTE_ALL)
        rows.writerow(["path", "emotion", "speaker"])
        rows.writerows([path, path.partition("/")[0], "1"] for path in {*good, *kinds, *strange})
    words = ["dataset=csv", f"dataset.path={table}", f"dataset.root={root}"]
    emotion("prepare", *words, f"output_root={tmp_path}", code=0)
    reasons = prepared(tmp_path)
    check(kinds, reasons, wanted=good)
    assert all(reason in reasons[path] for path, reason in strange.items())


def test_predict_has_a_row_for_every_readable_file_and_a_reason_for_every_other(
    root: Path, kinds: dict[str, Kind], trained: Path, tmp_path: Path
) -> None:
    output = tmp_path / "rows.csv"
    done = emotion("predict", f"run={trained}", f"inputs={root}", f"output={output}", code=3)
    rows = read_table(output)
    predicted = [os.path.relpath(path, root) for path in rows["path"]]
    wanted = [str(path.relative_to(root)) for path in root.glob("*/good*")]
    wanted += [path for path, kind in kinds.items() if kind.predicted]
    assert sorted(predicted) == sorted(wanted)
    assert set(rows["predicted"]) <= {"sad", "angry", "disgust", "fear", "happy", "neutral"}
    lines = done.stderr.splitlines()
    prefixes = {path: f"{printable(str(root / path))} " for path in kinds}
    printed = {
        path: line.removeprefix(prefix)
        for path, prefix in prefixes.items()
        for line in lines
        if line.startswith(prefix)
    }
    reasons = printed | dict.fromkeys(predicted, "")
    print_counts("predict", kinds, reasons, len(wanted), len({*wanted} - {*predicted}))
    own = {path: kind.for_predict for path, kind in kinds.items()}
    check(own, reasons, wanted=wanted)


def test_predict_takes_strange_names_from_the_command_line(
    root: Path, kinds: dict[str, Kind], trained: Path, tmp_path: Path
) -> None:
    paths = sorted(str(root / path) for path, kind in kinds.items() if kind.name and kind.good)
    output = tmp_path / "rows.jsonl"
    emotion("predict", f"run={trained}", *paths, f"output={output}", code=0)
    rows = output.read_text(errors="surrogateescape").splitlines()
    assert [json.loads(row)["path"] for row in rows] == paths
