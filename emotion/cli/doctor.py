"""The command `doctor`: checks packages, devices, disk, audio formats and corpora."""

import os
import platform
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
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
ENOUGH_GB = 5
"""Free disk space; the caches of the four published corpora take about 2 GB, a run 0.3."""

FORMATS = {"WAV": "WAV", "AIFF": "AIFF", "FLAC": "FLAC", "OGG": "OGG and Opus", "MP3": "MP3"}
"""Audio formats: the name in libsndfile, and the usual name."""

EXTRAS = {
    "app": "the page of emotion serve",
    "dev": "tests, checks and documentation",
    "docs": "building the documentation",
    "download": "emotion download",
    "egemaps": "openSMILE's eGeMAPS features",
    "mic": "emotion predict inputs=mic",
    "mlflow": "runs logged to MLflow: logger=mlflow",
    "onnx": "emotion export",
    "scale": "caches built on a Dask cluster: emotion prepare scheduler=…",
    "sweep": "sweeps in parallel: hydra/launcher=joblib or submitit_local",
    "tune": "searches with Optuna: sweep=optuna",
    "wandb": "runs logged to Weights & Biases: logger=wandb",
}
"""Purpose of each optional extra."""

State = Literal["ok", "note", "BAD"]


def run(words: Sequence[str]) -> int:
    """Print the checks of this machine; return the exit code."""
    text, healthy = check_machine()
    print(text)
    return OK if healthy else FAILED


@dataclass(frozen=True)
class Check:
    """One check. Only BAD prevents training and prediction."""

    state: State
    name: str
    result: str


def check_machine() -> tuple[str, bool]:
    """Return all checks as text, and whether training and prediction are possible."""
    checks: list[Check] = []
    for part in (python, packages, extras, device, machine, audio, corpora):
        try:
            checks.extend(part())
        except Exception as err:  # a broken installation raises many kinds
            checks.append(Check("BAD", part.__name__, f"{type(err).__name__}: {err}"))
    bad = sum(check.state == "BAD" for check in checks)
    width = max(len(check.name) for check in checks)
    wrapper = textwrap.TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False)
    shown = []
    for check in checks:
        head = f"{check.state:<4}  {check.name:<{width}}  "
        wrapper.subsequent_indent = " " * len(head)
        shown.append(wrapper.fill(head + check.result))
    end = f"{bad} problems: see BAD above." if bad else "Everything needed is installed."
    return "\n".join([*shown, "", end]), not bad


def python() -> Iterator[Check]:
    """Yield the version of Python."""
    from packaging.specifiers import SpecifierSet

    found, needed = platform.python_version(), metadata(PACKAGE)["Requires-Python"]
    shown = f"{found} on {platform.platform(terse=True)}, {sys.prefix}"
    if SpecifierSet(needed).contains(found, prereleases=True):
        yield Check("ok", "python", shown)
    else:
        yield Check("BAD", "python", f"{shown}: {needed} is needed")


def packages() -> Iterator[Check]:
    """Yield the required packages: installed versions, missing ones, wrong versions."""
    fitting = [f"{PACKAGE} {version(PACKAGE)}"]
    for requirement in _requirements():
        problem = problem_of(requirement)
        if problem:
            yield Check("BAD", requirement.name, f"{problem}: pip install '{requirement}'")
        else:
            fitting.append(f"{requirement.name} {version(requirement.name)}")
    yield Check("ok", "packages", ", ".join(fitting))


def extras() -> Iterator[Check]:
    """Yield the optional extras: their purpose, and how to install them."""
    for extra in sorted(metadata(PACKAGE).get_all("Provides-Extra") or []):
        wanted = _requirements(extra)
        purpose = EXTRAS.get(extra, ", ".join(requirement.name for requirement in wanted))
        problems = [f"{each.name} {problem}" for each in wanted if (problem := problem_of(each))]
        if problems:
            install = f"pip install '{PACKAGE}[{extra}]'"
            yield Check("note", extra, f"{install} for {purpose} ({', '.join(problems)})")
        else:
            yield Check("ok", extra, purpose)


