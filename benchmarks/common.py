"""Options, clips, timing and result pages that all benchmarks share."""

import csv
import os
import platform
import re
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

from emotion.config.build import build
from emotion.config.composition import compose
from emotion.data.corpora.index import Index, build_index
from emotion.data.labels import DEFAULT_LABELS

T = TypeVar("T")

HERE = Path(__file__).parent
FLOORS = HERE / "floors"
RESULTS = Path(os.environ.get("EMOTION_BENCH_RESULTS", HERE / "results"))
SCRATCH = Path(os.environ.get("EMOTION_BENCH_DIR", HERE.parent / "outputs" / "benchmarks"))
RATE, SAMPLES = 24414, 63916
"""Sample rate (Hz) and samples of every clip under preprocessing=cs334."""

SPEAKERS, EMOTIONS = 12, 6
"""Speakers of the synthetic corpus, and emotions that each of them acts."""

CORES = (
    len(psutil.Process().cpu_affinity() or ()) if sys.platform == "linux" else os.cpu_count() or 1
)

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the `emotion` command sets it


@dataclass
class Options:
    """Options of the command line, each as name=value.

    Args:
        data_root: folder of the real corpora; empty: synthetic clips.
        clips: number of clips, drawn from the dataset with a fixed seed.
        repeats: number of rounds; every round runs each case once.
        epochs: epochs of each timed run; the first is not counted.
        dataset: dataset that real clips are drawn from.
        device: cpu or cuda.
        model: model that is trained; benchmarks.gpu takes several, separated by commas.
        runs: folders of finished runs, separated by commas.
        subset: subset of these runs whose speakers are adapted to.
        shots: labelled clips per class, separated by commas.
        settings: further settings of a run, separated by spaces.
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
    def clip_source(self) -> str:
        """Number and source of the clips, for a result page."""
        source = f"clips of {self.dataset}" if self.data_root else "synthetic clips"
        return f"{self.clips:,} {source}"


def parse_options(**defaults: object) -> Options:
    """Return the options of the command line, on top of a script's defaults."""
    options = Options(**defaults)  # type: ignore[arg-type]
    types = {field.name: type(getattr(options, field.name)) for field in fields(Options)}
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        if name not in types:
            raise SystemExit(
                f"{argument!r} is not valid: choose {', '.join(types)}, as name=value."
            )
        setattr(options, name, types[name](value))
    if options.epochs < 2:
        raise SystemExit(
            f"epochs={options.epochs} must be at least 2: the first epoch is not counted."
        )
    return options


# --- clips ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClipList:
    """A table of clips (path, emotion, speaker), as dataset=csv reads it, and their folder."""

    table: Path
    root: Path
    count: int

    @property
    def overrides(self) -> list[str]:
        """The settings that select these clips."""
        return [
            "dataset=csv",
            "dataset.labels=null",
            f"dataset.path={self.table}",
            f"dataset.root={self.root}",
        ]

    @property
    def paths(self) -> list[Path]:
        """All audio files, in the order of the table."""
        with self.table.open(encoding="utf-8") as file:
            return [self.root / row["path"] for row in csv.DictReader(file)]


def open_index(*overrides: str) -> Index:
    """Return the index of a dataset, built in the scratch folder where it is missing."""
    config = compose("prepare", [*overrides, f"cache_dir={SCRATCH / 'corpora'}"])
    return build_index(build(config.settings.dataset, "dataset"), SCRATCH / "corpora" / "index")


