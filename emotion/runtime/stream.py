"""Predictions over time for audio that arrives in chunks, in bounded memory."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emotion.audio.arrays import as_wave, check_sample_rate
from emotion.errors import ConfigError
from emotion.runtime.predictor import Prediction, Predictor
from emotion.runtime.windows import Window, WindowCutter, choose_window_grid

MAX_BATCH = 32
"""Limit of windows in one batch, for long chunks."""


@dataclass(frozen=True)
class WindowPrediction:
    """Prediction for the window from `start_s` to `end_s`, in seconds."""

    start_s: float
    end_s: float
    prediction: Prediction


class Stream:
    """Predict the windows of a recording while it arrives; `timeline=true` uses it for files too.

    A window is predicted as soon as its last sample has arrived: the first `window_s` after the
    start, then one every `hop_s`. The further latency is the computing time, tens of milliseconds
    for a small network.

    Args:
        predictor: predicts the windows.
        sample_rate: of the chunks, Hz.
        window_s: length of a window; None: the model's own, or 3 s where it takes any length.
        hop_s: from one window's start to the next one's; None for half a window.
        smoothing: weight of the previous smoothed probabilities (exponential smoothing), under 1;
            0 turns it off. Windows without speech are left out of it.

    Raises:
        ConfigError: a setting, or the sample rate, is out of its range.
    """

    def __init__(
        self,
        predictor: Predictor,
        sample_rate: int,
        *,
        window_s: float | None = None,
        hop_s: float | None = None,
        smoothing: float = 0.0,
    ) -> None:
        if not 0 <= smoothing < 1:
            raise ConfigError(f"smoothing={smoothing}: choose at least 0 and less than 1.")
        self.predictor = predictor
        self.sample_rate = check_sample_rate(sample_rate)
        self.smoothing = smoothing
        self.grid = choose_window_grid(predictor.window_s, window_s=window_s, hop_s=hop_s)
        self.cutter = WindowCutter(self.grid, self.sample_rate)
        self.smoothed: npt.NDArray[np.float64] | None = None

    def feed(self, chunk: npt.ArrayLike) -> list[WindowPrediction]:
        """Return predictions for the windows that a chunk completes.

        Samples are those of `as_wave`: (T,), (T, channels) or (channels, T), floats or integers; a
        chunk may be empty, (0,).

        Raises:
            ConfigError: samples that cannot be used.
        """
        return self._predict(self.cutter.push(as_wave(chunk, empty=True)))

    def close(self) -> list[WindowPrediction]:
        """Return the prediction for the last window, which ends with the recording."""
        return self._predict(self.cutter.end())

    def _predict(self, windows: Iterator[Window]) -> list[WindowPrediction]:
        found: list[WindowPrediction] = []
        rate = self.sample_rate
        while batch := list(itertools.islice(windows, MAX_BATCH)):
            clips = [self.predictor.prepare(window.wave, rate) for window in batch]
            predictions = self.predictor.predict(clips)
            for window, clip, prediction in zip(batch, clips, predictions, strict=True):
                end = window.start + len(window.wave)
                smoothed = self._smooth(prediction, is_speech=clip.is_speech)
                found.append(WindowPrediction(window.start / rate, end / rate, smoothed))
        return found

    def _smooth(self, prediction: Prediction, *, is_speech: bool) -> Prediction:
        if not (self.smoothing and is_speech):
            return prediction
        new = np.array(prediction.probabilities)
        if self.smoothed is not None:
            new = self.smoothing * self.smoothed + (1 - self.smoothing) * new
        self.smoothed = new
        reasons = prediction.ood_reasons
        return self.predictor.make_prediction(new, is_speech=True, ood_reasons=reasons)
