"""Overlapping windows of an audio stream, independent of the sizes of its chunks."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emotion.audio.decode import Wave
from emotion.errors import ConfigError

DEFAULT_WINDOW_S = 3.0
"""Window length for a model that classifies clips of any length."""

MIN_WINDOW_S, MIN_HOP_S = 0.1, 0.01


@dataclass(frozen=True)
class WindowGrid:
    """Length of the windows, and hop from one window's start to the next one's, in seconds."""

    window_s: float
    hop_s: float


def choose_window_grid(
    model_window_s: float, *, window_s: float | None = None, hop_s: float | None = None
) -> WindowGrid:
    """Return the windows for a model that classifies `model_window_s` seconds.

    By default a window has the model's own length, and windows overlap by half.

    Raises:
        ConfigError: a window longer than the model's, or a hop that leaves gaps.
    """
    if window_s is None:
        window_s = DEFAULT_WINDOW_S if math.isinf(model_window_s) else model_window_s
    hop_s = window_s / 2 if hop_s is None else hop_s
    # A user's rounding up of the model's own length, by less than a millisecond, is accepted.
    if not MIN_WINDOW_S <= window_s <= model_window_s + 1e-3:
        longest = "any length" if math.isinf(model_window_s) else f"{model_window_s:.3f}"
        raise ConfigError(f"window_s={window_s}: choose {MIN_WINDOW_S} to {longest} seconds.")
    if not MIN_HOP_S <= hop_s <= window_s:
        raise ConfigError(f"hop_s={hop_s}: choose {MIN_HOP_S} to {window_s:g} s (window_s).")
    return WindowGrid(window_s, hop_s)


@dataclass(frozen=True)
class Window:
    """Samples of a window, (T,), and the index of the first one in the recording."""

    start: int
    wave: Wave


class WindowCutter:
    """Cut a stream into windows; each is returned as soon as its last sample has arrived.

    At most a window, a hop and the last chunk are buffered. The last window ends with the
    recording; a recording shorter than a window is one window.
    """

    def __init__(self, grid: WindowGrid, sample_rate: int) -> None:
        self.size = max(1, round(grid.window_s * sample_rate))
        self.hop = grid.hop_s * sample_rate
        self.buffer: Wave = np.zeros(0, dtype=np.float32)
        self.buffer_start = 0  # index of the buffer's first sample in the recording
        self.count = 0

    def push(self, wave: Wave) -> Iterator[Window]:
        """Yield the windows that these samples, (T,), complete."""
        self.buffer = np.concatenate([self.buffer, wave])
        end = self.buffer_start + len(self.buffer)
        while (start := round(self.count * self.hop)) + self.size <= end:
            # No later window needs samples before this one, not even the last window.
            self.buffer = self.buffer[start - self.buffer_start :]
            self.buffer_start = start
            self.count += 1
            yield Window(start, self.buffer[: self.size])
        if self.buffer.base is not None:
            self.buffer = self.buffer.copy()

    def end(self) -> Iterator[Window]:
        """Yield the last window, if samples remain that no window contains."""
        if len(self.buffer) > (self.size if self.count else 0):
            start = max(0, len(self.buffer) - self.size)
            yield Window(self.buffer_start + start, self.buffer[start:])
