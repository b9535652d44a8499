"""Features computed once: a second cache, derived from the waveforms, for training on a CPU.

A picture is stored as int16 over its own range, so that a step is 0.0012 dB at a range of 80 dB;
where it must be exact, as float32.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from emotion.data.clip_store import ClipStore
from emotion.errors import CacheError
from emotion.features.base import Features
from emotion.features.log_mel import mask_padding
from emotion.utils.files import naming, sync_folder, write_text

FORMAT = 1
BATCH_CLIPS = 64


@torch.no_grad()
def open_feature_cache(
    waves: ClipStore,
    features: Features,
    *,
    key: str,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> ClipStore:
    """Return the store of all clips' spectrograms, (1, M, F) each, computed where they are missing.

    Args:
        waves: the clips.
        features: what is computed of them, on the CPU.
        key: what the clips are, such as their cache's key.
        folder: where feature caches lie.
        progress: told the clips done and in all.

    Raises:
        CacheError: what lies there is damaged.
    """
    settings = {"format": FORMAT, "waves": key, **features.settings}
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:20]
    final = folder / name
    if not final.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            if not final.is_dir():
                partial = folder / f"{name}.partial"
                partial.mkdir(exist_ok=True)
                _compute(waves, features, partial, progress)
                write_text(partial / "about.json", json.dumps(settings, indent=2) + "\n")
                partial.rename(final)
                sync_folder(folder)
    shape = (1, features.rows, features.columns)
    size = features.rows * features.columns
    for part, wanted in (("samples.bin", _itemsize(features) * size), ("scales.bin", 8)):
        file = final / part
        found = file.stat().st_size if file.is_file() else 0
        if found != wanted * len(waves):
            raise CacheError(
                f"cache {final} is damaged: {part} has {found} bytes, not {wanted * len(waves)}. "
                "Delete that folder, run again."
            )
    scales = torch.from_numpy(np.fromfile(final / "scales.bin", dtype="float32")).view(-1, 2)
    return ClipStore(
        file=final / "samples.bin",
        dtype=torch.float32 if features.exact else torch.int16,
        offset=torch.arange(len(waves)) * size,
        length=waves.length.cpu(),
        scale=scales[:, 0].contiguous(),
        shift=scales[:, 1].contiguous(),
        shape=shape,
    )


def quantise_images(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return images as int16 over each one's own range, with scale and shift, (B,) each."""
    flat = image.flatten(1)
    low, high = flat.amin(dim=1), flat.amax(dim=1)
    scale = ((high - low) / 65534).clamp(min=1e-12)
    shift = (high + low) / 2
    samples = ((flat - shift[:, None]) / scale[:, None]).round().to(torch.int16)
    return samples, scale, shift


def _as_it_is(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return image.flatten(1), torch.ones(len(image)), torch.zeros(len(image))


def _itemsize(features: Features) -> int:
    return 4 if features.exact else 2


def _compute(
    waves: ClipStore,
    features: Features,
    partial: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Append spectrograms to the files, from the last whole batch of a killed call on."""
    features.load()
    row_bytes = features.rows * features.columns * _itemsize(features)
    with (
        naming(partial / "samples.bin"),
        (partial / "samples.bin").open("ab") as samples,
        (partial / "scales.bin").open("ab") as scales,
    ):
        done = min(samples.tell() // row_bytes, scales.tell() // 8)
        done = done // BATCH_CLIPS * BATCH_CLIPS
        samples.truncate(done * row_bytes)
        scales.truncate(done * 8)
        for start in range(done, len(waves), BATCH_CLIPS):
            stored = waves.gather(torch.arange(start, min(start + BATCH_CLIPS, len(waves))))
            image = features(mask_padding(stored.values(), stored.length))
            if features.exact:
                values, scale, shift = _as_it_is(image)
            else:
                values, scale, shift = quantise_images(image)
            samples.write(values.numpy().tobytes())
            scales.write(torch.stack([scale, shift], dim=1).numpy().tobytes())
            if progress is not None:
                progress(start + len(values), len(waves))
        for file in (samples, scales):
            file.flush()
            os.fsync(file.fileno())
