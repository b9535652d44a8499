"""What the training clips are like, and in which way a clip is unlike them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.audio.clip_statistics import measure
from emotion.audio.decode import Wave

Floats = npt.NDArray[np.float64]

DIRECTIONS = 32
"""At most so many directions of the embedding have a variance of their own."""

TAIL = 0.005
"""The share of training clips that may lie under a range, and over it."""

LIMIT = 0.99
"""The quantile of the validation clips' distances from which an embedding is unlike."""

MARGIN, MARGIN_DB = 0.1, 1.0
"""What is still like training: rates and lengths by this share out of its range, levels by dB."""


@dataclass(frozen=True)
class Traits:
    """What a clip was before it was standardised.

    Attributes:
        sample_rate: Hz.
        seconds: how long it is.
        level_db: of its active part, re full scale.
    """

    sample_rate: float
    seconds: float
    level_db: float


@dataclass(frozen=True)
class Cloud:
    """Where the embeddings of training clips lie: a Gaussian, most of its variances alike.

    Its covariance is that of probabilistic principal components (Tipping & Bishop, 1999): the
    widest directions have their own variance, all others share one.

    Attributes:
        mean: (D,).
        directions: unit vectors, (K, D).
        variances: along each, (K,).
        rest: the variance along every other direction.
        limit: the distance that few validation clips exceed.
    """

    mean: Floats
    directions: Floats
    variances: Floats
    rest: float
    limit: float

    def distances(self, embedding: npt.NDArray[Any]) -> Floats:
        """Return the Mahalanobis distances, per dimension, of embeddings: (N, D) -> (N,)."""
        centred = embedding - self.mean
        along = centred @ self.directions.T  # (N, K)
        beside = np.maximum(np.square(centred).sum(axis=1) - np.square(along).sum(axis=1), 0)
        squares = (np.square(along) / self.variances).sum(axis=1) + beside / self.rest
        distances: Floats = np.sqrt(squares / len(self.mean))
        return distances


@dataclass(frozen=True)
class Profile:
    """What a run's training clips are like; `as_dict` and `from_dict` take it to JSON and back.

    Attributes:
        sample_rate: the lowest and the highest native rate, Hz, as far as the model hears it.
        seconds: the range of lengths, as far as the model hears them.
        level_db: the range of levels.
        window_s: the seconds that the model hears; infinite where all are.
        model_rate: the rate at which it hears, Hz.
        priors: how frequent the model learned the classes to be.
        cloud: where the embeddings lie.
    """

    sample_rate: tuple[float, float]
    seconds: tuple[float, float]
    level_db: tuple[float, float]
    window_s: float
    model_rate: float
    priors: Mapping[str, float]
    cloud: Cloud

    @property
    def width(self) -> int:
        """The dimensions of an embedding."""
        return len(self.cloud.mean)

    def unlike(self, traits: Traits, embedding: npt.NDArray[Any]) -> list[str]:
        """Return in which ways a clip is unlike the training clips, in words; none: it is like.

        Args:
            traits: of the clip.
            embedding: what the model made of it, (D,).
        """
        found = []
        rate = min(traits.sample_rate, self.model_rate)
        low, high = self.sample_rate
        if not low * (1 - MARGIN) <= rate <= high * (1 + MARGIN):
            found.append(
                f"its rate of {traits.sample_rate:,.0f} Hz (they: {low:,.0f} to {high:,.0f} Hz)"
            )
        seconds = min(traits.seconds, self.window_s)
        low, high = self.seconds
        if not low * (1 - MARGIN) <= seconds <= high * (1 + MARGIN):
            found.append(f"its length of {traits.seconds:.1f} s (they: {low:.1f} to {high:.1f} s)")
        low, high = self.level_db
        if not low - MARGIN_DB <= traits.level_db <= high + MARGIN_DB:
            found.append(
                f"its level of {traits.level_db:.0f} dB (they: {low:.0f} to {high:.0f} dB)"
            )
        distance = float(self.cloud.distances(embedding[None])[0])
        if distance > self.cloud.limit:
            times = distance / self.cloud.limit
            found.append(f"its sound, {times:.1f} times as far from theirs as 99 % of them")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, floats to six digits."""
        plain = asdict(self)
        plain["window_s"] = None if math.isinf(self.window_s) else self.window_s
        plain["cloud"] = {
            name: np.vectorize(lambda x: float(f"{x:.6g}"))(value).tolist()
            for name, value in plain["cloud"].items()
        }
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Profile":
        """Return a profile from plain values."""
        cloud = plain["cloud"]
        arrays = {name: np.array(cloud[name]) for name in ("mean", "directions", "variances")}
        return cls(
            **{name: tuple(plain[name]) for name in ("sample_rate", "seconds", "level_db")},
            window_s=math.inf if plain["window_s"] is None else plain["window_s"],
            model_rate=plain["model_rate"],
            priors=plain["priors"],
            cloud=Cloud(**arrays, rest=cloud["rest"], limit=cloud["limit"]),
        )


def traits_of(wave: Wave, sample_rate: int) -> Traits:
    """Return what a decoded clip, (T,), is like."""
    level = measure(wave, sample_rate).level_db
    return Traits(sample_rate, len(wave) / sample_rate, level)


def describe(
    traits: Sequence[Traits],
    embedding: npt.NDArray[Any],
    held_out: npt.NDArray[Any],
    *,
    window_s: float,
    model_rate: float,
    priors: Mapping[str, float],
) -> Profile:
    """Return the profile of training clips.

    Args:
        traits: of N training clips.
        embedding: theirs, (N, D).
        held_out: embeddings of validation clips, (M, D): how far off what is like them may lie.
        window_s: the seconds that the model hears.
        model_rate: the rate at which it hears, Hz.
        priors: how frequent the model learned the classes to be.
    """

    def middle(values: list[float]) -> tuple[float, float]:
        low, high = np.quantile(values, (TAIL, 1 - TAIL))
        return float(low), float(high)

    return Profile(
        sample_rate=middle([min(each.sample_rate, model_rate) for each in traits]),
        seconds=middle([min(each.seconds, window_s) for each in traits]),
        level_db=middle([each.level_db for each in traits]),
        window_s=window_s,
        model_rate=model_rate,
        priors=priors,
        cloud=fit_cloud(embedding, held_out),
    )


def fit_cloud(embedding: npt.NDArray[Any], held_out: npt.NDArray[Any]) -> Cloud:
    """Return where embeddings lie, (N, D), and how far off others may, (M, D)."""
    embedding = np.asarray(embedding, dtype=np.float64)
    mean = embedding.mean(axis=0)
    _, spread, directions = np.linalg.svd(embedding - mean, full_matrices=False)
    variances = np.square(spread) / max(1, len(embedding) - 1)
    width = embedding.shape[1]
    kept = min(DIRECTIONS, width - 1, len(embedding) // 8)
    tiny = max(float(variances.sum()) / width, 1e-12) * 1e-3
    rest = max(float(variances[kept:].sum()) / (width - kept), tiny)
    cloud = Cloud(mean, directions[:kept], np.maximum(variances[:kept], rest), rest, math.inf)
    limit = float(np.quantile(cloud.distances(held_out), LIMIT))
    return Cloud(mean, cloud.directions, cloud.variances, rest, limit)
