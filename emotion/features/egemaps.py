"""The eGeMAPS functionals of a clip, by openSMILE (Eyben et al. 2016)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion.errors import ConfigError
from emotion.features.base import Features


class Egemaps(Features):
    """88 functionals of pitch, loudness, spectrum and voice quality: (B, T) -> (B, 1, 88, 1).

    openSMILE is free for research and teaching only; the extra `egemaps` installs it.
    """

    exact = True

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate, self.rows, self.columns = sample_rate, 88, 1
        self.extractor: Any = None

    @property
    def settings(self) -> dict[str, object]:
        return {"features": "eGeMAPSv02", "sample_rate": self.sample_rate}

    def load(self) -> None:
        """Start openSMILE; raise ConfigError where it is not installed."""
        try:
            import opensmile
        except ImportError as err:
            raise ConfigError(
                "model=egemaps needs openSMILE: pip install 'emotion[egemaps]' (free for research "
                "and teaching only)."
            ) from err
        functionals = opensmile.FeatureLevel.Functionals
        self.extractor = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, functionals)

    def forward(self, wave: Tensor, length: Tensor) -> Tensor:
        """(B, T), (B,) -> (B, 1, 88, 1); functionals that openSMILE cannot compute are 0."""
        if self.extractor is None:
            self.load()
        rows = [
            self.extractor.process_signal(clip[:samples].numpy(), self.sample_rate).to_numpy()[0]
            for clip, samples in zip(wave.cpu(), length.tolist(), strict=True)
        ]
        table = np.nan_to_num(np.stack(rows).astype(np.float32), posinf=0.0, neginf=0.0)
        return torch.from_numpy(table).to(wave.device)[:, None, :, None]
