"""The command `doctor`: what this machine has and lacks, each with what to do about it."""

import os
import platform
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emotion.cli.commands import FAILED, OK

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PACKAGE = "emotion"
WIDTH = 100
ROOMY_GB = 5
"""The caches of the four published corpora take about 2 GB, a run 0.3."""

FORMATS = {"WAV": "WAV", "AIFF": "AIFF", "FLAC": "FLAC", "OGG": "OGG and Opus", "MP3": "MP3"}
"""What libsndfile should read: its own name, and what people say."""

GIVES = {
    "app": "the page of emotion serve",
    "dev": "what the tests need",
    "download": "emotion download",
    "egemaps": "openSMILE's eGeMAPS features",
    "mic": "emotion predict inputs=mic",
    "mlflow": "runs logged to MLflow: logger=mlflow",
    "onnx": "emotion export",
    "scale": "caches made on a Dask cluster: emotion prepare scheduler=…",
    "sweep": "sweeps side by side: hydra/launcher=joblib or submitit_local",
    "tune": "searches by Optuna: sweep=optuna",
    "wandb": "runs logged to Weights & Biases: logger=wandb",
}
"""What each optional extra is good for."""

State = Literal["ok", "note", "BAD"]


def run(words: Sequence[str]) -> int:
    """Print what this machine has and lacks; return the exit code."""
    text, healthy = examine()
    print(text)
    return OK if healthy else FAILED


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. Only BAD is in the way of training and predicting."""

    state: State
    what: str
    said: str


def examine() -> tuple[str, bool]:
    """Return what was found, and whether nothing is missing that training and predicting need."""
    lines: list[Check] = []
    for look in (python, packages, extras, device, machine, audio, corpora):
        lines += _looked(look)
    bad = sum(line.state == "BAD" for line in lines)
    width = max(len(line.what) for line in lines)
    shown = []
    for line in lines:
        head = f"{line.state:<4}  {line.what:<{width}}  "
        shown.append(
            textwrap.fill(
                head + line.said,
                WIDTH,
                subsequent_indent=" " * len(head),
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    end = f"{bad} in the way: see BAD above." if bad else "All that is needed is here."
    return "\n".join([*shown, "", end]), not bad


def _looked(look: Callable[[], Iterator[Check]]) -> list[Check]:
    """Return a look's lines; a broken package is a line, not the doctor's end."""
    lines: list[Check] = []
    try:
        lines.extend(look())
    except Exception as err:  # whatever a broken installation raises
        lines.append(Check("BAD", look.__name__, f"{type(err).__name__}: {err}"))
    return lines


def python() -> Iterator[Check]:
    """Yield the interpreter."""
    from packaging.specifiers import SpecifierSet

    found, needed = platform.python_version(), metadata(PACKAGE)["Requires-Python"]
    said = f"{found} on {platform.platform(terse=True)}, {sys.prefix}"
    if SpecifierSet(needed).contains(found, prereleases=True):
        yield Check("ok", "python", said)
    else:
        yield Check("BAD", "python", f"{said}: {needed} is needed")


def packages() -> Iterator[Check]:
    """Yield what is declared as needed: the versions here, and what is missing or does not fit."""
    fitting = [f"{PACKAGE} {version(PACKAGE)}"]
    for requirement in _requirements():
        problem = problem_of(requirement)
        if problem:
            yield Check("BAD", requirement.name, f"{problem}: pip install '{requirement}'")
        else:
            fitting.append(f"{requirement.name} {version(requirement.name)}")
    yield Check("ok", "packages", ", ".join(fitting))


def extras() -> Iterator[Check]:
    """Yield what is optional: what each extra gives, and how to have it."""
    for extra in sorted(metadata(PACKAGE).get_all("Provides-Extra") or []):
        wanted = _requirements(extra)
        gives = GIVES.get(extra, ", ".join(requirement.name for requirement in wanted))
        problems = [f"{each.name} {problem}" for each in wanted if (problem := problem_of(each))]
        if problems:
            install = f"pip install '{PACKAGE}[{extra}]'"
            yield Check("note", extra, f"{install} for {gives} ({', '.join(problems)})")
        else:
            yield Check("ok", extra, gives)


def problem_of(requirement: "Requirement") -> str:
    """Return what is wrong with a required package, or an empty text."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return "is not installed"
    fits = requirement.specifier.contains(found, prereleases=True)
    return "" if fits else f"is {found}, not {requirement.specifier}"


