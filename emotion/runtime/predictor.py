"""From waves to opinions: a label, its probabilities, and a note where it should not be trusted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave
from emotion.errors import ConfigError, near
from emotion.runtime.base import Clip, EmotionModel, ModelOutput
from emotion.runtime.out_of_distribution import Profile, Traits, traits_of

NO_SPEECH, NOT_SURE, UNLIKE = "no speech", "not sure", "unlike training"
"""The notes; where several hold, the first of them stands."""


class Gate(Protocol):
    """Tells speech from all else."""

    def is_speech(self, wave: Wave, sample_rate: int) -> bool:
        """Return whether enough of a clip, (T,), is speech."""


@dataclass(frozen=True)
class PreparedClip:
    """A clip before it is answered.

    Attributes:
        clip: standardised.
        speech: whether somebody speaks in it.
        traits: what it was like, where that is asked for.
    """

    clip: Clip
    speech: bool
    traits: Traits | None


@dataclass(frozen=True)
class Prediction:
    """What is made of a clip.

    Attributes:
        predicted: the likeliest label, whatever the note.
        note: empty, or one of the notes above.
        probabilities: of the predictor's labels, in their order; they sum to 1.
        unlike: in which ways the clip is unlike the training clips, in words.
    """

    predicted: str
    note: str
    probabilities: tuple[float, ...]
    unlike: tuple[str, ...] = ()


class Predictor:
    """Judges clips.

    Args:
        recogniser: what hears.
        gate: finds the clips without speech; None takes all for speech.
        profiles: of the training clips, one for each network; empty: nothing is unlike them.
        abstain_below: «not sure» where the best probability is under this.
        labels: those to choose among, the others being ruled out; None for all.
        priors: how frequent the labels are where this is used, by name or one for each of
            `labels`; names that are left out share the rest as in training. The model's own
            expectation is replaced: without a profile it is taken to be the same for all, which
            it is where training weighed the classes. None keeps what the model learned.

    Raises:
        ConfigError: an unknown label, fewer than two, or priors that are none.
    """

    def __init__(
        self,
        recogniser: EmotionModel,
        *,
        gate: Gate | None = None,
        profiles: Sequence[Profile] = (),
        abstain_below: float = 0.0,
        labels: Sequence[str] | None = None,
        priors: Mapping[str, float] | Sequence[float] | None = None,
    ) -> None:
        if not 0 <= abstain_below <= 1:
            raise ConfigError(f"abstain_below={abstain_below} is no probability: give 0 to 1.")
        self.recogniser = recogniser
        self.gate = gate
        self.profiles = tuple(profiles)
        self.abstain_below = abstain_below
        self.labels = chosen_labels(labels, recogniser.labels)
        self.places = [recogniser.labels.index(label) for label in self.labels]
        learned = learned_priors(self.profiles, self.labels)
        wanted = learned if priors is None else wanted_priors(priors, learned)
        self.weights = np.array([wanted[label] / learned[label] for label in self.labels])

    @property
    def window(self) -> float:
        """The seconds of a clip that are heard; infinite where all are."""
        return self.recogniser.window

    def prepare(self, wave: Wave, sample_rate: int) -> PreparedClip:
        """Return a decoded clip, (T,), of any rate in Hz, ready to be judged."""
        heard = wave
        if not math.isinf(self.window):
            heard = wave[: math.ceil(self.window * sample_rate)]
        return PreparedClip(
            clip=self.recogniser.standardise(wave, sample_rate),
            speech=self.gate is None or self.gate.is_speech(heard, sample_rate),
            traits=traits_of(wave, sample_rate) if self.profiles else None,
        )

    def judge(self, clips: Sequence[PreparedClip]) -> list[Prediction]:
        """Return the opinions of clips, in their order."""
        if not clips:
            return []
        answers = self.recogniser.answer([heard.clip for heard in clips])
        return [
            self.opinion(
                chances,
                speech=heard.speech,
                unlike=self._unlike(heard.traits, answers.embedding[place]),
            )
            for place, (heard, chances) in enumerate(
                zip(clips, self._chances(answers), strict=True)
            )
        ]

    def opinion(
        self, probabilities: npt.NDArray[np.float64], *, speech: bool, unlike: Sequence[str]
    ) -> Prediction:
        """Return what to say of a clip with these probabilities of the labels, (L,)."""
        best = int(probabilities.argmax())
        note = ""
        if not speech:
            note = NO_SPEECH
        elif probabilities[best] < self.abstain_below:
            note = NOT_SURE
        elif unlike:
            note = UNLIKE
        return Prediction(self.labels[best], note, tuple(probabilities.tolist()), tuple(unlike))

    def _chances(self, answers: ModelOutput) -> npt.NDArray[np.float64]:
        """Return the probabilities of the labels that are chosen among: (N, C) -> (N, L)."""
        if self.labels == self.recogniser.labels and np.all(self.weights == 1):
            return answers.probabilities
        chosen = answers.probabilities[:, self.places]
        chances = np.maximum(chosen, np.finfo(np.float64).tiny) * self.weights
        scaled: npt.NDArray[np.float64] = chances / chances.sum(axis=1, keepdims=True)
        return scaled

    def _unlike(self, traits: Traits | None, embedding: npt.NDArray[Any]) -> list[str]:
        """Return how a clip is unlike the training clips of every network."""
        if traits is None:
            return []
        ends = np.cumsum([profile.width for profile in self.profiles])
        parts = np.split(embedding, ends[:-1])
        ways = [
            profile.unlike(traits, part) for profile, part in zip(self.profiles, parts, strict=True)
        ]
        return ways[0] if all(ways) else []


def chosen_labels(wanted: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels to choose among, in the model's order.

    Raises:
        ConfigError: one is unknown, or there are fewer than two.
    """
    if wanted is None:
        return known
    for label in wanted:
        if label not in known:
            raise ConfigError(f"labels: the model knows no {label!r}.{near(label, known)}")
    if len(set(wanted)) < 2:
        raise ConfigError(
            f"labels={list(wanted)} leaves nothing to choose. Give two or more.{near('', known)}"
        )
    return tuple(label for label in known if label in wanted)


