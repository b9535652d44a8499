"""Out-of-distribution detection: a profile of the training clips, and a clip's differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from emotion.audio.clip_statistics import measure_clip
from emotion.audio.decode import Wave
from emotion.runtime.plain_types import check_type

Floats = npt.NDArray[np.float64]

MAX_DIRECTIONS = 32
"""Limit of the embedding's principal directions that have a variance of their own."""

TAIL_FRACTION = 0.005
"""Fraction of training clips below, and above, the range that a profile keeps."""

DISTANCE_QUANTILE = 0.99
"""Quantile of the validation clips' distances above which an embedding is out-of-distribution."""

RANGE_MARGIN, LEVEL_MARGIN_DB = 0.1, 1.0
"""Tolerance around the ranges: of rates and lengths as a fraction, of levels in dB."""


@dataclass(frozen=True)
class ClipTraits:
    """Native sample rate in Hz, length and level of a clip before it is standardised.

    The level is the RMS without leading and trailing silence, dB re full scale.
    """

    sample_rate: float
    seconds: float
    level_db: float


@dataclass(frozen=True)
class EmbeddingDistribution:
    """Gaussian distribution of the training clips' embeddings.

    Its covariance is that of probabilistic PCA (Tipping & Bishop, 1999): the directions of highest
    variance have a variance each, all other directions share one.

    Attributes:
        mean: (D,).
        directions: unit vectors, (K, D).
        variances: along each direction, (K,).
        residual_variance: along every other direction.
        max_distance: exceeded by few validation clips.
    """

    mean: Floats
    directions: Floats
    variances: Floats
    residual_variance: float
    max_distance: float

    def distances(self, embedding: npt.NDArray[Any]) -> Floats:
        """Return the Mahalanobis distances of embeddings, over root D: (N, D) -> (N,)."""
        centred = embedding - self.mean
        projected = centred @ self.directions.T  # (N, K)
        squares = np.square(projected)
        residual = np.maximum(np.square(centred).sum(axis=1) - squares.sum(axis=1), 0)
        total = (squares / self.variances).sum(axis=1) + residual / self.residual_variance
        distances: Floats = np.sqrt(total / len(self.mean))
        return distances


class PlainEmbedding(TypedDict):
    """An `EmbeddingDistribution` as plain values."""

    mean: list[float]
    directions: list[list[float]]
    variances: list[float]
    residual_variance: float
    max_distance: float


class PlainProfile(TypedDict):
    """A `TrainingProfile` as plain values; `window_s` is None for any length."""

    sample_rate: list[float]
    seconds: list[float]
    level_db: list[float]
    window_s: float | None
    model_rate: float
    priors: dict[str, float]
    embedding: PlainEmbedding


