"""Predictions for clips: label, class probabilities, and a note where they are unreliable."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.audio.arrays import as_wave, check_sample_rate
from emotion.audio.speech_detector import SpeechDetector
from emotion.errors import ConfigError, suggest
from emotion.runtime.base import EmotionModel, ModelOutput, StandardisedClip
from emotion.runtime.class_priors import complete_priors, training_priors
from emotion.runtime.out_of_distribution import ClipTraits, Floats, TrainingProfile, measure_traits

NO_SPEECH, NOT_SURE, OUT_OF_DISTRIBUTION = "no speech", "not sure", "unlike training"
"""The notes, by priority: the first that applies is given."""


@dataclass(frozen=True)
class PreparedClip:
    """A clip, ready for `Predictor.predict`.

    Attributes:
        clip: standardised.
        is_speech: whether it contains speech; True without a speech detector.
        traits: for out-of-distribution detection; None without a training profile.
    """

    clip: StandardisedClip
    is_speech: bool
    traits: ClipTraits | None


@dataclass(frozen=True)
class Prediction:
    """Prediction for a clip.

    Attributes:
        predicted: the label with the highest probability, whatever the note.
        note: empty, or one of the notes above.
        probabilities: of the predictor's labels, in their order; they sum to 1.
        ood_reasons: differences from the training clips, for the note "unlike training".
    """

    predicted: str
    note: str
    probabilities: tuple[float, ...]
    ood_reasons: tuple[str, ...] = ()


class Predictor:
    """Predict clips with a model, and mark predictions that are unreliable.

    Args:
        model: gives class probabilities.
        speech_detector: finds clips without speech; None treats every clip as speech.
        profiles: of the training clips, one for each network of the model; without any, no clip
            is marked as out-of-distribution.
        abstain_below: the note is "not sure" where the highest probability is below this.
        labels: to choose among, others being excluded; None for all.
        priors: class frequencies where the model is used, by name or one for each of `labels`;
            names that are left out share the rest as in training. They replace the priors of
            training, which are taken as uniform without a profile; so they are where the loss
            was class-weighted. None keeps those of training.

    Raises:
        ConfigError: an unknown label, fewer than two labels, or invalid priors or abstain_below.
    """

    def __init__(
        self,
        model: EmotionModel,
        *,
        speech_detector: SpeechDetector | None = None,
        profiles: Sequence[TrainingProfile] = (),
        abstain_below: float = 0.0,
        labels: Sequence[str] | None = None,
        priors: Mapping[str, float] | Sequence[float] | None = None,
    ) -> None:
        if not 0 <= abstain_below <= 1:
            raise ConfigError(f"abstain_below={abstain_below} is not a probability: give 0 to 1.")
        self.model = model
        self.speech_detector = speech_detector
        self.profiles = tuple(profiles)
        self.abstain_below = abstain_below
        self.labels = select_labels(labels, model.labels)
        self.label_indices = [model.labels.index(label) for label in self.labels]
        old = training_priors(self.profiles, self.labels)
        new = old if priors is None else complete_priors(priors, old)
        self.weights = np.array([new[label] / old[label] for label in self.labels])

    @property
    def window_s(self) -> float:
        """Length of a clip that the model classifies, in seconds; infinite for any length."""
        return self.model.window_s

    def prepare(self, wave: npt.ArrayLike, sample_rate: int) -> PreparedClip:
        """Return a decoded clip, of any rate in Hz, prepared for `predict`.

        Samples are those of `as_wave`: (T,), (T, channels) or (channels, T), floats or integers.

        Raises:
            ConfigError: samples or a sample rate that cannot be used.
        """
        wave, sample_rate = as_wave(wave), check_sample_rate(sample_rate)
        end = None if math.isinf(self.window_s) else math.ceil(self.window_s * sample_rate)
        detector = self.speech_detector
        return PreparedClip(
            clip=self.model.standardise(wave, sample_rate),
            is_speech=detector is None or detector.is_speech(wave[:end], sample_rate),
            traits=measure_traits(wave, sample_rate) if self.profiles else None,
        )

    def predict(self, clips: Sequence[PreparedClip]) -> list[Prediction]:
        """Return the predictions for a batch of clips, in their order."""
        if not clips:
            return []
        output = self.model.infer([clip.clip for clip in clips])
        probabilities = self._label_probabilities(output)
        return [
            self.make_prediction(
                row, is_speech=clip.is_speech, ood_reasons=self._ood_reasons(clip.traits, embedding)
            )
            for clip, row, embedding in zip(clips, probabilities, output.embedding, strict=True)
        ]

    def make_prediction(
        self, probabilities: Floats, *, is_speech: bool, ood_reasons: Sequence[str]
    ) -> Prediction:
        """Return the prediction, note included, from the labels' probabilities, (L,)."""
        best = int(probabilities.argmax())
        note = ""
        if not is_speech:
            note = NO_SPEECH
        elif probabilities[best] < self.abstain_below:
            note = NOT_SURE
        elif ood_reasons:
            note = OUT_OF_DISTRIBUTION
        values = tuple(probabilities.tolist())
        return Prediction(self.labels[best], note, values, tuple(ood_reasons))

    def _label_probabilities(self, output: ModelOutput) -> Floats:
        """Return the probabilities of the chosen labels under the new priors: (N, C) -> (N, L)."""
        if self.labels == self.model.labels and np.all(self.weights == 1):
            return output.probabilities
        chosen = output.probabilities[:, self.label_indices]
        weighted = np.maximum(chosen, np.finfo(np.float64).tiny) * self.weights
        probabilities: Floats = weighted / weighted.sum(axis=1, keepdims=True)
        return probabilities

    def _ood_reasons(self, traits: ClipTraits | None, embedding: npt.NDArray[Any]) -> list[str]:
        """Return a clip's differences from the training clips, if it is out-of-distribution.

        With several networks it is only where it is so for each of them.
        """
        if traits is None:
            return []
        ends = np.cumsum([len(profile.embedding.mean) for profile in self.profiles])
        reasons = [
            profile.ood_reasons(traits, part)
            for profile, part in zip(self.profiles, np.split(embedding, ends[:-1]), strict=True)
        ]
        return reasons[0] if all(reasons) else []


def select_labels(wanted: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels to choose among, in the model's order.

    Raises:
        ConfigError: one is unknown, or there are fewer than two.
    """
    if wanted is None:
        return known
    for label in wanted:
        if label not in known:
            raise ConfigError(f"labels: the model has no class {label!r}.{suggest(label, known)}")
    if len(set(wanted)) < 2:
        raise ConfigError(f"labels={list(wanted)}: give two or more.{suggest('', known)}")
    return tuple(label for label in known if label in wanted)
