"""Predictions over time for long recordings, read block by block: a table and a plot."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from emotion.audio.decode import read_blocks
from emotion.errors import AudioError, ConfigError
from emotion.inference.inputs import InputFile
from emotion.inference.output import as_csv
from emotion.inference.timeline_plot import plot_timeline
from emotion.runtime.predictor import Predictor
from emotion.runtime.rows import Row, prediction_row
from emotion.runtime.stream import Stream, WindowPrediction
from emotion.utils.files import folder_name, write_text
from emotion.utils.printable import printable

log = logging.getLogger(__name__)


def write_timelines(
    sources: Sequence[InputFile], predictor: Predictor, output: Path, **settings: Any
) -> int:
    """Write `<output stem>.timeline.csv` and a plot per recording, beside the output file.

    Return the number of unreadable recordings, which are logged and left out. The settings are
    those of `Stream`: window_s, hop_s, smoothing.
    """
    rows: list[Row] = []
    unreadable = 0
    names: set[str] = set()
    for source in sources:
        try:
            warn = partial(log.warning, "%s %s", printable(source.name))
            windows = predict_windows(source.path, predictor, warn=warn, **settings)
        except AudioError as err:
            log.warning("%s %s: it has no timeline", printable(source.name), err)
            unreadable += 1
            continue
        rows += window_rows(source.name, windows, predictor.labels)
        plot = _plot_path(source, output, names, single=len(sources) == 1)
        plot_timeline(windows, predictor.labels, plot, title=Path(source.name).name)
    if rows:
        table = output.with_name(f"{output.stem}.timeline.csv")
        write_text(table, as_csv(rows))
        log.info("%s windows in %s", f"{len(rows):,}", table)
    return unreadable


def predict_windows(
    path: Path,
    predictor: Predictor,
    *,
    warn: Callable[[str], object] | None = None,
    **settings: Any,
) -> list[WindowPrediction]:
    """Return the predictions of a file's overlapping windows, in order.

    `warn` is called with sentences that follow the file's name; the settings are those of `Stream`.

    Raises:
        AudioError: the file cannot be read.
    """
    stream: Stream | None = None
    windows: list[WindowPrediction] = []
    for wave, rate in read_blocks(path, warn=warn):
        stream = stream or Stream(predictor, rate, **settings)
        windows += stream.feed(wave)
    return windows + stream.close() if stream is not None else windows


def window_rows(name: str, windows: Sequence[WindowPrediction], labels: Sequence[str]) -> list[Row]:
    """Return one row per window: path, start_s, end_s, predicted, note, p_<label>…"""
    return [
        prediction_row({"path": name, "start_s": w.start_s, "end_s": w.end_s}, w.prediction, labels)
        for w in windows
    ]


def check_timeline_output(output: Path | None) -> Path:
    """Return the output file; raise a ConfigError if it is None, since a timeline needs one."""
    if output is None:
        raise ConfigError("timeline=true writes a table and a plot. Set output=FILE.csv.")
    return output


def _plot_path(source: InputFile, output: Path, names: set[str], *, single: bool) -> Path:
    """Return a path whose file name is not in `names`, and add the name."""
    own = "" if single else f".{folder_name(Path(source.name).stem)}"
    name = f"{output.stem}{own}.timeline.png"
    for number in range(2, len(names) + 2):
        if name not in names:
            break
        name = f"{output.stem}{own}.{number}.timeline.png"
    names.add(name)
    return output.with_name(name)
