"""The best models of runs, one or an ensemble, run by PyTorch."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from emotion.audio.decode import Wave
from emotion.audio.standardise import Standardiser, pad_waves
from emotion.config.build import build
from emotion.errors import RunError
from emotion.models.base import EmotionClassifier
from emotion.runs.load_model import open_model
from emotion.runs.run import Run
from emotion.runtime.base import ModelOutput, StandardisedClip


class TorchModel:
    """The best model of a run, with its preprocessing and calibration; device None is the CPU."""

    def __init__(self, run: Run, device: torch.device | None = None) -> None:
        self.run = run
        self.labels = run.labels
        self.standardiser: Standardiser = build(run.settings.preprocessing, "preprocessing")
        self.device = device or torch.device("cpu")
        self.model: EmotionClassifier = open_model(run).to(self.device)

    def standardise(self, wave: Wave, sample_rate: int) -> Wave:
        """Return a clip standardised as in training, including the rounding of the cache."""
        return self.standardiser.as_in_training(wave, sample_rate)

    @property
    def window_s(self) -> float:
        """Length of a clip that the model classifies, in seconds; infinite for any length."""
        features = self.model.features
        return math.inf if features.samples is None else features.samples / features.sample_rate

    @torch.inference_mode()
    def infer(self, waves: Sequence[Wave]) -> ModelOutput:
        """Return the output for a batch of standardised waves, (T,) each, in their order."""
        batch, length = (torch.from_numpy(array).to(self.device) for array in pad_waves(waves))
        embedding = self.model.embed_tta(*self.model.image(batch, length))
        logits = self.model.head(embedding)
        probabilities = (logits / self.model.temperature).cpu().double().softmax(dim=1)
        return ModelOutput(
            probabilities=probabilities.numpy(),
            logits=logits.cpu().double().numpy(),
            embedding=embedding.cpu().float().numpy(),
        )


class TorchEnsemble:
    """The models of one or several runs, each with its own preprocessing and calibration.

    Raises:
        RunError: the classes of the runs, or their order, differ.
    """

    def __init__(self, runs: Sequence[Run], device: torch.device | None = None) -> None:
        self.labels = runs[0].labels
        for run in runs:
            if run.labels != self.labels:
                raise RunError(
                    f"{runs[0].folder} has the classes {', '.join(self.labels)}, {run.folder} "
                    f"{', '.join(run.labels)}. An ensemble needs runs with the same classes, in "
                    "the same order."
                )
        self.members = [TorchModel(run, device) for run in runs]

    @property
    def window_s(self) -> float:
        """Length of a clip that every member classifies, in seconds; infinite for any length."""
        return min(member.window_s for member in self.members)

    def standardise(self, wave: Wave, sample_rate: int) -> StandardisedClip:
        """Return a clip standardised for each member."""
        return [member.standardise(wave, sample_rate) for member in self.members]

    def infer(self, clips: Sequence[StandardisedClip]) -> ModelOutput:
        """Return the mean probabilities of the members for a batch of standardised clips."""
        batches = zip(*clips, strict=True)
        outputs = [model.infer(waves) for model, waves in zip(self.members, batches, strict=True)]
        if len(outputs) == 1:
            return outputs[0]
        mean = np.mean([output.probabilities for output in outputs], axis=0)
        return ModelOutput(
            probabilities=mean,
            logits=np.log(np.maximum(mean, np.finfo(np.float64).tiny)),
            embedding=np.concatenate([output.embedding for output in outputs], axis=1),
        )
