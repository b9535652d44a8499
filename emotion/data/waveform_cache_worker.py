"""Worker of the waveform cache: decodes, standardises and measures the clips of one part.

Every worker process imports this module first, so it does not import pandas.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion.audio.clip_statistics import ClipStatistics, measure_clip
from emotion.audio.decode import decode, decode_segment
from emotion.audio.quantise import quantise
from emotion.audio.standardise import Standardiser
from emotion.errors import AudioError, CacheError
from emotion.utils.files import path_in_errors

STATISTICS = [field.name for field in dataclasses.fields(ClipStatistics)]
COLUMNS = ["path", "error", "warning", "frames", "offset", "length", "scale", *STATISTICS]

Clip = tuple[str, int, int] | tuple[str, int, int, float, float]
"""Path relative to the root, bytes, modification time in ns; of a segment, start and end in s."""


@dataclass(frozen=True)
class CachePart:
    """Clips that one worker call decodes."""

    clips: Sequence[Clip]  # in the order of the table
    index: Path  # CSV file of the part's rows, written once the samples are on disk
    samples: Path  # existing file, to which other parts may write at the same time
    offset: int  # beginning of this part in `samples`, in samples


def build_part(part: CachePart, standardiser: Standardiser, root: Path) -> list[dict[str, object]]:
    """Write a part's samples; return one row per clip, unreadable clips included.

    Raises:
        CacheError: a file changed while it was read.
    """
    rows: list[dict[str, object]] = []
    offset = part.offset
    with path_in_errors(part.samples), part.samples.open("r+b") as file:
        file.seek(offset * np.dtype(standardiser.storage).itemsize)
        for name, size, mtime_ns, *times in part.clips:
            path = root / name
            clip = {"path": name, **dict(zip(("start", "end"), times, strict=False))}
            error = ""
            warnings: list[str] = []
            try:
                segment = decode_segment if times else decode
                wave, rate = segment(path, *times, warn=warnings.append)
            except AudioError as err:
                error = str(err)
            if _size_and_time(path) != (size, mtime_ns):
                raise CacheError(
                    f"{path} changed while it was read. Run again once nothing writes to it."
                )
            if error:
                rows.append(clip | {"error": error})
                continue
            samples, scale = quantise(standardiser(wave, rate), standardiser.storage)
            file.write(samples.data)
            decoded = clip | {"error": "", "warning": "; ".join(warnings), "frames": len(wave)}
            stored = {"offset": offset, "length": len(samples), "scale": scale}
            rows.append(decoded | stored | vars(measure_clip(wave, rate)))
            offset += len(samples)
    return rows


def _size_and_time(path: Path) -> tuple[int, int] | None:
    """Return a file's size and modification time, or None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
