"""The page of a run: report.html, which opens anywhere, offline, and confusion.png."""

import math
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.audio.decode import decode
from emotion.audio.standardise import resample
from emotion.config.composition import Config
from emotion.data.splits.base import SUBSETS, TEST, VAL
from emotion.errors import AudioError
from emotion.metrics.calibration import reliability_curve, risk_coverage, softmax
from emotion.plots.charts import (
    Chart,
    abstention_chart,
    learning_charts,
    reliability_chart,
    robustness_charts,
)
from emotion.plots.confusion_matrix import confusion_png
from emotion.plots.media import RATE, data_uri, mp3, spectrogram_png
from emotion.plots.templates_env import load_page
from emotion.runs.run import Run
from emotion.utils.files import write_text, written_whole
from emotion.utils.tables import read_table

Array = npt.NDArray[np.float64]

MISTAKES, PLAYED_S = 12, 4.0
"""How many mistakes a page shows, and how many seconds of each."""


@dataclass(frozen=True)
class ConfidentError:
    """A clip that the model was sure of, wrongly; `sound` and `picture` are None if unreadable."""

    path: str
    speaker: str
    target: str
    predicted: str
    probability: float
    seconds: float = 0.0
    sound: str | None = None
    picture: str | None = None


@dataclass(frozen=True)
class TestClips:
    """The test clips of a run: target and predicted ids, (N,), calibrated probabilities, (N, C)."""

    labels: tuple[str, ...]
    table: pd.DataFrame
    target: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    probabilities: Array

    @classmethod
    def of(cls, run: Run) -> "TestClips | None":
        """Return what a run's predictions.csv holds, or None where it has no clip."""
        table = run.predictions if (run.folder / "predictions.csv").is_file() else pd.DataFrame()
        if not len(table):
            return None
        labels = run.labels
        return cls(
            labels=labels,
            table=table,
            target=np.array([labels.index(name) for name in table["target"]]),
            predicted=np.array([labels.index(name) for name in table["predicted"]]),
            probabilities=table[[f"p_{label}" for label in labels]].to_numpy(np.float64),
        )


def write_report(run: Run) -> None:
    """Write confusion.png and then report.html from what the run left.

    What a run lacks, its page leaves out; an untested one shows its validation figures.
    """
    part = TEST if run.metrics.get(TEST) else VAL
    figures = run.metrics.get(part) or {}
    confusion = np.array(figures.get("confusion") or [], dtype=np.int64)
    if confusion.size:
        kind = "test" if part == TEST else "validation"
        title = f"{'LEAKS · ' if run.leaks else ''}{int(confusion.sum()):,} {kind} clips"
        with written_whole(run.folder / "confusion.png") as file:
            file.write(confusion_png(confusion, run.labels, title=title))
    page = load_page("report.html").render(**_contents(run, part))
    whole = page.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    write_text(run.folder / "report.html", whole)


def _contents(run: Run, part: str) -> dict[str, Any]:
    """Return what the template shows; its figures are those of `part`."""
    judged = TestClips.of(run)
    config, metrics, environment = run.config, run.metrics, run.environment
    figures = metrics.get(part) or {}
    labels = tuple(config["dataset.labels"])
    choices = environment.get("choices") or {}
    clips = _read(run, "split.csv")
    corpora = sorted(set(clips["corpus"])) if clips is not None else []
    return {
        "run": run.folder.name,
        "tested": part == TEST,
        "subsets": set() if clips is None else set(clips["subset"]),
        "figures": figures,
        "best_epoch": metrics.get("best_epoch"),
        "leaks": run.leaks,
        "audit": metrics.get("audit") or {},
        "shortcuts": metrics.get("shortcuts"),
        "test_accesses": len(run.test_accesses),
        "chosen_by_test": run.chosen_by_test,
        "labels": labels,
        "chance": 1 / max(1, len(labels) - len(figures.get("absent") or ())),
        "model": choices.get("model") or config.get("model.backbone") or _tail(config, "model"),
        "dataset": choices.get("dataset") or ", ".join(corpora) or _tail(config, "dataset"),
        "corpora": corpora,
        "split": choices.get("split") or _tail(config, "split"),
        "protocol": _protocol(config),
        "split_settings": _scalars(config.get("split") or {}),
        "clips": _clips(clips),
        "skipped": _skipped(run),
        "confusion": _confusion(figures),
        "learning": _learning(run),
        "calibration": _calibration(judged, figures),
        "robustness": _robustness(run),
        "elsewhere": _elsewhere(run),
        "abstention": _abstention(judged),
        "mistakes": _mistakes(judged, config),
        "heard_s": _heard_s(config),
        "environment": environment,
        "timing": run.timing,
        "config": config.yaml(),
        "seed": config.get("seed"),
    }


def _read(run: Run, name: str) -> pd.DataFrame | None:
    """Return a table of a run, or None where it has none."""
    path = run.folder / name
    return read_table(path) if path.is_file() else None


def _tail(config: Config, key: str) -> str:
    return str(config.get(f"{key}._target_") or "").rpartition(".")[2]


