"""Recordings that anybody sends -> answers: within limits, one at a time, a few waiting."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emotion.audio.decode import Wave, decode, read_header
from emotion.errors import AudioError, ConfigError, EmotionError, near
from emotion.inference.timeline import predict_windows
from emotion.runtime.predictor import Prediction, Predictor
from emotion.runtime.stream import WindowPrediction
from emotion.runtime.windows import ANY_LENGTH_S
from emotion.serving.model_card import About

SAMPLES_A_SECOND = 96_000
"""A recording of the longest length may hold as many samples as 48 kHz in stereo."""

LONG = 1.2
"""A recording of more than so many windows is long."""


class BusyError(EmotionError):
    """As many recordings wait as may."""


class TooLongError(AudioError):
    """A recording beyond the limits."""


class UnknownModelError(EmotionError):
    """A name that no model here has."""


@dataclass(frozen=True)
class Limits:
    """What is taken of a stranger.

    Attributes:
        max_mb: of one upload, in 10⁶ bytes.
        max_seconds: of one recording.
        waiting: recordings that are being answered or wait for it; more are turned away.

    Raises:
        ConfigError: a limit that lets nothing in.
    """

    max_mb: float
    max_seconds: float
    waiting: int

    def __post_init__(self) -> None:
        for name in ("max_mb", "max_seconds", "waiting"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
                raise ConfigError(f"{name}={value} must be a number above 0.")

    @property
    def max_bytes(self) -> int:
        """The most bytes of one upload."""
        return round(self.max_mb * 1e6)


@dataclass(frozen=True)
class Model:
    """Somebody who answers, and who that is."""

    about: About
    predictor: Predictor


@dataclass(frozen=True)
class Answer:
    """What a model says of a recording.

    Attributes:
        model: who says it.
        opinion: of the part of the recording that the model hears.
        moments: opinions of overlapping windows, where they were asked for.
        wave: what was heard, mono, (T,).
        sample_rate: of it, Hz.
    """

    model: Model
    opinion: Prediction
    moments: Sequence[WindowPrediction]
    wave: Wave
    sample_rate: int

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return len(self.wave) / self.sample_rate

    @property
    def heard_s(self) -> float:
        """How much of its beginning the opinion is of."""
        return min(self.seconds, self.model.predictor.window)


class Service:
    """Models behind a door that lets in one recording at a time.

    Args:
        models: the first answers where none is named.
        limits: what is taken.
    """

    def __init__(self, models: Sequence[Model], limits: Limits) -> None:
        self.models: Mapping[str, Model] = {model.about.name: model for model in models}
        self.limits = limits
        self._seats = threading.BoundedSemaphore(limits.waiting)
        self._door = threading.Lock()

    def model(self, name: str | None) -> Model:
        """Return the model of a name, or the first.

        Raises:
            UnknownModelError: no model has it.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise UnknownModelError(f"there is no model {name!r} here.{near(name, self.models)}")
        return self.models[name]

    def predict(
        self, file: Path, *, model: str | None = None, timeline: bool | None = False
    ) -> Answer:
        """Return the answer to a recording; it waits for its turn.

        Args:
            file: where it lies.
            model: who is asked.
            timeline: whether the whole recording is judged, window by window, besides; None
                where it is clearly longer than a window.

        Raises:
            AudioError: it cannot be read.
            TooLongError: it is beyond the limits.
            BusyError: too many wait.
            UnknownModelError: no model has this name.
        """
        asked = self.model(model)
        with self._turn():
            self._check(file)
            wave, rate = decode(file)
            (opinion,) = asked.predictor.judge([asked.predictor.prepare(wave, rate)])
            if timeline is None:
                timeline = len(wave) / rate > LONG * min(asked.predictor.window, ANY_LENGTH_S)
            moments = predict_windows(file, asked.predictor) if timeline else []
        return Answer(asked, opinion, moments, wave, rate)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._seats.acquire(blocking=False):
            raise BusyError(
                f"{self.limits.waiting} recordings wait already. Try again in a moment."
            )
        try:
            with self._door:
                yield
        finally:
            self._seats.release()

    def _check(self, file: Path) -> None:
        """Refuse by its header what is too long, or would be too large once it is unpacked."""
        header, longest = read_header(file), self.limits.max_seconds
        seconds, samples = header.frames / header.sample_rate, header.frames * header.channels
        if seconds > longest:
            raise TooLongError(f"is {seconds:,.1f} s long: at most {longest:g} s are taken")
        if samples > longest * SAMPLES_A_SECOND:
            raise TooLongError(
                f"holds {samples / 1e6:,.0f} million samples: at most "
                f"{longest * SAMPLES_A_SECOND / 1e6:,.0f} are taken"
            )


def explain(error: EmotionError) -> str:
    """Return why there is no answer, as a sentence."""
    return f"The recording {error}." if isinstance(error, AudioError) else str(error)
