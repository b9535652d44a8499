"""Long recordings: opinions over time, read block by block, as a table and a picture."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion.audio.decode import read_blocks
from emotion.errors import AudioError, ConfigError
from emotion.inference.inputs import InputFile
from emotion.inference.output import Row, as_csv, make_row
from emotion.inference.timeline_plot import draw
from emotion.runtime.predictor import Predictor
from emotion.runtime.stream import Stream, WindowPrediction
from emotion.utils.files import folder_name, write_text
from emotion.utils.printable import printable

log = logging.getLogger(__name__)


def write_timelines(
    sources: Sequence[InputFile], predictor: Predictor, output: Path, **settings: Any
) -> int:
    """Write `<output stem>.timeline.csv` and a picture of each recording; return how many failed.

    Args:
        sources: the recordings; one that cannot be read is left out.
        predictor: who judges.
        output: the file of the other rows.
        settings: of `Stream`: window_s, hop_s, smoothing.
    """
    rows: list[Row] = []
    unread = 0
    names: set[str] = set()
    for source in sources:
        try:
            moments = predict_windows(source.path, predictor, **settings)
        except AudioError as err:
            log.warning("%s %s: it has no timeline", printable(source.name), err)
            unread += 1
            continue
        rows += window_rows(source.name, moments, predictor.labels)
        picture = _picture_name(source, output, names, alone=len(sources) == 1)
        draw(moments, predictor.labels, picture, title=Path(source.name).name)
    if rows:
        table = output.with_name(f"{output.stem}.timeline.csv")
        write_text(table, as_csv(rows))
        log.info("%s windows in %s", f"{len(rows):,}", table)
    return unread


def predict_windows(path: Path, predictor: Predictor, **settings: Any) -> list[WindowPrediction]:
    """Return the opinions of a file's overlapping windows, in order.

    Raises:
        AudioError: the file cannot be read.
    """
    stream: Stream | None = None
    moments: list[WindowPrediction] = []
    for wave, rate in read_blocks(path):
        if stream is None:
            stream = Stream(predictor, rate, **settings)
        moments += stream.feed(wave)
    return moments + stream.close() if stream is not None else moments


def window_rows(name: str, moments: Sequence[WindowPrediction], labels: Sequence[str]) -> list[Row]:
    """Return a row a window: path, start_s, end_s, predicted, note, p_<label>…"""
    return [
        make_row(
            {"path": name, "start_s": moment.start_s, "end_s": moment.end_s},
            moment.opinion,
            labels,
        )
        for moment in moments
    ]


def _picture_name(source: InputFile, output: Path, names: set[str], *, alone: bool) -> Path:
    """Return a file name that no other recording's picture has."""
    own = "" if alone else f".{folder_name(Path(source.name).stem)}"
    name = f"{output.stem}{own}.timeline.png"
    for number in range(2, len(names) + 2):
        if name not in names:
            break
        name = f"{output.stem}{own}.{number}.timeline.png"
    names.add(name)
    return output.with_name(name)


def check_timeline(output: Path | None) -> Path:
    """Return the output, beside which a timeline is written.

    Raises:
        ConfigError: there is none.
    """
    if output is None:
        raise ConfigError("timeline=true writes a table and a picture: give output=FILE.csv.")
    return output
