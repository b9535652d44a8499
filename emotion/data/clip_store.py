"""Clip store: cached clips as one flat tensor on disk, in memory or on a device."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from emotion.errors import ConfigError
from emotion.utils.locks import SharedLock

Place = Literal["auto", "device", "memory", "disk"]
MAX_FREE_FRACTION = 0.5  # of the free memory, for tensors with place="auto"


class Stored(NamedTuple):
    """A batch as stored: samples, (B, …) int16 or float32, with scale, shift and length, (B,) each.

    A value is sample · scale + shift; `length` is the number of samples of each clip.
    """

    samples: Tensor
    scale: Tensor
    shift: Tensor
    length: Tensor

    def values(self) -> Tensor:
        """Return the values, (B, …) float32."""
        shape = (-1, *(1,) * (self.samples.ndim - 1))
        values = self.samples.to(torch.float32, copy=True)  # the stored samples must not change
        return values.mul_(self.scale.view(shape)).add_(self.shift.view(shape))


@dataclass
class ClipStore:
    """Clips of equal or different lengths in one flat file."""

    file: Path  # samples of all clips in order, then zeros for one clip of the greatest length
    dtype: torch.dtype  # of the samples
    offset: Tensor  # index of the first sample of each clip, (N,) int64
    length: Tensor  # samples of each clip, (N,) int64
    scale: Tensor  # see `Stored`, (N,) float32
    shift: Tensor  # see `Stored`, (N,) float32
    shape: tuple[int, ...] | None = None  # of every clip; None: different lengths, (T,) each
    place: Place = "disk"  # of the samples
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))  # of the batches
    lock: SharedLock | None = None  # keeps the file from `emotion prune`
    _flat: Tensor | None = None

    def __len__(self) -> int:
        return len(self.offset)

    def __getstate__(self) -> dict[str, object]:
        """Pickle the path of the file, not its samples."""
        return self.__dict__ | {"_flat": None}

    @property
    def bytes(self) -> int:
        """The size of all samples."""
        return self.file.stat().st_size

    def put(self, place: Place, device: torch.device) -> "ClipStore":
        """Return the store with its samples at `place`; `auto` takes the fastest one with room.

        Raises:
            ConfigError: an unknown place.
        """
        if place not in ("auto", "device", "memory", "disk"):
            raise ConfigError(
                f"loader.place={place!r} is not valid: choose auto, device, memory or disk."
            )
        if place == "auto":
            if device.type != "cpu" and self.bytes <= MAX_FREE_FRACTION * free_device_bytes(device):
                place = "device"
            else:
                room = MAX_FREE_FRACTION * psutil.virtual_memory().available
                place = "memory" if self.bytes <= room else "disk"
        self._flat = None
        self.place = "memory" if place == "device" and device.type == "cpu" else place
        self.device = device
        if self.place == "device":
            tensors = (self.offset, self.length, self.scale, self.shift)
            self.offset, self.length, self.scale, self.shift = (t.to(device) for t in tensors)
        return self

    def gather(self, rows: Tensor) -> Stored:
        """Return a batch of clips: (B, T), as long as the longest of them, or (B, *shape)."""
        flat = self.flat()
        rows = rows.to(self.offset.device)
        length = self.length[rows]
        if self.shape is not None:
            size = int(np.prod(self.shape))
            samples = flat[: len(self) * size].view(len(self), size).index_select(0, rows)
            samples = samples.view(-1, *self.shape)
        else:
            longest = int(length.max())
            # Row i of this view starts at sample i of the flat tensor, so that a clip is one row.
            windows = flat.as_strided((len(flat) - longest + 1, longest), (1, 1))
            samples = windows.index_select(0, self.offset[rows])
        return Stored(samples, self.scale[rows], self.shift[rows], length)

    def flat(self) -> Tensor:
        """Return all samples, read or memory-mapped at the first call."""
        if self._flat is None:
            if self.place == "disk":
                count = self.bytes // self.dtype.itemsize
                self._flat = torch.from_file(
                    str(self.file), shared=False, size=count, dtype=self.dtype
                )
            else:
                numpy_type: npt.DTypeLike = "int16" if self.dtype == torch.int16 else "float32"
                read = torch.from_numpy(np.fromfile(self.file, dtype=numpy_type))
                self._flat = read.to(self.device) if self.place == "device" else read
        return self._flat


def free_device_bytes(device: torch.device) -> int:
    """Return the free memory of an accelerator; 0 where that cannot be queried."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return 0
