"""Cached clips as one flat tensor on the disk, in memory or on a device; a batch is a gather."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from emotion.errors import ConfigError

Place = Literal["auto", "device", "memory", "disk"]
FREE_SHARE = 0.5
"""Of what is free, the share that tensors may take where their place is chosen for the user."""


class Stored(NamedTuple):
    """A gathered batch as it is stored: samples, (B, …) int16 or float32, and how to read them.

    A value is sample · scale + shift; `length` counts each clip's own samples.
    """

    samples: Tensor
    scale: Tensor
    shift: Tensor
    length: Tensor

    def values(self) -> Tensor:
        """Return the values, (B, …) float32."""
        shape = (-1, *(1,) * (self.samples.ndim - 1))
        values = self.samples.to(torch.float32)
        if values is self.samples:  # what is stored stays as it is
            values = values.clone()
        return values.mul_(self.scale.view(shape)).add_(self.shift.view(shape))


@dataclass
class ClipStore:
    """Clips of one or of many lengths, behind one another in a flat file.

    Args:
        file: the samples, followed by zeros for one clip of the greatest length.
        dtype: of the samples.
        offset: where each clip starts, (N,) int64.
        length: samples of each clip, (N,) int64.
        scale: see `Stored`, (N,) float32.
        shift: see `Stored`, (N,) float32.
        shape: of one clip, where all have the same; None for (T,).
        place: where the samples are kept.
        device: where batches are wanted.
    """

    file: Path
    dtype: torch.dtype
    offset: Tensor
    length: Tensor
    scale: Tensor
    shift: Tensor
    shape: tuple[int, ...] | None = None
    place: Place = "disk"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _flat: Tensor | None = None

    def __len__(self) -> int:
        return len(self.offset)

    def __getstate__(self) -> dict[str, object]:
        """Pickle the file's name, never what was read or mapped from it."""
        return self.__dict__ | {"_flat": None}

    @property
    def bytes(self) -> int:
        """The size of all samples."""
        return self.file.stat().st_size

    def put(self, place: Place, device: torch.device) -> "ClipStore":
        """Return the store with its samples at a place; `auto` takes the fastest that has room.

        Raises:
            ConfigError: a place that does not exist.
        """
        if place not in ("auto", "device", "memory", "disk"):
            raise ConfigError(f"loader.place={place!r}: choose auto, device, memory or disk.")
        if place == "auto":
            if device.type != "cpu" and self.bytes <= FREE_SHARE * free_device_bytes(device):
                place = "device"
            else:
                room = FREE_SHARE * psutil.virtual_memory().available
                place = "memory" if self.bytes <= room else "disk"
        self._flat = None
        self.place = "memory" if place == "device" and device.type == "cpu" else place
        self.device = device
        if self.place == "device":
            tensors = (self.offset, self.length, self.scale, self.shift)
            self.offset, self.length, self.scale, self.shift = (t.to(device) for t in tensors)
        return self

    def gather(self, rows: Tensor) -> Stored:
        """Return clips side by side, (B, T) up to the longest of them, or (B, *shape)."""
        flat = self.flat()
        rows = rows.to(self.offset.device)
        length = self.length[rows]
        if self.shape is not None:
            size = int(np.prod(self.shape))
            samples = flat[: len(self) * size].view(len(self), size).index_select(0, rows)
            samples = samples.view(-1, *self.shape)
        else:
            longest = int(length.max())
            # Every place of the flat tensor starts a row of this view: a clip is one row of it.
            windows = flat.as_strided((len(flat) - longest + 1, longest), (1, 1))
            samples = windows.index_select(0, self.offset[rows])
        return Stored(samples, self.scale[rows], self.shift[rows], length)

    def flat(self) -> Tensor:
        """Return all samples; read, or mapped from the disk, at the first call."""
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
    """Return the memory that is free on an accelerator; none where it cannot be asked."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return 0
