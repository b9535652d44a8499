"""From waves of any rate to probabilities: standardised as in training, by runs' best models."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from emotion.audio.decode import Wave
from emotion.audio.quantise import dequantise, quantise
from emotion.audio.standardise import Standardiser
from emotion.errors import RunError
from emotion.features.log_mel import mask_padding
from emotion.models.base import EmotionClassifier
from emotion.runs.load_model import open_model
from emotion.runs.run import Run
from emotion.runtime.base import Clip, ModelOutput


class TorchModel:
    """A run's model with its preprocessing and calibration.

    Args:
        run: whose best checkpoint predicts.
        device: where.
    """

    def __init__(self, run: Run, device: torch.device | None = None) -> None:
        self.run = run
        self.labels = run.labels
        self.standardiser: Standardiser = run.config.build("preprocessing")
        self.device = device or torch.device("cpu")
        self.model: EmotionClassifier = open_model(run).to(self.device)

    def standardise(self, wave: Wave, sample_rate: int) -> Wave:
        """Return a clip as training sees it, the rounding of the cache included."""
        samples, scale = quantise(self.standardiser(wave, sample_rate), self.standardiser.storage)
        return dequantise(samples, scale)

    @property
    def window(self) -> float:
        """The seconds of a clip that are heard; infinite where all are."""
        features = self.model.features
        return math.inf if features.samples is None else features.samples / features.sample_rate

    @torch.inference_mode()
    def answer(self, waves: Sequence[Wave]) -> ModelOutput:
        """Return the answers to standardised clips."""
        length = torch.tensor([len(wave) for wave in waves], device=self.device)
        padded = np.zeros((len(waves), int(length.max())), dtype=np.float32)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        batch = mask_padding(torch.from_numpy(padded).to(self.device), length)
        embedding = self.model.embed_tta(self.model.image(batch))
        logits = self.model.head(embedding)
        chances = (logits / self.model.temperature).cpu().double().softmax(dim=1)
        return ModelOutput(
            probabilities=chances.numpy(),
            logits=logits.cpu().double().numpy(),
            embedding=embedding.cpu().float().numpy(),
        )


class TorchEnsemble:
    """One or several runs' models, each with its own preprocessing and calibration, as one.

    Args:
        runs: of the same classes.
        device: where.

    Raises:
        RunError: the classes differ.
    """

    def __init__(self, runs: Sequence[Run], device: torch.device | None = None) -> None:
        self.labels = runs[0].labels
        for run in runs:
            if run.labels != self.labels:
                raise RunError(
                    f"{runs[0].folder} knows {', '.join(self.labels)}, {run.folder} "
                    f"{', '.join(run.labels)}. Runs predict together only of the same classes, "
                    "in the same order."
                )
        self.members = [TorchModel(run, device) for run in runs]

    @property
    def window(self) -> float:
        """The seconds of a clip that every member hears."""
        return min(member.window for member in self.members)

    def standardise(self, wave: Wave, sample_rate: int) -> Clip:
        """Return a clip as each member wants it."""
        return [member.standardise(wave, sample_rate) for member in self.members]

    def answer(self, clips: Sequence[Clip]) -> ModelOutput:
        """Return the mean of the members' probabilities of standardised clips."""
        heard = [
            member.answer(waves)
            for member, waves in zip(self.members, zip(*clips, strict=True), strict=True)
        ]
        if len(heard) == 1:
            return heard[0]
        mean = np.mean([answers.probabilities for answers in heard], axis=0)
        return ModelOutput(
            probabilities=mean,
            logits=np.log(np.maximum(mean, np.finfo(np.float64).tiny)),
            embedding=np.concatenate([answers.embedding for answers in heard], axis=1),
        )
