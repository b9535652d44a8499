"""Cuts sound that comes in pieces into overlapping windows, whatever the pieces are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emotion.audio.decode import Wave
from emotion.errors import ConfigError

ANY_LENGTH_S = 3.0
"""The windows of a model that hears clips of any length."""

SHORTEST_S = 0.1


@dataclass(frozen=True)
class Grid:
    """Where windows lie: each `window_s` seconds long, a new one every `hop_s` seconds."""

    window_s: float
    hop_s: float


def choose_grid(
    heard_s: float, *, window_s: float | None = None, hop_s: float | None = None
) -> Grid:
    """Return the windows for a model that hears `heard_s` seconds; by default they overlap by half.

    Raises:
        ConfigError: a window that the model does not hear whole, or a hop that leaves gaps.
    """
    if window_s is None:
        window_s = ANY_LENGTH_S if math.isinf(heard_s) else heard_s
    hop_s = window_s / 2 if hop_s is None else hop_s
    # What a user rounds up by less than a millisecond is still the model's own window.
    if not SHORTEST_S <= window_s <= heard_s + 1e-3:
        longest = "any length" if math.isinf(heard_s) else f"{heard_s:.3f}"
        raise ConfigError(f"window_s={window_s}: choose {SHORTEST_S} to {longest} seconds.")
    if not 0.01 <= hop_s <= window_s:
        raise ConfigError(f"hop_s={hop_s}: choose 0.01 to {window_s:g} seconds, the window.")
    return Grid(window_s, hop_s)


@dataclass(frozen=True)
class Piece:
    """A window: its samples, (T,), and the first one's place in the recording."""

    start: int
    wave: Wave


class Cutter:
    """Gives windows as soon as they are whole; keeps at most a window, a hop and what came last.

    The last window ends with the recording; one that is shorter than a window is one window.
    """

    def __init__(self, grid: Grid, sample_rate: int) -> None:
        self.size = max(1, round(grid.window_s * sample_rate))
        self.hop = grid.hop_s * sample_rate
        self.kept: Wave = np.zeros(0, dtype=np.float32)
        self.first = 0  # the place of `kept` in the recording
        self.count = 0

    def push(self, wave: Wave) -> Iterator[Piece]:
        """Yield the windows that further samples, (T,), complete."""
        self.kept = np.concatenate([self.kept, wave])
        while (start := round(self.count * self.hop)) + self.size <= self.first + len(self.kept):
            # What came before this window is not needed again, not even by the last one.
            self.kept = self.kept[start - self.first :]
            self.first = start
            self.count += 1
            yield Piece(start, self.kept[: self.size])
        if self.kept.base is not None:
            self.kept = self.kept.copy()

    def end(self) -> Iterator[Piece]:
        """Yield the last window, where the recording goes on behind those before."""
        if len(self.kept) > (self.size if self.count else 0):
            start = max(0, len(self.kept) - self.size)
            yield Piece(self.first + start, self.kept[start:])
