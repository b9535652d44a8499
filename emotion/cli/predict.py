"""The command `predict`: files, folders, a microphone -> one row a readable file."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.inference.file_batches import PARTLY, AudioPart, FileBatches
from emotion.inference.inputs import InputFile, is_microphone, opened_inputs
from emotion.inference.output import Row, check_output, make_row, show
from emotion.inference.segments import match_segments, read_segments
from emotion.inference.timeline import check_timeline, write_timelines
from emotion.runtime.stream import Stream

if TYPE_CHECKING:
    from emotion.config.composition import Config

log = logging.getLogger(__name__)

EXAMPLES = 5
"""Of so many unfamiliar clips it is said what is unfamiliar."""


def run(config: "Config") -> int:
    """Label the inputs, print or write the rows; return 3 where some could not be read.

    Raises:
        ConfigError: no input, or settings that do not fit one another.
        RunError: no such run.
    """
    from emotion.inference.load_models import open_predictor

    output = check_output(config["output"])
    over_time = {name: config[name] for name in ("window_s", "hop_s", "smoothing")}
    if is_microphone(config["inputs"]):
        from emotion.inference.microphone import listen

        return listen(open_predictor(config), output, **over_time)
    if config["timeline"]:
        check_timeline(output)
    with opened_inputs(config["inputs"]) as sources:
        parts = list_parts(sources, config["segments"])
        predictor = open_predictor(config)
        if config["timeline"]:
            Stream(predictor, 1, **over_time)  # refuses settings before anything is heard
        batches = FileBatches(
            parts,
            predictor.prepare,
            batch_size=config["batch_size"],
            window=predictor.window,
        )
        rows: list[Row] = []
        unlike: list[str] = []
        for batch in batches.batches():
            opinions = predictor.judge([heard for _, heard in batch])
            for (part, _), opinion in zip(batch, opinions, strict=True):
                rows.append(make_row(part.place, opinion, predictor.labels))
                if opinion.unlike:
                    unlike.append(f"{part.source.name}: {'; '.join(opinion.unlike)}")
        code = batches.check(rows)
        tell_unlike(unlike, count=len(rows))
        show(rows, output)
        if config["timeline"] and write_timelines(
            sources, predictor, check_timeline(output), **over_time
        ):
            code = PARTLY
    return code


def list_parts(sources: list[InputFile], segments: str | None) -> list[AudioPart]:
    """Return what is heard: all files, or the segments that a file names."""
    if not segments:
        return [AudioPart(source) for source in sources]
    matched = match_segments(read_segments(Path(segments).expanduser()), sources)
    return [AudioPart(source, segment) for source, segment in matched]


def tell_unlike(unlike: Sequence[str], *, count: int) -> None:
    """Say how many of `count` clips are unlike the training clips, and of the first in which way.

    Args:
        unlike: a line for each.
        count: of all clips.
    """
    if not unlike:
        return
    log.warning("%d of %d clips are unlike what the model was trained on", len(unlike), count)
    for line in unlike[:EXAMPLES]:
        log.info("  %s", line)
    if len(unlike) > EXAMPLES:
        log.info("  … and %d more", len(unlike) - EXAMPLES)
