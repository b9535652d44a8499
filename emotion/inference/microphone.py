"""Live predictions for the microphone, until Ctrl-C."""

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
from emotion.inference.inputs import MICROPHONE
from emotion.inference.output import write_or_print_rows
from emotion.inference.timeline import window_rows
from emotion.runtime.predictor import Predictor
from emotion.runtime.rows import Row
from emotion.runtime.stream import Stream, WindowPrediction

log = logging.getLogger(__name__)

BLOCK_S = 0.1
QUEUE_BLOCKS = 600
"""A minute of sound is buffered; when the model falls further behind, blocks are dropped."""

BAR_WIDTH = 24


def predict_microphone(predictor: Predictor, output: Path | None, **settings: Any) -> None:
    """Show the prediction of each window on one live line; write all rows to `output` at the end.

    Args:
        predictor: predicts each window.
        output: a CSV or JSON lines file, one row per window; None writes no file.
        settings: of `Stream`: window_s, hop_s, smoothing.

    Raises:
        DependencyError: sounddevice or PortAudio is not installed.
        ConfigError: no microphone can be opened.
    """
    rows: list[Row] = []
    with keyboard_interrupts(), open_microphone() as (rate, blocks):
        stream = Stream(predictor, rate, **settings)
        text = "recording: first prediction after %.1f s, then every %.1f s; stop with Ctrl-C"
        log.info(text, stream.grid.window_s, stream.grid.hop_s)
        try:
            for block in blocks:
                for window in stream.feed(block):
                    print(live_line(window), end="", flush=True)
                    if output is not None:
                        rows += window_rows(MICROPHONE, [window], predictor.labels)
        except KeyboardInterrupt:
            print()
    if rows:
        write_or_print_rows(rows, output)


def live_line(window: WindowPrediction) -> str:
    """Return a window's prediction as a line; on a terminal it replaces the previous line."""
    label, note = window.prediction.predicted, window.prediction.note
    best = max(window.prediction.probabilities)
    text = f"{note} ({label})" if note else label
    bar = "█" * round(best * BAR_WIDTH)
    line = f"{window.end_s:7.1f} s  {text:<28}{best:5.0%}  {bar:<{BAR_WIDTH}}"
    return f"\r{line}" if sys.stdout.isatty() else f"{line.rstrip()}\n"


@contextmanager
def open_microphone() -> Iterator[tuple[int, Iterator[Wave]]]:
    """Return a context manager that gives the sample rate in Hz and blocks of samples, (T,).

    Raises:
        DependencyError: sounddevice or PortAudio is not installed.
        ConfigError: no microphone can be opened.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as err:
        raise DependencyError(
            f"inputs=mic needs sounddevice ({err}). pip install 'emotion[mic]'; on Debian and "
            "Ubuntu also: apt install libportaudio2."
        ) from err
    blocks: queue.Queue[Wave] = queue.Queue(QUEUE_BLOCKS)

    def enqueue(block: Any, _frames: int, _time: object, status: object) -> None:
        if status:
            log.warning("microphone: %s", status)
        try:
            blocks.put_nowait(block[:, 0].copy())
        except queue.Full:
            log.warning("the model is too slow for live audio: dropped %.1f s", BLOCK_S)

    try:
        rate = int(sounddevice.query_devices(kind="input")["default_samplerate"])
        block_size = round(BLOCK_S * rate)
        recording = sounddevice.InputStream(
            samplerate=rate, channels=1, dtype="float32", blocksize=block_size, callback=enqueue
        )
    except (sounddevice.PortAudioError, ValueError) as err:
        raise ConfigError(
            f"no microphone can be opened ({err}). List the devices with "
            "`python -m sounddevice`, or give a recording: inputs=FILE."
        ) from err
    with recording:
        yield rate, (blocks.get() for _ in itertools.count())


@contextmanager
def keyboard_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C within the block; restore the previous handler after it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