def learned_priors(profiles: Sequence[Profile], labels: Sequence[str]) -> dict[str, float]:
    """Return how frequent models learned labels to be; the same for all where nothing is known."""
    shares = {
        label: float(np.mean([profile.priors[label] for profile in profiles])) if profiles else 1.0
        for label in labels
    }
    floor = 1e-3 * sum(shares.values())  # a class without training clips
    shares = {label: max(share, floor) for label, share in shares.items()}
    return {label: share / sum(shares.values()) for label, share in shares.items()}


def wanted_priors(
    priors: Mapping[str, float] | Sequence[float], learned: Mapping[str, float]
) -> dict[str, float]:
    """Return how frequent each label is to be, summing to 1.

    Raises:
        ConfigError: an unknown label, a number that is none, or too few or too much of them.
    """
    labels = list(learned)
    if not isinstance(priors, Mapping):
        if len(priors) != len(labels):
            raise ConfigError(
                f"priors={list(priors)} holds {len(priors)} numbers for {len(labels)} labels: "
                f"{', '.join(labels)}."
            )
        priors = dict(zip(labels, priors, strict=True))
    for label, share in priors.items():
        if label not in learned:
            raise ConfigError(
                f"priors: {label!r} is not among the labels.{near(str(label), labels)}"
            )
        if isinstance(share, bool | str) or not 0 < share < math.inf:
            raise ConfigError(
                f"priors: {label}={share} must be above 0. Leave a label out by labels=[…]."
            )
    given = float(sum(priors.values()))
    others = [label for label in labels if label not in priors]
    if not others:
        return {label: priors[label] / given for label in labels}
    if given >= 1:
        raise ConfigError(
            f"priors sum to {given:g} and leave nothing for {', '.join(others)}. Give shares that "
            "sum to less than 1, or name every label."
        )
    rest = sum(learned[label] for label in others)
    shared = {label: (1 - given) * learned[label] / rest for label in others}
    return {label: priors.get(label, shared.get(label, 0.0)) for label in labels}
