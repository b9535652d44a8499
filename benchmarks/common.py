"""What all benchmarks share: the clips, cases timed in turn, ratios with their spread, the page."""

import csv
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import soundfile

from emotion.config.composition import composed
from emotion.data.corpora.index import build_index
from emotion.data.labels import DEFAULT

T = TypeVar("T")

HERE = Path(__file__).parent
RESULTS = HERE / "results"
FLOORS = HERE / "floors"
SCRATCH = Path(os.environ.get("EMOTION_BENCH_DIR", HERE.parent / "outputs" / "benchmarks"))
RATE, SAMPLES = 24414, 63916
"""What preprocessing=cs334 makes of every clip."""

CORES = (
    len(psutil.Process().cpu_affinity() or ()) if sys.platform == "linux" else os.cpu_count() or 1
)

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program itself has it


@dataclass
class Options:
    """What the command line may set, as name=value.

    Args:
        data_root: the folder of the real corpora; empty for synthetic voices.
        clips: how many; drawn from a corpus with a fixed seed.
        repeats: how often every case is timed, all cases in turn.
        epochs: of a run that is timed by the epoch; the first does not count.
        dataset: of the real corpora.
        device: cpu or cuda.
        model: whose epochs.
        runs: folders of finished runs, by commas.
        subset: of these runs, whose speakers.
        shots: labelled clips a class, by commas.
        settings: further settings of a run, by spaces.
    """

    data_root: str = ""
    clips: int = 1200
    repeats: int = 3
    epochs: int = 4
    dataset: str = "cs334"
    device: str = "cpu"
    model: str = "cnn"
    runs: str = ""
    subset: str = "test"
    shots: str = "1,2,5"
    settings: str = ""

    @property
    def voices(self) -> str:
        """What the clips are, in words."""
        return (
            f"{self.clips:,} {f'clips of {self.dataset}' if self.data_root else 'synthetic clips'}"
        )


def options(**defaults: object) -> Options:
    """Return the options, from a script's defaults and the command line."""
    chosen = Options(**defaults)  # type: ignore[arg-type]
    kinds = {field.name: type(getattr(chosen, field.name)) for field in fields(Options)}
    for word in sys.argv[1:]:
        name, _, value = word.partition("=")
        if name not in kinds:
            raise SystemExit(f"{word!r}: choose among {', '.join(kinds)}, as name=value.")
        setattr(chosen, name, kinds[name](value))
    if chosen.epochs < 2:
        raise SystemExit("epochs must be at least 2: the first warms up.")
    return chosen


# --- clips ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clips:
    """A table of clips (path, emotion, speaker), as dataset=csv reads it, and their folder."""

    table: Path
    root: Path
    count: int

    @property
    def words(self) -> list[str]:
        """The settings that give these clips to a command."""
        return [
            "dataset=csv",
            "dataset.labels=null",
            f"dataset.path={self.table}",
            f"dataset.root={self.root}",
        ]

    @property
    def paths(self) -> list[Path]:
        """All files, in the table's order."""
        with self.table.open(encoding="utf-8") as file:
            return [self.root / row["path"] for row in csv.DictReader(file)]


