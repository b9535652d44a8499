"""A model that measures loudness, as the JSON service and the page serve it."""

from collections.abc import Callable, Sequence

import numpy as np

from emotion.audio.decode import Wave
from emotion.runtime.base import ModelOutput, StandardisedClip
from emotion.runtime.predictor import Predictor
from emotion.serving.gate import AllowedHosts
from emotion.serving.model_card import ModelCard, Score
from emotion.serving.service import Model

LOCAL_HOSTS = AllowedHosts.from_settings(None, host="127.0.0.1")
"""The default of `emotion serve`."""


class LoudnessModel:
    """Two classes from the mean magnitude of the first second."""

    labels = ("loud", "quiet")
    window_s = 1.0

    def __init__(self) -> None:
        self.before: Callable[[], object] = lambda: None

    def standardise(self, wave: Wave, sample_rate: int) -> StandardisedClip:
        return [wave[:sample_rate]]

    def infer(self, clips: Sequence[StandardisedClip]) -> ModelOutput:
        self.before()
        loud = np.array([min(1.0, 4 * float(np.abs(wave).mean())) for (wave,) in clips])
        chances = np.stack([loud, 1 - loud], axis=1)
        embedding = np.zeros((len(clips), 1), dtype=np.float32)
        return ModelOutput(chances, np.log(np.maximum(chances, 1e-9)), embedding)


def served_model(name: str, model: LoudnessModel) -> Model:
    """Return a model of this name as a service takes it."""
    score = Score(True, 0.6, 0.5, 0.7, speakers=9, clips=90, corpora=("mine",))
    return Model(ModelCard(name, "level", model.labels, False, score), Predictor(model))
