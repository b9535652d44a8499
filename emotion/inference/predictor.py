"""From waves of any rate to probabilities: standardised as in training, by runs' best models."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from emotion.audio.decode import Wave, decode
from emotion.audio.quantise import dequantise, quantise
from emotion.audio.standardise import Standardiser
from emotion.errors import RunError
from emotion.features.spectrogram import mask_padding
from emotion.models.base import EmotionClassifier
from emotion.runs import Run, open_model


class Predictor:
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
    def probabilities(self, waves: Sequence[Wave]) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities of standardised clips, (N, C)."""
        length = torch.tensor([len(wave) for wave in waves], device=self.device)
        padded = np.zeros((len(waves), int(length.max())), dtype=np.float32)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        batch = mask_padding(torch.from_numpy(padded).to(self.device), length)
        logits = self.model(batch) / self.model.temperature
        probabilities: npt.NDArray[np.float64] = logits.cpu().double().softmax(dim=1).numpy()
        return probabilities


class Ensemble:
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
        self.members = [Predictor(run, device) for run in runs]

    @property
    def window(self) -> float:
        """The seconds of a clip that every member hears."""
        return min(member.window for member in self.members)

    def read(self, path: Path) -> tuple[list[Wave], float]:
        """Return a file's clip as each member wants it, and the seconds of the whole file.

        Raises:
            AudioError: the file holds no usable audio.
        """
        wave, rate = decode(path)
        return [member.standardise(wave, rate) for member in self.members], len(wave) / rate

    def probabilities(self, clips: Sequence[Sequence[Wave]]) -> npt.NDArray[np.float64]:
        """Return the mean of the members' probabilities of clips that were `read`, (N, C)."""
        heard = zip(self.members, zip(*clips, strict=True), strict=True)
        mean: npt.NDArray[np.float64] = np.mean(
            [member.probabilities(waves) for member, waves in heard], axis=0
        )
        return mean