def clips(chosen: Options, count: int | None = None) -> Clips:
    """Return so many real or synthetic clips, or all, read once so that they are at hand."""
    wanted = count or chosen.clips
    words = [f"dataset={chosen.dataset}", f"data_root={chosen.data_root}"]
    if not chosen.data_root:
        sentences = max(20, -(-wanted // 72))  # of 12 speakers in 6 emotions
        words = [f"dataset.generate.sentences={sentences}"]
    with composed("prepare", [*words, f"cache_dir={SCRATCH / 'corpora'}"]) as config:
        index = build_index(config.build("dataset"), SCRATCH / "corpora" / "index")
    table = index.table[["path", "emotion", "speaker"]]
    wanted = min(wanted, len(table))
    if count is None:
        chosen.clips = wanted
    drawn = np.random.default_rng(0).choice(len(table), wanted, replace=False)
    table = table.iloc[np.sort(drawn)]
    file = SCRATCH / f"{chosen.dataset if chosen.data_root else 'synthetic'}-{wanted}.csv"
    table.to_csv(file, index=False)
    found = Clips(file, index.root.resolve(), wanted)
    for path in found.paths:
        path.read_bytes()
    return found


def short_clips(count: int) -> Clips:
    """Return clips of 20 ms of noise at 16 kHz, written where they are not there yet."""
    folder = SCRATCH / f"short-{count}"
    table = folder / "clips.csv"
    if not table.exists():
        random = np.random.default_rng(0)
        lines = ["path,emotion,speaker"]
        for number in range(count):
            path = folder / f"{number // 1000:03}" / f"{number:06}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, random.uniform(-0.3, 0.3, 320), 16000, subtype="PCM_16")
            emotion = DEFAULT[number % len(DEFAULT)]
            lines.append(f"{path.relative_to(folder)},{emotion},s{number // 7 % 24:02}")
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Clips(table, folder.resolve(), count)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give an empty folder that is gone afterwards."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=SCRATCH))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


# --- timing --------------------------------------------------------------------------------------


def python(*words: object, jobs: int | None = None) -> tuple[float, str]:
    """Return the seconds and the output of a fresh interpreter that is given these words."""
    environment = os.environ | ({"LOKY_MAX_CPU_COUNT": str(jobs)} if jobs else {})
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{done.stderr[-3000:]}")
    return seconds, done.stdout


def command(*words: object, jobs: int | None = None) -> float:
    """Return the seconds of an `emotion` command, from the shell's call to its end."""
    return python("-m", "emotion", *words, jobs=jobs)[0]


def floor(name: str, *words: object) -> list[float]:
    """Return the numbers that a bare loop prints of itself."""
    return [float(word) for word in python(FLOORS / f"{name}.py", *words)[1].split()]


def seconds_of(call: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turn(cases: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Return what each case measured of itself, all cases in turn, every other round backwards."""
    found: dict[str, list[T]] = {name: [] for name in cases}
    for round_ in range(repeats):
        for name in list(cases)[:: 1 if round_ % 2 == 0 else -1]:
            found[name].append(cases[name]())
            print(f"round {round_ + 1}: {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    return found


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [one / other for one, other in zip(over, under, strict=True)]


def less(times: Sequence[float], start: Sequence[float]) -> list[float]:
    """Return each round's time beyond its start-up."""
    return [one - other for one, other in zip(times, start, strict=True)]


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Return a median and, behind it, the range."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


# --- the page ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What must be reached, and what was: the median of the rounds counts."""

    what: str
    values: Sequence[float]
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        middle = statistics.median(self.values)
        return middle >= self.limit if self.at_least else middle <= self.limit

    def row(self) -> list[str]:
        """The line of the page's table."""
        sign = "≥" if self.at_least else "≤"
        verdict = "met" if self.met else "**missed**"
        return [self.what, spread(self.values), f"{sign} {self.limit:g}", verdict]


def machine() -> str:
    """Return the machine and the versions, in words."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "no GPU"
    memory = psutil.virtual_memory().total / 2**30
    names = ("torch", "lightning", "numpy", "soundfile", "soxr")
    return (
        f"{CORES} cores ({processor()}), {memory:.0f} GB of memory, {gpu}; "
        f"load {os.getloadavg()[0]:.1f} at the start; "
        f"{os.environ.get('OMP_NUM_THREADS', CORES)} torch threads; {platform.system()}, "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in names)
    )


def processor() -> str:
    """Return the processor's name."""
    about = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", about.read_text()) if about.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


MACHINE = machine()


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def page(
    name: str,
    question: str,
    *,
    what: str,
    times: Mapping[str, Sequence[float]],
    unit: str,
    targets: Sequence[Target],
    notes: Sequence[str] = (),
) -> None:
    """Print a benchmark's findings and write them to results/`name`.md."""
    rounds = len(next(iter(times.values())))
    rows = [[case, spread(values, ".3g")] for case, values in times.items()]
    lines = [
        f"# {question}",
        "",
        f"{what}; {rounds} rounds, all cases in turn; median (least to most). {MACHINE}.",
        "",
        *grid(["case", unit], rows),
        "",
        *grid(["target", "measured", "wanted", ""], [target.row() for target in targets]),
        *(line for note in notes for line in ("", note)),
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