def draw_clips(options: Options, count: int | None = None) -> ClipList:
    """Return `count` or `options.clips` clips, fewer where the dataset has fewer.

    Each file is read once, so that it is in the page cache.
    """
    wanted = count or options.clips
    overrides = [f"dataset={options.dataset}", f"data_root={options.data_root}"]
    if not options.data_root:
        sentences = max(20, -(-wanted // (SPEAKERS * EMOTIONS)))
        overrides = [
            "dataset=synthetic",
            f"dataset.generate.speakers={SPEAKERS}",
            f"dataset.generate.sentences={sentences}",
        ]
    index = open_index(*overrides)
    table = index.table[["path", "emotion", "speaker"]]
    wanted = min(wanted, len(table))
    if count is None:
        options.clips = wanted
    drawn = np.random.default_rng(0).choice(len(table), wanted, replace=False)
    file = SCRATCH / f"{options.dataset if options.data_root else 'synthetic'}-{wanted}.csv"
    table.iloc[np.sort(drawn)].to_csv(file, index=False)
    clips = ClipList(file, index.root.resolve(), wanted)
    for path in clips.paths:
        path.read_bytes()
    return clips


def short_clips(count: int) -> ClipList:
    """Return clips of 20 ms of noise at 16 kHz, written where they are missing."""
    folder = SCRATCH / f"short-{count}"
    table = folder / "clips.csv"
    if not table.exists():
        random = np.random.default_rng(0)
        lines = ["path,emotion,speaker"]
        for number in range(count):
            path = folder / f"{number // 1000:03}" / f"{number:06}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, random.uniform(-0.3, 0.3, 320), 16000, subtype="PCM_16")
            emotion = DEFAULT_LABELS[number % len(DEFAULT_LABELS)]
            lines.append(f"{path.relative_to(folder)},{emotion},s{number // 7 % 24:02}")
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ClipList(table, folder.resolve(), count)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give an empty folder that is deleted afterwards."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        yield Path(folder)


def write_path_list(paths: Sequence[Path], folder: Path) -> Path:
    """Return a file in `folder` that lists paths, one a line, for a script without the package."""
    file = folder / "list.txt"
    file.write_text("\n".join(map(str, paths)), encoding="utf-8")
    return file


# --- timing --------------------------------------------------------------------------------------


def run_python(*arguments: object, jobs: int | None = None) -> tuple[float, str]:
    """Return the seconds and the standard output of a new Python process.

    Args:
        *arguments: its command line.
        jobs: worker processes that joblib may start; None: as many as there are cores.
    """
    environment = os.environ | ({"LOKY_MAX_CPU_COUNT": str(jobs)} if jobs else {})
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment
    )
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed:\n{process.stderr[-3000:]}")
    return seconds, process.stdout


def run_command(*arguments: object, jobs: int | None = None) -> float:
    """Return the seconds of an `emotion` command, start-up of the process included."""
    return run_python("-m", "emotion", *arguments, jobs=jobs)[0]


def run_floor_script(name: str, *arguments: object) -> list[float]:
    """Return the numbers that a script of benchmarks/floors prints."""
    return [float(word) for word in run_python(FLOORS / f"{name}.py", *arguments)[1].split()]


def time_file_loop(name: str, clips: ClipList, jobs: int) -> float:
    """Return the seconds of a bare loop of benchmarks/floors over audio files."""
    with scratch_folder() as folder:
        return run_floor_script(name, write_path_list(clips.paths, folder), folder, jobs)[0]


def time_torch_import() -> float:
    """Return the seconds of a new process that imports torch and Lightning only."""
    return run_python("-c", "import torch, lightning")[0]


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure_rounds(
    cases: Mapping[str, Callable[[], T]], repeats: int
) -> Iterator[dict[str, list[T]]]:
    """Yield, after every round, the results of each case so far.

    A round runs each case once; every other round runs them in reverse order.
    """
    results: dict[str, list[T]] = {name: [] for name in cases}
    for number in range(repeats):
        for name in list(cases)[:: 1 if number % 2 == 0 else -1]:
            results[name].append(cases[name]())
            print(f"round {number + 1}: {name}: {results[name][-1]}", file=sys.stderr, flush=True)
        yield results


def measure_cases(cases: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Return the results of each case, one for every round."""
    *_, results = measure_rounds(cases, repeats)
    return results


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [one / other for one, other in zip(numerators, denominators, strict=True)]


def differences(times: Sequence[float], start: Sequence[float]) -> list[float]:
    """Return the difference of each round, such as a command's time without its start-up."""
    return [one - other for one, other in zip(times, start, strict=True)]


def format_median(values: Sequence[float], form: str = ".2f") -> str:
    """Return the median with the minimum and maximum in brackets, as text."""
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:{form}} ({low:{form}} to {high:{form}})"


# --- result pages --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Criterion:
    """A limit for the median of a measured quantity over all rounds."""

    name: str
    values: Sequence[float]
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        median = statistics.median(self.values)
        return median >= self.limit if self.at_least else median <= self.limit

    def row(self) -> list[str]:
        """The row of the result page's table."""
        sign = "≥" if self.at_least else "≤"
        result = "met" if self.met else "**missed**"
        return [self.name, format_median(self.values), f"{sign} {self.limit:g}", result]


def describe_machine() -> str:
    """Return hardware, load and versions, for a result page."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "no GPU"
    memory = psutil.virtual_memory().total / 2**30
    names = ("torch", "lightning", "numpy", "soundfile", "soxr")
    return (
        f"{CORES} cores ({processor_name()}), {memory:.0f} GB of memory, {gpu}; "
        f"load average {os.getloadavg()[0]:.1f} at the start; "
        f"{os.environ.get('OMP_NUM_THREADS', CORES)} torch threads; {platform.system()}, "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in names)
    )


def processor_name() -> str:
    """Return the name of the processor."""
    file = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.+)", file.read_text()) if file.exists() else None
    return match[1] if match else platform.processor() or platform.machine()


MACHINE = describe_machine()


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def write_page(name: str, lines: Sequence[str]) -> None:
    """Print a result page and write it to results/`name`.md."""
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, flush=True)


def write_timing_page(
    name: str,
    title: str,
    *,
    setup: str,
    times: Mapping[str, Sequence[float]],
    unit: str,
    criteria: Sequence[Criterion],
    notes: Sequence[str] = (),
) -> None:
    """Write the result page of cases that were measured in rounds.

    Args:
        name: of the file in results/.
        title: the page's heading.
        setup: data and settings of the measurement.
        times: results of each case, one for every round.
        unit: of the results.
        criteria: limits and the quantities compared with them.
        notes: paragraphs below the tables.
    """
    rounds = len(next(iter(times.values())))
    rows = [[case, format_median(values, ".3g")] for case, values in times.items()]
    write_page(
        name,
        [
            f"# {title}",
            "",
            f"{setup}. Rounds: {rounds}; each runs every case once. "
            f"Values: median (minimum to maximum). {MACHINE}.",
            "",
            *markdown_table(["case", unit], rows),
            "",
            *markdown_table(
                ["criterion", "measured", "limit", "result"], [each.row() for each in criteria]
            ),
            *(line for note in notes for line in ("", note)),
        ],
    )
