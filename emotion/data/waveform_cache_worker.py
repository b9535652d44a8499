"""One part of a cache, made by a process of its own: clips decoded, standardised, measured.

What is imported here every such process imports first, so pandas is not.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion.audio.clip_statistics import ClipStatistics, measure
from emotion.audio.decode import decode
from emotion.audio.quantise import quantise
from emotion.audio.standardise import Standardiser
from emotion.errors import AudioError, CacheError
from emotion.utils.files import naming

FACTS = [field.name for field in dataclasses.fields(ClipStatistics)]
COLUMNS = ["path", "error", "offset", "length", "scale", *FACTS]

Clip = tuple[str, int, int]
"""A file's path below the root, its size and its time of change."""


@dataclass(frozen=True)
class CachePart:
    """Clips that are done in one go.

    `samples` is an existing file, which other parts may be writing to as well; this part's begin
    at `offset`, in samples. `index` takes the rows, once the samples are on the disk.
    """

    clips: Sequence[Clip]
    index: Path
    samples: Path
    offset: int


def build_part(part: CachePart, standardiser: Standardiser, root: Path) -> list[dict[str, object]]:
    """Write a part's samples; return a row a clip, those that cannot be read included.

    Raises:
        CacheError: a file changed while it was read.
    """
    rows: list[dict[str, object]] = []
    offset = part.offset
    with naming(part.samples), part.samples.open("r+b") as file:
        file.seek(offset * np.dtype(standardiser.storage).itemsize)
        for name, size, mtime_ns in part.clips:
            path = root / name
            try:
                wave, rate = decode(path)
                error = ""
            except AudioError as err:
                error = str(err)
            if _size_and_time(path) != (size, mtime_ns):
                raise CacheError(f"{path} changed while it was read. Run again when it is at rest.")
            if error:
                rows.append({"path": name, "error": error})
                continue
            samples, scale = quantise(standardiser(wave, rate), standardiser.storage)
            file.write(samples.data)
            place = {"path": name, "error": "", "offset": offset, "length": len(samples)}
            rows.append(place | {"scale": scale} | vars(measure(wave, rate)))
            offset += len(samples)
    return rows


def _size_and_time(path: Path) -> tuple[int, int] | None:
    """Return a file's size and time of change, or None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
