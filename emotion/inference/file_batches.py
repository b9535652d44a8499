"""Decode audio files in batches; files that cannot be read are logged and left out."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, TypeVar

from emotion.audio.decode import Wave
from emotion.errors import AudioError, ConfigError
from emotion.inference.inputs import InputFile
from emotion.inference.segments import Segment
from emotion.runtime.clips import decode_clip
from emotion.utils.printable import printable
from emotion.utils.progress import progress_bar

log = logging.getLogger(__name__)

T = TypeVar("T")

WARN_FRACTION = 0.5
"""Fraction of a clip outside the model's window from which a warning is logged."""


@dataclass(frozen=True)
class AudioPart:
    """A file, or a segment of one."""

    source: InputFile
    segment: Segment | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that identify the part in a table: path; of a segment also its times."""
        if self.segment is None:
            return {"path": self.source.name}
        times = {"start_s": self.segment.start_s, "end_s": self.segment.end_s}
        return {"path": self.source.name, **times, "speaker": self.segment.speaker}

    def decode(self, window_s: float) -> tuple[Wave, int]:
        """Return the samples, (T,), and the sample rate in Hz, for a model's window in seconds.

        Raises:
            AudioError: the file cannot be read.
        """
        start_s, end_s = 0.0, math.inf
        if self.segment is not None:
            start_s, end_s = self.segment.start_s, self.segment.end_s
        path = self.source.path
        return decode_clip(path, window_s=window_s, start_s=start_s, end_s=end_s, warn=self.warn)

    def warn(self, text: str) -> None:
        """Log a warning about the file."""
        log.warning("%s %s", printable(self.source.name), text)


@dataclass
class FileBatches(Generic[T]):
    """Decoded and prepared parts of files, in batches.

    Args:
        parts: the parts to read, in this order.
        prepare: called with the samples, (T,), and the sample rate of each part.
        batch_size: parts in a batch.
        window_s: the model's window in seconds, for the warning about long files.

    Attributes:
        unreadable: the number of parts so far that could not be read.
    """

    parts: Sequence[AudioPart]
    prepare: Callable[[Wave, int], T]
    _: KW_ONLY
    batch_size: int
    window_s: float
    unreadable: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size={self.batch_size} must be at least 1.")

    def batches(self) -> Iterator[list[tuple[AudioPart, T]]]:
        """Yield the readable parts in batches, each part with its prepared clip.

        Raises:
            ConfigError: no part could be read.
        """
        start = time.perf_counter()
        count = len(self.parts)
        update = progress_bar("predicting") if count > self.batch_size else None
        # Decoding, resampling and speech detection release Python's lock, so threads are enough.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, count)) as pool:
            for first in range(0, count, self.batch_size):
                parts = self.parts[first : first + self.batch_size]
                prepared = zip(parts, pool.map(self._read, parts), strict=True)
                batch = [(part, clip[0]) for part, clip in prepared if clip is not None]
                self.unreadable += len(parts) - len(batch)
                if batch:
                    yield batch
                if update is not None:
                    update(first + len(parts), count)
        seconds = time.perf_counter() - start
        if count > 1:
            log.info("%s clips in %.1f s (%.0f per s)", f"{count:,}", seconds, count / seconds)
        if self.unreadable == count:
            raise ConfigError(f"none of the {count} inputs could be read.")
        if self.unreadable:
            log.warning("%d of %d inputs could not be read", self.unreadable, count)

    def _read(self, part: AudioPart) -> tuple[T] | None:
        """Return the prepared clip of a part, or None and a warning if it cannot be read."""
        try:
            wave, rate = part.decode(self.window_s)
        except AudioError as err:
            part.warn(str(err))
            return None
        seconds = len(wave) / rate
        if seconds > self.window_s / (1 - WARN_FRACTION):
            text = "%s: only the first %.1f of %.1f s are classified; use timeline=true for all"
            log.warning(text, printable(part.source.name), self.window_s, seconds)
        return (self.prepare(wave, rate),)
