"""Predictions for uploaded recordings: within limits, one recording at a time."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emotion.audio.decode import MAX_SAMPLES, Wave, decode, read_header
from emotion.errors import AudioError, ConfigError, EmotionError, TooLongError, suggest
from emotion.inference.timeline import predict_windows
from emotion.runtime.predictor import Prediction, Predictor
from emotion.runtime.stream import WindowPrediction
from emotion.runtime.windows import DEFAULT_WINDOW_S
from emotion.serving.model_card import ModelCard

MAX_SAMPLES_PER_S = 96_000
"""Samples of all channels per second of the longest recording allowed: 48 kHz stereo."""

TIMELINE_WINDOWS = 1.2
"""The page shows a timeline for recordings longer than this many windows."""


class BusyError(EmotionError):
    """Too many recordings are waiting."""


class UnknownModelError(EmotionError):
    """A model name that is not served."""


@dataclass(frozen=True)
class Limits:
    """Limits for uploads.

    Attributes:
        max_mb: size of an upload, in 10⁶ bytes.
        max_seconds: duration of a recording.
        waiting: recordings from upload to result; further ones are refused.

    Raises:
        ConfigError: a limit is not above 0.
    """

    max_mb: float
    max_seconds: float
    waiting: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"{name}={value:g} must be a number above 0.")

    @property
    def max_bytes(self) -> int:
        """Size of an upload, in bytes."""
        return round(self.max_mb * 1e6)

    @property
    def max_samples(self) -> int:
        """Samples of all channels of a decoded recording."""
        return round(min(self.max_seconds * MAX_SAMPLES_PER_S, MAX_SAMPLES))


@dataclass(frozen=True)
class Model:
    """A model that is served, with its card."""

    card: ModelCard
    predictor: Predictor


@dataclass(frozen=True)
class Result:
    """The prediction for a recording.

    Attributes:
        model: the model that was used.
        prediction: for the model's window at the start of the recording.
        windows: predictions of overlapping windows; empty without a timeline.
        wave: the decoded recording, mono, (T,).
        sample_rate: of `wave`, Hz.
    """

    model: Model
    prediction: Prediction
    windows: Sequence[WindowPrediction]
    wave: Wave
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Duration of the recording."""
        return len(self.wave) / self.sample_rate

    @property
    def classified_s(self) -> float:
        """Seconds at the start of the recording that `prediction` is based on."""
        return min(self.seconds, self.model.predictor.window_s)


class Service:
    """Models that process one recording at a time.

    Args:
        models: the models; the first is the default.
        limits: limits for uploads.
    """

    def __init__(self, models: Sequence[Model], limits: Limits) -> None:
        self.models: Mapping[str, Model] = {model.card.name: model for model in models}
        self.limits = limits
        self._slots = threading.BoundedSemaphore(limits.waiting)
        self._lock = threading.Lock()

    def model(self, name: str | None) -> Model:
        """Return a model by name, or the default; raise an UnknownModelError for other names."""
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise UnknownModelError(f"model {name!r} is not served.{suggest(name, self.models)}")
        return self.models[name]

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Return a context manager that takes one of the slots, from upload to result.

        Raises:
            BusyError: all slots are taken.
        """
        if not self._slots.acquire(blocking=False):
            raise BusyError(
                f"{self.limits.waiting} recordings are waiting already. Try again in a moment."
            )
        try:
            yield
        finally:
            self._slots.release()

    def predict(
        self, file: Path, *, model: str | None = None, timeline: bool | None = False
    ) -> Result:
        """Return the prediction for a recording; wait for the recordings before it.

        Args:
            file: the recording.
            model: name of the model; None for the default.
            timeline: whether to predict overlapping windows of the whole recording too; None for
                only if it is clearly longer than a window.

        Raises:
            AudioError: the recording cannot be read.
            TooLongError: it is beyond the limits.
            UnknownModelError: no model has this name.
        """
        served = self.model(model)
        predictor = served.predictor
        with self._lock:
            self._check_length(file)
            wave, rate = decode(file, max_samples=self.limits.max_samples)
            (prediction,) = predictor.predict([predictor.prepare(wave, rate)])
            if timeline is None:
                window_s = min(predictor.window_s, DEFAULT_WINDOW_S)
                timeline = len(wave) / rate > TIMELINE_WINDOWS * window_s
            windows = predict_windows(file, predictor) if timeline else []
        return Result(served, prediction, windows, wave, rate)

    def _check_length(self, file: Path) -> None:
        """Check the duration and the decoded size; only a file without a length is decoded."""
        header = read_header(file, max_samples=self.limits.max_samples)
        max_seconds = self.limits.max_seconds
        seconds, samples = header.frames / header.sample_rate, header.frames * header.channels
        if seconds > max_seconds:
            raise TooLongError(f"is {seconds:,.1f} s long; at most {max_seconds:g} s are allowed")
        if samples > self.limits.max_samples:
            raise TooLongError(
                f"contains {samples / 1e6:,.0f} million samples; at most "
                f"{self.limits.max_samples / 1e6:,.0f} are allowed"
            )


def error_sentence(error: EmotionError) -> str:
    """Return an error's message as a full sentence."""
    return f"The recording {error}." if isinstance(error, AudioError) else str(error)
