"""Sound that comes in chunks -> opinions over time, in bounded memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave
from emotion.errors import ConfigError
from emotion.runtime.predictor import Prediction, Predictor, PreparedClip
from emotion.runtime.windows import Cutter, Piece, choose_grid

BATCH = 32
"""At most so many windows are judged at once, however much comes in one chunk."""


@dataclass(frozen=True)
class WindowPrediction:
    """What is made of the sound from `start_s` to `end_s`, in seconds."""

    start_s: float
    end_s: float
    opinion: Prediction


class Stream:
    """Judges a recording while it comes in; `predict timeline=true` reads files through this too.

    A window is judged as soon as its last sample is in. So the first opinion comes `window_s`
    after the start, a new one every `hop_s`, each as late as its computing takes (tens of
    milliseconds for a small network); what is said now is of the last `window_s` seconds.

    Args:
        predictor: who judges.
        sample_rate: of the chunks, Hz.
        window_s: the length of a window; None: what the model hears, or 3 s where that is any.
        hop_s: from one window's start to the next one's; None for half a window.
        smoothing: the share of the last smoothed probabilities in the next ones, under 1; 0
            leaves each window's own. Windows without speech take no part.

    Raises:
        ConfigError: a setting out of its range.
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
            raise ConfigError(f"smoothing={smoothing}: choose at least 0, under 1.")
        self.predictor = predictor
        self.sample_rate = sample_rate
        self.smoothing = smoothing
        self.grid = choose_grid(predictor.window, window_s=window_s, hop_s=hop_s)
        self.cutter = Cutter(self.grid, sample_rate)
        self.smooth: npt.NDArray[np.float64] | None = None

    def feed(self, chunk: Wave) -> list[WindowPrediction]:
        """Return the opinions of the windows that further samples complete: (T,) mono float32."""
        return self._judge(self.cutter.push(chunk))

    def close(self) -> list[WindowPrediction]:
        """Return the opinion of the last window, which ends with the recording."""
        return self._judge(self.cutter.end())

    def _judge(self, pieces: Iterable[Piece]) -> list[WindowPrediction]:
        moments: list[WindowPrediction] = []
        waiting: list[tuple[float, float, PreparedClip]] = []
        for piece in pieces:
            start_s = piece.start / self.sample_rate
            end_s = (piece.start + len(piece.wave)) / self.sample_rate
            waiting.append((start_s, end_s, self.predictor.prepare(piece.wave, self.sample_rate)))
            if len(waiting) == BATCH:
                moments += self._answer(waiting)
                waiting = []
        return moments + self._answer(waiting)

    def _answer(
        self, waiting: Sequence[tuple[float, float, PreparedClip]]
    ) -> list[WindowPrediction]:
        opinions = self.predictor.judge([heard for _, _, heard in waiting])
        return [
            WindowPrediction(start_s, end_s, self._smoothed(opinion, speech=heard.speech))
            for (start_s, end_s, heard), opinion in zip(waiting, opinions, strict=True)
        ]

    def _smoothed(self, opinion: Prediction, *, speech: bool) -> Prediction:
        if not (self.smoothing and speech):
            return opinion
        new = np.array(opinion.probabilities)
        if self.smooth is not None:
            new = self.smoothing * self.smooth + (1 - self.smoothing) * new
        self.smooth = new
        return self.predictor.opinion(new, speech=speech, unlike=opinion.unlike)
