"""Model card on the page: the classes of a model and its evaluation results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotion.plots.format import percent
from emotion.runs.run import Run


@dataclass(frozen=True)
class Score:
    """Evaluation results of a model on clips it was not trained on.

    Attributes:
        tested: whether these are test clips; else the validation clips that chose the best epoch.
        uar: unweighted average recall.
        low, high: ends of the 95 % interval over speakers; None for too few speakers.
        speakers, clips, corpora: numbers of speakers and of clips, and names of the corpora.
    """

    tested: bool
    uar: float
    low: float | None
    high: float | None
    speakers: int
    clips: int
    corpora: tuple[str, ...]


@dataclass(frozen=True)
class ModelCard:
    """Facts that a user of a model must know.

    Attributes:
        name: the name by which users choose the model.
        kind: the architecture, or empty if unknown.
        labels: the classes, by id.
        leaks: whether the test clips share speakers or recordings with the training clips.
        score: None if the model was not evaluated.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    leaks: bool
    score: Score | None

    @property
    def sentences(self) -> list[str]:
        """The evaluation results as sentences, the warning about data leakage first."""
        score = self.score
        if score is None:
            return ["Not evaluated: the accuracy of this model is unknown."]
        sentences = [
            f"Unweighted average recall (UAR): {percent(score.uar)}, on {score.clips:,} "
            f"{'test' if score.tested else 'validation'} clips of "
            f"{score.speakers:,} speaker{'s' if score.speakers != 1 else ''} "
            f"({', '.join(score.corpora) or 'one corpus'}). "
            f"Chance for {len(self.labels)} emotions: {percent(1 / len(self.labels))}."
        ]
        if score.low is None or score.high is None:
            sentences.append("There are too few speakers for a confidence interval.")
        else:
            sentences.append(
                f"95\u202f% confidence interval over speakers: {percent(score.low)} to "
                f"{percent(score.high)}."
            )
        if not score.tested:
            sentences.append(
                "Untested: the same clips chose the best epoch, so the score is too optimistic."
            )
        if self.leaks:
            sentences.insert(
                0,
                "LEAKS: the training clips include speakers or recordings of the test clips. "
                "Expect a lower score for new speakers.",
            )
        return sentences


def run_card(run: Run, name: str) -> ModelCard:
    """Return the model card of a run."""
    choices = run.environment.get("choices") or {}
    kind = str(choices.get("model") or "")
    return ModelCard(name, kind, run.labels, leaks=run.leaks, score=read_score(run.metrics))


def export_card(metadata: Mapping[str, Any], name: str) -> ModelCard:
    """Return the model card of an export folder, from the contents of its model.json."""
    score = read_score(metadata["scores"], corpora=metadata["training"]["corpora"])
    labels = tuple(metadata["labels"])
    return ModelCard(name, kind="", labels=labels, leaks=bool(metadata["leaks"]), score=score)


def read_score(metrics: Mapping[str, Any], *, corpora: Sequence[str] = ()) -> Score | None:
    """Return the test score, else the validation score, else None.

    The metrics are those of metrics.json or model.json; `corpora` is used if they contain none.
    """
    subset = next((subset for subset in ("test", "val") if metrics.get(subset)), None)
    if subset is None:
        return None
    found = metrics[subset]
    interval = found.get("interval") or found
    return Score(
        tested=subset == "test",
        uar=float(found["uar"]),
        low=interval.get("uar_low"),
        high=interval.get("uar_high"),
        speakers=int(interval.get("speakers") or 0),
        clips=int(found["n"]),
        corpora=tuple(sorted(found.get("by_corpus") or corpora)),
    )


def unique_names(folders: Sequence[str]) -> list[str]:
    """Return the shortest unique ends of paths; otherwise numbered full paths.

    The end `export` alone is too short.
    """
    parts = [folder.strip("/").split("/") for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names) and "export" not in names:
            return names
    return [f"{number}: {'/'.join(part)}" for number, part in enumerate(parts, start=1)]
