"""Clip stores for tests."""

from pathlib import Path

import numpy as np
import torch

from emotion.data.clip_store import ClipStore


def write_store(folder: Path, clips: list[np.ndarray], dtype: str = "int16") -> ClipStore:
    """Return a store of clips of any lengths, in the format of the waveform cache."""
    flat = np.concatenate([*clips, np.zeros(max(map(len, clips)))]).astype(dtype)
    flat.tofile(folder / "samples.bin")
    length = torch.tensor([len(clip) for clip in clips])
    scale = torch.linspace(0.5, 2, len(clips))
    return ClipStore(
        file=folder / "samples.bin",
        dtype=getattr(torch, dtype),
        offset=length.cumsum(0) - length,
        length=length,
        scale=scale,
        shift=-scale,
    )
