"""Feature cache: features of all clips, computed once from the waveforms, for training on a CPU.

Each image is quantised to int16 over its own range: steps of 0.0012 dB at a range of 80 dB. Exact
features are stored as float32.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emotion.data.clip_store import ClipStore
from emotion.errors import CacheError
from emotion.features.base import Features
from emotion.features.padding import mask_padding
from emotion.utils.files import build_folder, path_in_errors, write_json

FORMAT_VERSION = 1
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
    """Return the store of all clips' features, (1, M, F) each, computed where they are missing.

    `key` is that of the waveform cache; `folder` holds all feature caches; `progress` is called
    with the number of finished clips and the total number. A damaged cache raises CacheError.
    """
    settings = {"format": FORMAT_VERSION, "waves": key, **features.settings}
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:20]
    final = folder / name
    lock = build_folder(final, partial(_compute, waves, features, settings, progress=progress))
    size = features.rows * features.columns
    for file_name, clip_bytes in (("samples.bin", _itemsize(features) * size), ("scales.bin", 8)):
        file = final / file_name
        found, expected = file.stat().st_size if file.is_file() else 0, clip_bytes * len(waves)
        if found != expected:
            raise CacheError(
                f"cache {final} is damaged: {file_name} has {found} bytes, not {expected}. "
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
        shape=(1, features.rows, features.columns),
        lock=lock,
    )


def quantise_images(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return images as int16, each over its own range, with scale and shift, (B,) each."""
    flat = image.flatten(1)
    low, high = flat.amin(dim=1), flat.amax(dim=1)
    scale = ((high - low) / 65534).clamp(min=1e-12)
    shift = (high + low) / 2
    samples = ((flat - shift[:, None]) / scale[:, None]).round().to(torch.int16)
    return samples, scale, shift


def _itemsize(features: Features) -> int:
    return 4 if features.exact else 2


def _compute(
    waves: ClipStore,
    features: Features,
    settings: dict[str, object],
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Append the features to the files, after the last complete batch of a killed build."""
    features.load()
    row_bytes = features.rows * features.columns * _itemsize(features)
    with (
        path_in_errors(folder / "samples.bin"),
        (folder / "samples.bin").open("ab") as samples,
        (folder / "scales.bin").open("ab") as scales,
    ):
        done = min(samples.tell() // row_bytes, scales.tell() // 8)
        done = done // BATCH_CLIPS * BATCH_CLIPS
        samples.truncate(done * row_bytes)
        scales.truncate(done * 8)
        for start in range(done, len(waves), BATCH_CLIPS):
            stored = waves.gather(torch.arange(start, min(start + BATCH_CLIPS, len(waves))))
            image = features(mask_padding(stored.values(), stored.length), stored.length)
            if features.exact:
                values, scale, shift = image, torch.ones(len(image)), torch.zeros(len(image))
            else:
                values, scale, shift = quantise_images(image)
            samples.write(values.numpy().tobytes())
            scales.write(torch.stack([scale, shift], dim=1).numpy().tobytes())
            if progress is not None:
                progress(start + len(values), len(waves))
        for file in (samples, scales):
            file.flush()
            os.fsync(file.fileno())
    write_json(folder / "about.json", settings)