def problem_of(requirement: "Requirement") -> str:
    """Return the problem of a required package, or an empty text."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return "is not installed"
    fits = requirement.specifier.contains(found, prereleases=True)
    return "" if fits else f"is {found}, not {requirement.specifier}"


def _requirements(extra: str = "") -> "list[Requirement]":
    """Return the declared requirements of the package, or those that an extra adds."""
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
    """Yield the device that is chosen automatically, and the number of threads."""
    import torch

    for name in ("torchaudio", "torchvision"):
        try:
            import_module(name)
        except (ImportError, OSError, RuntimeError) as err:
            hint = "install both from PyPI; it needs libraries that a CPU-only torch lacks"
            yield Check(
                "BAD", name, f"cannot be imported with torch {torch.__version__} ({err}): {hint}"
            )
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(number)
            yield Check("ok", "device", f"CUDA: {found.name}, {found.total_memory / 2**30:.0f} GB")
    elif torch.backends.mps.is_available():
        yield Check("ok", "device", "Apple MPS")
    elif shutil.which("nvidia-smi"):
        problem = f"CPU: torch for CUDA {torch.version.cuda} finds no GPU; check the driver version"
        yield Check("note", "device", problem)
    else:
        yield Check("ok", "device", "CPU; no GPU found")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS")
    threads = f"{torch.get_num_threads()} of {cores} cores"
    reason = f", since OMP_NUM_THREADS={limit}" if limit else ""
    yield Check("ok", "threads", threads + reason)


def machine() -> Iterator[Check]:
    """Yield free memory, and free space on the disk of the output folder."""
    import psutil

    memory = psutil.virtual_memory()
    available, total = memory.available / 2**30, memory.total / 2**30
    yield Check("ok", "memory", f"{available:.1f} of {total:.1f} GB free")
    outputs = Path("outputs").resolve()
    folder = next(path for path in (outputs, *outputs.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free / 2**30
    if not os.access(folder, os.W_OK):
        yield Check("BAD", "disk", f"{folder} is read-only: set output_root=FOLDER")
    elif free < ENOUGH_GB:
        hint = f"large corpora need {ENOUGH_GB} GB: set output_root=FOLDER on a larger disk"
        yield Check("note", "disk", f"{free:.1f} GB free at {folder}; {hint}")
    else:
        yield Check("ok", "disk", f"{free:.1f} GB free at {folder}")


def audio() -> Iterator[Check]:
    """Yield the audio formats that libsndfile reads, and those that it does not."""
    import soundfile

    known = soundfile.available_formats()
    read = [usual for name, usual in FORMATS.items() if name in known]
    library = f"libsndfile {soundfile.__libsndfile_version__}"
    yield Check("ok", "audio", f"{library} reads {', '.join(read)}")
    lacking = [usual for name, usual in FORMATS.items() if name not in known]
    if lacking:
        hint = "pip install --upgrade soundfile installs a newer libsndfile"
        yield Check("note", "audio", f"not readable: {', '.join(lacking)}. {hint}")
    yield Check("note", "audio", "M4A, AAC and MP4 must be converted: ffmpeg -i in.m4a out.wav")


def corpora() -> Iterator[Check]:
    """Yield the corpora under data_root."""
    from emotion.config.build import build
    from emotion.config.composition import compose
    from emotion.data.corpora.readers import PatternReader
    from emotion.errors import CorpusError

    dataset = build(compose("train", ["dataset=cs334"]).settings.dataset, "dataset")
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
        hint = "Set EMOTION_DATA_ROOT (or data_root=) to their folder; dataset=synthetic needs none"
        yield Check("note", "corpora", f"not found: {', '.join(missing)}. {hint}")
