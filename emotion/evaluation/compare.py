"""Comparison of two systems on the same clips: difference in UAR, interval and tests."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from emotion.data.labels import encode_labels
from emotion.data.segments import clip_key, clip_names
from emotion.data.speakers import speaker_ids
from emotion.errors import RunError
from emotion.metrics.intervals import has_unknown, speaker_confusions
from emotion.metrics.significance import (
    mcnemar,
    paired_difference,
    sign_flip_test,
    smallest_detectable_difference,
)
from emotion.utils.names import match_names, match_paths


@dataclass(frozen=True)
class Comparison:
    """UAR of `a` minus UAR of `b`, as fractions, on `n` shared clips of `speakers` speakers.

    `low` and `high` are the 95 % interval over speakers, `p` is that of the sign-flip test over
    speakers, `smallest` the true difference that this test set detects with 80 % power; None, and
    `p` 1, for too few or unknown speakers. `mcnemar_p` ignores speakers: for information only.
    """

    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    p: float
    smallest: float | None
    mcnemar_p: float
    n: int
    speakers: int

    @property
    def verdict(self) -> str:
        """The better system, or that the two are not distinguishable."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "not distinguishable"
        return f"{self.a if self.difference > 0 else self.b} is better"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for comparison.json."""
        return asdict(self) | {"verdict": self.verdict}

    def sentence(self) -> str:
        """Return the comparison as a sentence for the console."""
        interval = "no interval: too few speakers"
        if self.low is not None:
            interval = f"95 % interval {self.low:+.1%} to {self.high:+.1%}"
        smallest = f"; {self.smallest:.1%} is detectable with 80 % power" if self.smallest else ""
        return (
            f"{self.a} - {self.b}: UAR {self.difference:+.1%} ({interval}; sign flip over "
            f"{self.speakers} speakers p = {self.p:.3f}; {self.n:,} clips{smallest}): "
            f"{self.verdict}. McNemar, which ignores speakers: p = {self.mcnemar_p:.3f}"
        )


def compare_predictions(
    first: pd.DataFrame, second: pd.DataFrame, *, names: tuple[str, str]
) -> Comparison:
    """Return the comparison of two predictions tables: path, corpus, speaker, target, predicted.

    Raises:
        RunError: the tables share no clip, or their targets differ.
    """
    if (key := clip_key(first)) != clip_key(second):
        raise RunError(f"of {names[0]} and {names[1]}, only one has segments (start and end).")
    classes = [*first["target"], *first["predicted"]]
    second = second.assign(
        path=match_paths(second["path"], first["path"]),
        target=match_names(second["target"], classes),
        predicted=match_names(second["predicted"], classes),
    )
    both = first.merge(second[[*key, "target", "predicted"]], on=key, suffixes=("_a", "_b"))
    if not len(both):
        raise RunError(
            f"{names[0]} and {names[1]} share no test clip. Choose runs with the same test clips."
        )
    if len(differ := both[both["target_a"] != both["target_b"]]):
        clip, name = differ.iloc[0], clip_names(differ).iloc[0]
        raise RunError(
            f"{name} has the target {clip.target_a} in {names[0]} and {clip.target_b} in "
            f"{names[1]}. Compare runs with the same labels."
        )
    classes = sorted(set(both["target_a"]) | set(both["predicted_a"]) | set(both["predicted_b"]))
    target, a, b = (
        encode_labels(both[name], classes) for name in ("target_a", "predicted_a", "predicted_b")
    )
    speaker, n_classes = speaker_ids(both).to_numpy(), len(classes)
    interval = paired_difference(target, a, predicted_b=b, speaker=speaker, n_classes=n_classes)
    counts = [speaker_confusions(target, x, speaker, n_classes=n_classes) for x in (a, b)]
    return Comparison(
        *names,
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        p=1.0 if has_unknown(speaker) else sign_flip_test(*counts),
        smallest=smallest_detectable_difference(interval),
        mcnemar_p=mcnemar(target == a, target == b),
        n=len(both),
        speakers=interval.n_clusters,
    )
