"""Decodes files and hands them on in batches; those that cannot be read are told and left."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from emotion.audio.decode import Wave, decode
from emotion.errors import AudioError, ConfigError
from emotion.inference.inputs import InputFile
from emotion.inference.segments import Segment
from emotion.utils.printable import printable
from emotion.utils.progress import bars

log = logging.getLogger(__name__)

T = TypeVar("T")

WARN_FRACTION = 0.5
"""A clip of which more than this share lies outside the model's window is said."""

LONGEST_S = 600.0
"""What of a file is decoded at once; the rest of a longer one is only heard as a timeline."""

MOST_THREADS = os.cpu_count() or 1

DONE, PARTLY = 0, 3
"""Exit codes: all was read; some was not."""


@dataclass(frozen=True)
class AudioPart:
    """A file, or a segment of one."""

    source: InputFile
    segment: Segment | None = None

    @property
    def place(self) -> dict[str, Any]:
        """What says in a row where this is."""
        if self.segment is None:
            return {"path": self.source.name}
        times = {"start_s": self.segment.start_s, "end_s": self.segment.end_s}
        return {"path": self.source.name, **times, "speaker": self.segment.speaker}

    def decode(self) -> tuple[Wave, int]:
        """Return the samples and their rate; AudioError where they cannot be read."""
        if self.segment is None:
            return decode(self.source.path, stop_s=LONGEST_S)
        start_s, end_s = self.segment.start_s, self.segment.end_s
        return decode(self.source.path, start_s=start_s, stop_s=min(end_s, start_s + LONGEST_S))


class FileBatches(Generic[T]):
    """Goes through parts once.

    Args:
        parts: what is read, in this order.
        prepare: makes of samples, (T,), and their rate what is kept of them.
        batch_size: how many a batch holds.
        window: the seconds that a model hears, to say where much of a clip is not heard.
    """

    def __init__(
        self,
        parts: Sequence[AudioPart],
        prepare: Callable[[Wave, int], T],
        *,
        batch_size: int,
        window: float,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size} must be at least 1.")
        self.parts = parts
        self.prepare = prepare
        self.batch_size = batch_size
        self.window = window
        self.unread = 0

    def batches(self) -> Iterator[list[tuple[AudioPart, T]]]:
        """Yield the readable parts, batch by batch; say at the end how fast it went."""
        start = time.perf_counter()
        count = len(self.parts)
        tell = bars("listening") if count > self.batch_size else None
        # Decoding, resampling and the speech gate leave Python's lock: threads do, no processes.
        with ThreadPoolExecutor(min(MOST_THREADS, count)) as pool:
            for first in range(0, count, self.batch_size):
                some = self.parts[first : first + self.batch_size]
                read = zip(some, pool.map(self._read, some), strict=True)
                batch = [(part, found[0]) for part, found in read if found is not None]
                self.unread += len(some) - len(batch)
                if batch:
                    yield batch
                if tell is not None:
                    tell(first + len(some), count)
        seconds = time.perf_counter() - start
        if count > 1:
            log.info("%s clips in %.1f s (%.0f a second)", f"{count:,}", seconds, count / seconds)

    def _read(self, part: AudioPart) -> tuple[T] | None:
        """Return what is kept of a part, or None where it cannot be read, which is said."""
        try:
            wave, rate = part.decode()
        except AudioError as err:
            log.warning("%s %s", printable(part.source.name), err)
            return None
        self._warn_of_length(part, len(wave) / rate)
        return (self.prepare(wave, rate),)

    def check(self, rows: Sequence[object]) -> int:
        """Return the exit code; `rows` are what came of the parts.

        Raises:
            ConfigError: nothing could be read.
        """
        if not rows:
            raise ConfigError(f"none of the {len(self.parts)} inputs could be read.")
        if self.unread:
            log.warning("%d of %d inputs could not be read", self.unread, len(self.parts))
        return PARTLY if self.unread else DONE

    def _warn_of_length(self, part: AudioPart, seconds: float) -> None:
        if seconds > min(self.window, LONGEST_S - 1) / (1 - WARN_FRACTION):
            log.warning(
                "%s: only the first %.1f of its %.1f s are heard; timeline=true hears all",
                printable(part.source.name),
                self.window,
                seconds,
            )