def _scalars(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a node that are plain values."""
    plain = (int, float, str, bool)
    return {k: v for k, v in node.items() if isinstance(v, plain) and not k.startswith("_")}


def _protocol(config: Config) -> str:
    """Return what a split does, in the words of its own class."""
    try:
        split = pkgutil.resolve_name(config["split._target_"])
    except (ImportError, AttributeError, ValueError):  # a class that is no longer there
        return ""
    return " ".join((split.__doc__ or "").partition("\n\n")[0].split())


def _clips(clips: pd.DataFrame | None) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return, of each corpus, the clips and speakers in train, val and test."""
    if clips is None:
        return []
    rows = []
    for corpus, own in clips.groupby("corpus"):
        parts = [own[own["subset"] == part] for part in SUBSETS]
        rows.append((str(corpus), [(len(part), part["speaker"].nunique()) for part in parts]))
    return rows


def _skipped(run: Run) -> list[tuple[str, int]]:
    """Return the reasons why files were left out, the commonest first."""
    table = _read(run, "skipped.csv")
    return [] if table is None else list(table["reason"].value_counts().items())  # type: ignore[arg-type]


def _confusion(figures: Mapping[str, Any]) -> list[list[tuple[int, float]]]:
    """Return the confusion matrix: of each cell the clips and their share of the row."""
    matrix = figures.get("confusion") or []
    return [[(int(n), float(n / max(1, sum(row)))) for n in row] for row in matrix]


def _learning(run: Run) -> list[Chart]:
    """Return how loss and UAR went, epoch by epoch."""
    history = _read(run, "history.csv")
    if history is None or not len(history):
        return []
    numbers = history.apply(pd.to_numeric, errors="coerce")
    return list(learning_charts(numbers, best_epoch=run.metrics.get("best_epoch")))


def _calibration(judged: TestClips | None, figures: Mapping[str, Any]) -> list[Chart]:
    """Return the reliability diagram, and the risk when the model may abstain."""
    known = figures.get("calibration")
    if judged is None or not known:
        return []
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(judged.probabilities), -1e3) * known["temperature"]
    before, after = (
        reliability_curve(p, judged.target) for p in (softmax(logits), judged.probabilities)
    )
    return [
        reliability_chart(after, before=before),
        abstention_chart(risk_coverage(judged.probabilities, judged.target)),
    ]


def _abstention(judged: TestClips | None) -> tuple[float, float] | None:
    """Return the share of clips that are answered at `abstain_below=0.5`, and how many wrongly."""
    if judged is None:
        return None
    sure = judged.probabilities.max(axis=1) >= 0.5
    wrong = judged.target != judged.predicted
    return float(sure.mean()), float(wrong[sure].mean()) if sure.any() else math.nan


def _robustness(run: Run) -> list[Chart]:
    """Return what `evaluate perturb=` found, a chart a perturbation."""
    found = run.robustness
    return list(robustness_charts(found["curves"], clean=found["clean"])) if found else []


def _elsewhere(run: Run) -> list[tuple[str, dict[str, Any]]]:
    """Return the figures of the run's evaluations on other clips than its own, by name."""
    folders = (path.parent for path in sorted(run.folder.glob("evaluate/*/metrics.json")))
    judged = [Run(folder) for folder in folders if folder.name != TEST]
    return [
        (f"{other.folder.name}{' LEAKS' if other.leaks else ''}", other.metrics[TEST])
        for other in judged
        if TEST in other.metrics
    ]


def _mistakes(judged: TestClips | None, config: Config) -> list[ConfidentError]:
    """Return the mistakes that the model was surest of, those heard and seen that are readable."""
    if judged is None:
        return []
    sure = judged.probabilities.max(axis=1)
    wrong = np.flatnonzero(judged.target != judged.predicted)
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
    root, heard_s = _root(config), _heard_s(config)
    return [
        _mistake(row, float(sure[place]), root=root, heard_s=heard_s)
        for place, row in zip(chosen, judged.table.iloc[chosen].to_dict("records"), strict=True)
    ]


def _mistake(
    row: Mapping[Any, Any], probability: float, *, root: Path, heard_s: float | None
) -> ConfidentError:
    mistake = ConfidentError(
        path=row["path"],
        speaker=f"{row['corpus']} {row['speaker']}".strip(),
        target=row["target"],
        predicted=row["predicted"],
        probability=probability,
    )
    try:
        wave, rate = decode(root / row["path"])
    except AudioError:
        return mistake
    seconds = len(wave) / rate
    wave = resample(wave[: int(PLAYED_S * rate)], rate, to_rate=RATE)
    wave = wave * np.float32(0.9 / max(float(np.abs(wave).max()), 1e-9))  # corpora differ 20-fold
    return replace(
        mistake,
        seconds=seconds,
        sound=data_uri(mp3(wave), "audio/mpeg"),
        picture=data_uri(spectrogram_png(wave, heard_s=heard_s), "image/png"),
    )


def _root(config: Config) -> Path:
    """Return what the paths of the clips are relative to."""
    table = config.get("dataset.path")
    return Path(config.get("dataset.root") or (Path(table).parent if table else "."))


def _heard_s(config: Config) -> float | None:
    """Return how many seconds of a clip the model is given; None for all, or where it varies."""
    lengths = [
        config.get(key)
        for key in ("preprocessing.duration_ms", "preprocessing.max_duration_ms")
        if not config.get("preprocessing.trim_db")
    ]
    return next((float(length) / 1000 for length in lengths if length), None)
