"""From waves of any rate to probabilities: standardised as in training, by the run's best model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from emotion.audio.decode import Wave, decode
from emotion.audio.quantise import dequantise, quantise
from emotion.audio.standardise import Standardiser
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

    def read(self, path: Path) -> tuple[Wave, float]:
        """Return a file's standardised clip, and the seconds of the whole file.

        Raises:
            AudioError: the file holds no usable audio.
        """
        wave, rate = decode(path)
        return self.standardise(wave, rate), len(wave) / rate

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