@dataclass(frozen=True)
class TrainingProfile:
    """Profile of a run's training clips; `as_dict` and `from_dict` convert it for JSON.

    Attributes:
        sample_rate: range of native rates, Hz, capped at `model_rate`.
        seconds: range of lengths, capped at `window_s`.
        level_db: range of levels.
        window_s: length of a clip that the model classifies; infinite for any length.
        model_rate: sample rate of the standardised clips, Hz.
        priors: class frequencies that the model learned.
        embedding: distribution of the embeddings.
    """

    sample_rate: tuple[float, float]
    seconds: tuple[float, float]
    level_db: tuple[float, float]
    window_s: float
    model_rate: float
    priors: Mapping[str, float]
    embedding: EmbeddingDistribution

    def ood_reasons(self, traits: ClipTraits, embedding: npt.NDArray[Any]) -> list[str]:
        """Return a clip's differences from the training clips; empty if it is in-distribution.

        The embedding is (D,).
        """
        reasons = []
        rate, (low, high) = min(traits.sample_rate, self.model_rate), self.sample_rate
        if not low * (1 - RANGE_MARGIN) <= rate <= high * (1 + RANGE_MARGIN):
            known = f"training: {low:,.0f} to {high:,.0f} Hz"
            reasons.append(f"sample rate {traits.sample_rate:,.0f} Hz ({known})")
        seconds, (low, high) = min(traits.seconds, self.window_s), self.seconds
        if not low * (1 - RANGE_MARGIN) <= seconds <= high * (1 + RANGE_MARGIN):
            reasons.append(f"length {traits.seconds:.1f} s (training: {low:.1f} to {high:.1f} s)")
        level, (low, high) = traits.level_db, self.level_db
        if not low - LEVEL_MARGIN_DB <= level <= high + LEVEL_MARGIN_DB:
            reasons.append(f"level {level:.0f} dB (training: {low:.0f} to {high:.0f} dB)")
        distance = float(self.embedding.distances(embedding[None])[0])
        if distance > self.embedding.max_distance:
            ratio = distance / self.embedding.max_distance
            reasons.append(f"embedding {ratio:.1f} times as far from training as 99 % of clips")
        return reasons

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as plain values, floats rounded to six digits."""
        plain = asdict(self)
        plain["window_s"] = None if math.isinf(self.window_s) else self.window_s
        plain["embedding"] = {
            name: np.vectorize(lambda x: float(f"{x:.6g}"))(value).tolist()
            for name, value in plain["embedding"].items()
        }
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "TrainingProfile":
        """Return the profile that `as_dict` converted; ValueError for other contents."""
        check_type(plain, PlainProfile, "profile")
        part = plain["embedding"]
        mean, variances = np.array(part["mean"]), np.array(part["variances"])
        embedding = EmbeddingDistribution(
            mean,
            np.array(part["directions"]).reshape(len(variances), len(mean)),
            variances,
            part["residual_variance"],
            part["max_distance"],
        )
        if not len(mean) or min(*variances, embedding.residual_variance) <= 0:
            raise ValueError(
                "profile.embedding has no dimensions, or a variance that is not above 0"
            )
        ranges = {}
        for name in ("sample_rate", "seconds", "level_db"):
            low, high = plain[name]
            ranges[name] = (low, high)
        window_s = math.inf if plain["window_s"] is None else plain["window_s"]
        return cls(
            **ranges,
            window_s=window_s,
            model_rate=plain["model_rate"],
            priors=plain["priors"],
            embedding=embedding,
        )


def measure_traits(wave: Wave, sample_rate: int) -> ClipTraits:
    """Return the traits of a decoded clip, (T,)."""
    seconds = len(wave) / sample_rate
    return ClipTraits(sample_rate, seconds, measure_clip(wave, sample_rate).level_db)


def fit_training_profile(
    traits: Sequence[ClipTraits],
    embedding: npt.NDArray[Any],
    held_out: npt.NDArray[Any],
    *,
    window_s: float,
    model_rate: float,
    priors: Mapping[str, float],
) -> TrainingProfile:
    """Return the profile of N training clips from their traits and their embeddings, (N, D).

    The embeddings `held_out`, (M, D), of validation clips set the largest distance. The other
    arguments are attributes of the profile.
    """

    def trimmed_range(values: list[float]) -> tuple[float, float]:
        low, high = np.quantile(values, (TAIL_FRACTION, 1 - TAIL_FRACTION))
        return float(low), float(high)

    return TrainingProfile(
        sample_rate=trimmed_range([min(each.sample_rate, model_rate) for each in traits]),
        seconds=trimmed_range([min(each.seconds, window_s) for each in traits]),
        level_db=trimmed_range([each.level_db for each in traits]),
        window_s=window_s,
        model_rate=model_rate,
        priors=priors,
        embedding=fit_embedding_distribution(embedding, held_out),
    )


def fit_embedding_distribution(
    embedding: npt.NDArray[Any], held_out: npt.NDArray[Any]
) -> EmbeddingDistribution:
    """Return the distribution of embeddings, (N, D), with the distance limit of others, (M, D)."""
    embedding = np.asarray(embedding, dtype=np.float64)
    mean = embedding.mean(axis=0)
    _, singular_values, directions = np.linalg.svd(embedding - mean, full_matrices=False)
    variances = np.square(singular_values) / max(1, len(embedding) - 1)
    width = embedding.shape[1]
    kept = min(MAX_DIRECTIONS, width - 1, len(embedding) // 8)
    minimum = max(float(variances.sum()) / width, 1e-12) * 1e-3
    residual = max(float(variances[kept:].sum()) / (width - kept), minimum)
    fitted = EmbeddingDistribution(
        mean, directions[:kept], np.maximum(variances[:kept], residual), residual, math.inf
    )
    max_distance = float(np.quantile(fitted.distances(held_out), DISTANCE_QUANTILE))
    return replace(fitted, max_distance=max_distance)