def _requirements(extra: str = "") -> "list[Requirement]":
    """Return what the package declares that it needs, or what one extra adds."""
    from packaging.requirements import Requirement

    found = []
    for requirement in map(Requirement, requires(PACKAGE) or []):
        marker, requirement.marker = requirement.marker, None
        needed = marker is None or marker.evaluate({"extra": ""})
        if extra:
            needed = not needed and marker is not None and marker.evaluate({"extra": extra})
        if needed:
            found.append(requirement)
    return found


def device() -> Iterator[Check]:
    """Yield what networks run on; `device` is chosen for the user where nothing is said."""
    import torch

    for name in ("torchaudio", "torchvision"):
        try:
            import_module(name)
        except (ImportError, OSError, RuntimeError) as err:
            hint = "install both from PyPI; a torch for CPUs only lacks what it loads"
            yield Check(
                "BAD", name, f"does not load beside torch {torch.__version__} ({err}): {hint}"
            )
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(number)
            yield Check("ok", "device", f"CUDA: {found.name}, {found.total_memory / 2**30:.0f} GB")
    elif torch.backends.mps.is_available():
        yield Check("ok", "device", "Apple MPS")
    elif shutil.which("nvidia-smi"):
        said = f"CPU: torch for CUDA {torch.version.cuda} finds no GPU; is the driver older?"
        yield Check("note", "device", said)
    else:
        yield Check("ok", "device", "CPU; no GPU is found")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS")
    said = f"{torch.get_num_threads()} of {cores} cores"
    yield Check("ok", "threads", f"{said}, since OMP_NUM_THREADS={limit}" if limit else said)


def machine() -> Iterator[Check]:
    """Yield memory, and room on the disk where runs are written."""
    import psutil

    memory = psutil.virtual_memory()
    yield Check(
        "ok", "memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GB free"
    )
    folder = Path("outputs").resolve()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    if not os.access(folder, os.W_OK):
        yield Check("BAD", "disk", f"{folder} cannot be written to: set output_root=… elsewhere")
    elif free < ROOMY_GB:
        hint = (
            f"under {ROOMY_GB} GB are tight for large corpora: set output_root=… to a larger disk"
        )
        yield Check("note", "disk", f"{free:.1f} GB free at {folder}; {hint}")
    else:
        yield Check("ok", "disk", f"{free:.1f} GB free at {folder}")


def audio() -> Iterator[Check]:
    """Yield what libsndfile reads, and what it does not."""
    import soundfile

    known = soundfile.available_formats()
    read = [said for name, said in FORMATS.items() if name in known]
    yield Check(
        "ok", "audio", f"libsndfile {soundfile.__libsndfile_version__} reads {', '.join(read)}"
    )
    lacking = [said for name, said in FORMATS.items() if name not in known]
    if lacking:
        hint = "pip install --upgrade soundfile, whose wheel brings a newer libsndfile"
        yield Check("note", "audio", f"it does not read {', '.join(lacking)}: {hint}")
    yield Check("note", "audio", "no M4A, AAC or MP4: convert them first, ffmpeg -i in.m4a out.wav")


def corpora() -> Iterator[Check]:
    """Yield the four corpora that lie under data_root."""
    from emotion.config.composition import composed
    from emotion.data.corpora.readers import PatternReader
    from emotion.errors import CorpusError

    with composed("train", ["dataset=cs334"]) as config:
        dataset = config.build("dataset")
    root, missing = dataset.root.resolve(), []
    for reader in dataset.readers.values():
        try:
            found = len(reader.scan(root).rows)
        except CorpusError:
            below = reader.folder if isinstance(reader, PatternReader) else ""
            missing.append(f"{reader.corpus} ({root / below})")
            continue
        of = f" of the {reader.published:,} published" if reader.published else ""
        yield Check("ok", reader.corpus, f"{found:,}{of} clips under {root}")
    if missing:
        hint = (
            "Set EMOTION_DATA_ROOT (or data_root=…) to where they lie; dataset=synthetic needs none"
        )
        yield Check("note", "corpora", f"not here: {', '.join(missing)}. {hint}")
