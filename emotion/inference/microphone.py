"""Listens to the microphone and says, until Ctrl-C, what it hears."""

import itertools
import logging
import queue
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emotion.audio.decode import Wave
from emotion.errors import ConfigError, DependencyError
from emotion.inference.file_batches import DONE
from emotion.inference.inputs import MICROPHONE
from emotion.inference.output import Row, show
from emotion.inference.timeline import window_rows
from emotion.runtime.predictor import Predictor
from emotion.runtime.stream import Stream, WindowPrediction

log = logging.getLogger(__name__)

BLOCK_S = 0.1
WAITING_BLOCKS = 600
"""A minute of sound may wait to be judged; a machine that lags further behind loses sound."""

BAR = 24


def listen(predictor: Predictor, output: Path | None, **settings: Any) -> int:
    """Show an opinion a window on one live line; write all of them to `output` at the end.

    Args:
        predictor: who judges.
        output: a CSV or JSON lines, a row a window; None writes nothing.
        settings: of `Stream`: window_s, hop_s, smoothing.

    Raises:
        DependencyError: sounddevice, or the library that it calls, is not installed.
        ConfigError: there is no microphone.
    """
    rows: list[Row] = []
    with interruptible(), opened_microphone() as (rate, blocks):
        stream = Stream(predictor, rate, **settings)
        log.info(
            "listening: an opinion after %.1f s, then every %.1f s; Ctrl-C ends it",
            stream.grid.window_s,
            stream.grid.hop_s,
        )
        try:
            for block in blocks:
                for moment in stream.feed(block):
                    sys.stdout.write(live_line(moment, predictor))
                    sys.stdout.flush()
                    if output is not None:
                        rows += window_rows(MICROPHONE, [moment], predictor.labels)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
    if rows:
        show(rows, output)
    return DONE


def live_line(moment: WindowPrediction, predictor: Predictor) -> str:
    """Return a line that replaces the last one on a terminal, and follows it elsewhere."""
    opinion = moment.opinion
    best = max(opinion.probabilities)
    bar = "█" * round(best * BAR)
    said = f"{opinion.note} ({opinion.predicted})" if opinion.note else opinion.predicted
    line = f"{moment.end_s:7.1f} s  {said:<28}{best:5.0%}  {bar:<{BAR}}"
    return f"\r{line}" if sys.stdout.isatty() else f"{line.rstrip()}\n"


@contextmanager
def opened_microphone() -> Iterator[tuple[int, Iterator[Wave]]]:
    """Give the microphone's rate in Hz, and its sound, block by block, (T,) float32.

    Raises:
        DependencyError: sounddevice, or the library that it calls, is not installed.
        ConfigError: there is no microphone.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as err:
        raise DependencyError(
            f"inputs=mic needs sounddevice ({err}). pip install 'emotion[mic]'; on Debian and "
            "Ubuntu also: apt install libportaudio2."
        ) from err
    waiting: queue.Queue[Wave] = queue.Queue(WAITING_BLOCKS)

    def take(block: Any, _frames: int, _time: object, status: object) -> None:
        if status:
            log.warning("microphone: %s", status)
        try:
            waiting.put_nowait(block[:, 0].copy())
        except queue.Full:
            log.warning("this machine is too slow for the microphone: %.1f s are lost", BLOCK_S)

    try:
        rate = int(sounddevice.query_devices(kind="input")["default_samplerate"])
        recording = sounddevice.InputStream(
            samplerate=rate,
            channels=1,
            dtype="float32",
            blocksize=round(BLOCK_S * rate),
            callback=take,
        )
    except (sounddevice.PortAudioError, ValueError) as err:
        raise ConfigError(
            f"there is no microphone that can be opened ({err}). `python -m sounddevice` lists "
            "the devices; a recording is heard by inputs=FILE."
        ) from err
    with recording:
        yield rate, (waiting.get() for _ in itertools.count())


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt within the block, whatever it does outside."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
