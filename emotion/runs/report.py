"""Report of a run: report.html, one file without links to others, and confusion.png."""

import math
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.audio.decode import decode
from emotion.audio.standardise import resample
from emotion.config.composition import to_yaml
from emotion.data.labels import encode_labels
from emotion.data.segments import clip_names, clip_times
from emotion.data.speakers import count_speakers
from emotion.data.splits.base import SUBSETS, TEST, VAL
from emotion.errors import AudioError
from emotion.metrics.calibration import reliability_curve, risk_coverage, softmax
from emotion.metrics.classification import Array
from emotion.plots.charts import (
    Chart,
    abstention_chart,
    learning_charts,
    reliability_chart,
    robustness_charts,
)
from emotion.plots.confusion_matrix import plot_confusion_matrix
from emotion.plots.media import RATE, audio_uri, data_uri, scale_to_peak, spectrogram_png
from emotion.plots.templates_env import load_page
from emotion.runs.run import Run
from emotion.utils.files import write_text
from emotion.utils.tables import read_table

MAX_ERRORS, PLAYED_S = 12, 4.0
"""Number of confident errors on a page, and seconds of each that can be played."""

ABSTAIN_BELOW = 0.5
"""Confidence at which the page shows the effect of `abstain_below`."""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Contents of report.html; the page omits missing ones.

    `metrics`, `environment`, `timing` and `robustness` are as in the JSON files of these names,
    `split`, `predictions`, `history` and `skipped` as in the tables.

    Attributes:
        name: of the run, or of the file of predictions.
        labels: the classes, by id.
        audio_root: the folder that the paths of the clips are relative to.
        config: all settings as YAML; empty for predictions of another tool.
        input_s: seconds of a clip that the model receives; None for all, or if it varies.
        other_metrics: metrics on other datasets, by name.
        test_accesses: number of runs and prediction files that have used the test clips.
        chosen_by_test: whether this run is the best of these by its test score only.
    """

    name: str
    model: str
    dataset: str
    split_name: str
    labels: tuple[str, ...]
    metrics: Mapping[str, Any]
    split: pd.DataFrame
    predictions: pd.DataFrame
    audio_root: Path
    split_description: str = ""
    split_settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    config: str = ""
    input_s: float | None = None
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    skipped: pd.DataFrame = field(default_factory=pd.DataFrame)
    robustness: Mapping[str, Any] = field(default_factory=dict)
    other_metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    test_accesses: int = 0
    chosen_by_test: bool = False
    environment: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)

    @property
    def subset(self) -> str:
        """The subset that the page shows: validation for an untested run."""
        return TEST if self.metrics.get(TEST) else VAL


@dataclass(frozen=True)
class ConfidentError:
    """A wrong prediction of high confidence; `sound` and `image` are None for unreadable clips."""

    path: str
    speaker: str
    target: str
    predicted: str
    confidence: float
    seconds: float = 0.0
    sound: str | None = None
    image: str | None = None


def report_data(run: Run) -> ReportData:
    """Return the contents of a run's report, from the files of its folder."""
    settings, environment = run.settings, run.environment
    choices = environment.get("choices") or {}
    split = run.split
    corpora = sorted(set(split["corpus"]))
    nodes = {"model": settings.model, "dataset": settings.dataset, "split": settings.split}
    classes = {name: str(node["_target_"]).rpartition(".")[2] for name, node in nodes.items()}
    public = {key: value for key, value in settings.split.items() if not key.startswith("_")}
    tested = (run.folder / "predictions.csv").is_file()
    return ReportData(
        name=run.folder.name,
        model=choices.get("model") or settings.model.get("backbone") or classes["model"],
        dataset=choices.get("dataset") or ", ".join(corpora) or classes["dataset"],
        split_name=choices.get("split") or classes["split"],
        labels=run.labels,
        metrics=run.metrics,
        split=split,
        predictions=run.predictions if tested else pd.DataFrame(),
        audio_root=run.clips_root,
        split_description=_split_description(settings.split["_target_"]),
        split_settings={k: v for k, v in public.items() if isinstance(v, (int, float, str))},
        seed=settings.seed,
        config=to_yaml(settings),
        input_s=_input_s(settings.preprocessing),
        history=_table(run, "history.csv"),
        skipped=_table(run, "skipped.csv"),
        robustness=run.robustness,
        other_metrics=_other_metrics(run),
        test_accesses=len(run.test_accesses),
        chosen_by_test=run.chosen_by_test,
        environment=environment,
        timing=run.timing,
    )


def write_report(data: ReportData, folder: Path) -> None:
    """Write confusion.png and then report.html into a folder."""
    metrics = data.metrics.get(data.subset) or {}
    confusion = np.array(metrics.get("confusion") or [], dtype=np.int64)
    if confusion.size:
        subset = "test" if data.subset == TEST else "validation"
        mark = "LEAKS · " if data.metrics.get("leaks") else ""
        title = f"{mark}{int(confusion.sum()):,} {subset} clips"
        plot_confusion_matrix(confusion, data.labels, folder / "confusion.png", title=title)
    page: str = load_page("report.html").render(**_page_values(data, metrics, confusion))
    page = page.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    write_text(folder / "report.html", page)


# --- from a run folder ---------------------------------------------------------------------------


def _table(run: Run, name: str) -> pd.DataFrame:
    """Return a table of a run; an empty one if the file is missing."""
    path = run.folder / name
    return read_table(path) if path.is_file() else pd.DataFrame()


