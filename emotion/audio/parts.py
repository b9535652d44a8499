"""One part of a cache, written by a process of its own: clips decoded, standardised, measured.

What is imported here every such process imports first, so pandas is not.
"""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from emotion.audio.decode import decode
from emotion.audio.measure import Facts, measure
from emotion.audio.quantise import quantise
from emotion.audio.standardise import Standardiser
from emotion.errors import AudioError, CacheError
from emotion.files import written_whole

FACTS = [field.name for field in dataclasses.fields(Facts)]
COLUMNS = ["path", "error", "length", "scale", *FACTS]

Clip = tuple[str, int, int]
"""A file's path below the root, its size and its time of change."""


def build_part(clips: Sequence[Clip], standardiser: Standardiser, root: Path, part: Path) -> int:
    """Write one part: its samples, then its index, whose name says that it is whole.

    Returns:
        How many clips it took, those that cannot be read included.

    Raises:
        CacheError: a file changed while it was read.
    """
    rows: list[dict[str, object]] = []
    with written_whole(part.with_suffix(".bin")) as file:
        for name, size, mtime_ns in clips:
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
            file.write(samples.tobytes())
            entry = {"path": name, "error": "", "length": len(samples), "scale": scale}
            rows.append(entry | vars(measure(wave, rate)))
    with written_whole(part, "w") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return len(clips)


def _size_and_time(path: Path) -> tuple[int, int] | None:
    """Return a file's size and time of change, or None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
