"""Who answers: what a model is, and how good it was on whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotion.plots.format import percent
from emotion.runs.run import Run

FOLDER = "export"


@dataclass(frozen=True)
class Score:
    """How a model did on clips that it did not learn from.

    Attributes:
        tested: whether on test clips; else on the validation clips that chose its epoch.
        uar: the share of right answers, averaged over the classes.
        low: of the interval over speakers; None where there are too few.
        high: of the same.
        speakers: in these clips.
        clips: how many.
        corpora: which the clips are of.
    """

    tested: bool
    uar: float
    low: float | None
    high: float | None
    speakers: int
    clips: int
    corpora: tuple[str, ...]


@dataclass(frozen=True)
class About:
    """What a person should know of a model before they believe it.

    Attributes:
        name: by which it is chosen.
        kind: its architecture, where that is known.
        labels: its classes, by id.
        leaks: whether it was tested on speakers or recordings that it had learnt from.
        score: None where it was never judged.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    leaks: bool
    score: Score | None

    @property
    def sentences(self) -> list[str]:
        """How good it was on whom, in plain words, the warning first."""
        score = self.score
        if score is None:
            return ["It was never judged: nobody knows how good it is."]
        said = [
            f"Averaged over the {len(self.labels)} emotions, {percent(score.uar)} of its answers "
            f"were right (UAR; by chance {percent(1 / len(self.labels))}), on {score.clips:,} "
            f"{'test' if score.tested else 'validation'} clips of "
            f"{_count(score.speakers, 'speaker')} ({', '.join(score.corpora) or 'one corpus'})."
        ]
        if score.low is None or score.high is None:
            said.append("These are too few speakers to say how much another group would differ.")
        else:
            said.append(
                f"For other speakers like them the figure lies between {percent(score.low)} and "
                f"{percent(score.high)} (95 % interval)."
            )
        if not score.tested:
            said.append("It is untested: the same clips chose its best epoch, which flatters it.")
        if self.leaks:
            said.insert(
                0,
                "LEAKS: it had learnt from the same speakers or recordings that it was tested on. "
                "With new voices it does worse than this.",
            )
        return said


def about_run(run: Run, name: str) -> About:
    """Return what a run folder says of its model."""
    choices = run.environment.get("choices") or {}
    return About(
        name=name,
        kind=str(choices.get("model") or ""),
        labels=run.labels,
        leaks=run.leaks,
        score=score_of(run.metrics),
    )


def about_export(said: Mapping[str, Any], name: str) -> About:
    """Return what an export folder's model.json says of its model."""
    return About(
        name=name,
        kind="",
        labels=tuple(said["labels"]),
        leaks=bool(said["leaks"]),
        score=score_of(said["scores"], corpora=said["training"]["corpora"]),
    )


def score_of(figures: Mapping[str, Any], *, corpora: Sequence[str] = ()) -> Score | None:
    """Return the test score, else the validation score, else None.

    Args:
        figures: of `test` and `val`, as in metrics.json or model.json.
        corpora: which the clips are of, where the figures do not say it.
    """
    part = next((part for part in ("test", "val") if figures.get(part)), None)
    if part is None:
        return None
    found = figures[part]
    interval = found.get("interval") or found
    return Score(
        tested=part == "test",
        uar=float(found["uar"]),
        low=interval.get("uar_low"),
        high=interval.get("uar_high"),
        speakers=int(interval.get("speakers") or 0),
        clips=int(found["n"]),
        corpora=tuple(sorted(found.get("by_corpus") or corpora)),
    )


def unique_names(folders: Sequence[str]) -> list[str]:
    """Return the shortest ends of these paths that tell them apart, and say more than `export`."""
    parts = [folder.strip("/").split("/") for folder in folders]
    longest = max(len(part) for part in parts)
    for length in range(1, longest + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names) and FOLDER not in names:
            return names
    return [f"{number}: {'/'.join(part)}" for number, part in enumerate(parts, start=1)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