def _split_description(target: str) -> str:
    """Return the description of a split protocol; empty for a class without one."""
    try:
        return str(getattr(pkgutil.resolve_name(target), "description", ""))
    except (ImportError, AttributeError, ValueError):  # the class does not exist any more
        return ""


def _input_s(preprocessing: Mapping[str, Any]) -> float | None:
    if preprocessing.get("trim_db"):
        return None
    length = preprocessing.get("duration_ms") or preprocessing.get("max_duration_ms")
    return float(length) / 1000 if length else None


def _other_metrics(run: Run) -> dict[str, Mapping[str, Any]]:
    """Return the metrics of the run's evaluations on other clips than its own, by name."""
    files = sorted(run.folder.glob("evaluate/*/metrics.json"))
    return {
        f"{other.folder.name}{' LEAKS' if other.leaks else ''}": other.metrics[TEST]
        for other in (Run(file.parent) for file in files)
        if other.folder.name != TEST and TEST in other.metrics
    }


# --- to a page -----------------------------------------------------------------------------------


def _page_values(
    data: ReportData, metrics: Mapping[str, Any], confusion: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Return the values of the template; `metrics` are those of the subset shown."""
    split, robustness = data.split, data.robustness or {"curves": {}, "clean": math.nan}
    history = data.history.apply(pd.to_numeric, errors="coerce")
    learning = learning_charts(history, best_epoch=data.metrics.get("best_epoch"))
    values: dict[str, Any] = {
        "data": data,
        "tested": data.subset == TEST,
        "metrics": metrics,
        "leaks": bool(data.metrics.get("leaks")),
        "audit": data.metrics.get("audit") or {},
        "subsets": set(split["subset"]) if len(split) else set(),
        "corpora": sorted(set(split["corpus"])) if len(split) else [],
        "chance": 1 / max(1, len(data.labels) - len(metrics.get("absent") or ())),
        "clips": _split_counts(split),
        "skipped": data.skipped["reason"].value_counts().to_dict() if len(data.skipped) else {},
        "confusion": [[(int(n), n / max(1, row.sum())) for n in row] for row in confusion],
        "learning": list(learning) if len(history) else [],
        "robustness": list(robustness_charts(robustness["curves"], clean=robustness["clean"])),
    }
    if len(clips := data.predictions):
        probabilities = clips[[f"p_{label}" for label in data.labels]].to_numpy(float)
        target = encode_labels(clips["target"], data.labels)
        wrong = target != encode_labels(clips["predicted"], data.labels)
        confidence = probabilities.max(axis=1)
        covered = confidence >= ABSTAIN_BELOW
        error_rate = float(wrong[covered].mean()) if covered.any() else math.nan
        values |= {
            "calibration": _calibration_charts(probabilities, target, metrics),
            "abstention": (float(covered.mean()), error_rate),  # coverage first
            "errors": _confident_errors(data, confidence, wrong),
        }
    return values


def _split_counts(split: pd.DataFrame) -> dict[str, list[tuple[int, int]]]:
    """Return, for each corpus, the clips and speakers in train, val and test."""
    if not len(split):
        return {}
    counts = {}
    for corpus, clips in split.groupby("corpus"):
        parts = [clips[clips["subset"] == subset] for subset in SUBSETS]
        counts[str(corpus)] = [(len(part), count_speakers(part)) for part in parts]
    return counts


def _calibration_charts(
    probabilities: Array, target: npt.NDArray[np.int64], metrics: Mapping[str, Any]
) -> list[Chart]:
    """Return the reliability diagram and the risk by coverage."""
    if not (calibration := metrics.get("calibration")):
        return []
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(probabilities), -1e3) * calibration["temperature"]
    before, after = (reliability_curve(p, target) for p in (softmax(logits), probabilities))
    abstention = abstention_chart(risk_coverage(probabilities, target))
    return [reliability_chart(after, before=before), abstention]


def _confident_errors(
    data: ReportData, confidence: Array, wrong: npt.NDArray[np.bool_]
) -> list[ConfidentError]:
    """Return the wrong predictions of the highest confidence."""
    indices = np.flatnonzero(wrong)
    chosen = indices[np.argsort(-confidence[indices], kind="stable")][:MAX_ERRORS]
    names = clip_names(data.predictions).tolist()
    return [
        ConfidentError(
            path=names[index],
            speaker=f"{row['corpus']} {row['speaker']}".strip(),
            target=row["target"],
            predicted=row["predicted"],
            confidence=float(confidence[index]),
            **_media(data.audio_root / row["path"], clip_times(row), data.input_s),
        )
        for index, row in zip(chosen, data.predictions.iloc[chosen].to_dict("records"), strict=True)
    ]


def _media(path: Path, times: tuple[float, float], input_s: float | None) -> dict[str, Any]:
    """Return seconds, sound and spectrogram of a clip; nothing if it cannot be read."""
    try:
        wave, rate = decode(path, start_s=times[0], stop_s=times[1])
    except AudioError:
        return {}
    excerpt = scale_to_peak(resample(wave[: int(PLAYED_S * rate)], rate, to_rate=RATE))
    image = data_uri(spectrogram_png(excerpt, input_s=input_s), "image/png")
    return {"seconds": len(wave) / rate, "sound": audio_uri(excerpt), "image": image}
