"""The command `predict`: one row per readable file, or predictions of the microphone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.audio.decode import MIN_RATE
from emotion.cli.commands import OK, SOME_UNREADABLE
from emotion.inference.file_batches import AudioPart
from emotion.inference.inputs import InputFile, is_microphone, open_inputs
from emotion.inference.output import check_output, write_or_print_rows
from emotion.inference.predict_files import predict_parts
from emotion.inference.segments import match_segments, read_segments
from emotion.inference.timeline import check_timeline_output, write_timelines
from emotion.runtime.stream import Stream

if TYPE_CHECKING:
    from emotion.config.composition import Composition
    from emotion.config.schema import PredictSettings


def run(composition: "Composition[PredictSettings]") -> int:
    """Predict the inputs, print or write the rows; return 3 where some could not be read.

    Raises:
        ConfigError: no input, or settings that do not fit one another.
        RunError: no such run.
    """
    from emotion.inference.load_models import open_predictor

    settings = composition.settings
    output = check_output(settings.output)
    window: dict[str, Any] = {
        "window_s": settings.window_s,
        "hop_s": settings.hop_s,
        "smoothing": settings.smoothing,
    }
    if is_microphone(settings.inputs):
        from emotion.inference.microphone import predict_microphone

        predict_microphone(open_predictor(settings), output, **window)
        return OK
    if settings.timeline:
        check_timeline_output(output)
    with open_inputs(settings.inputs) as sources:
        parts = list_parts(sources, settings.segments)
        predictor = open_predictor(settings)
        if settings.timeline:
            Stream(predictor, MIN_RATE, **window)  # checks the window before any file is read
        rows, unreadable = predict_parts(parts, predictor, batch_size=settings.batch_size)
        write_or_print_rows(rows, output)
        if settings.timeline:
            timeline_output = check_timeline_output(output)
            unreadable += write_timelines(sources, predictor, timeline_output, **window)
    return SOME_UNREADABLE if unreadable else OK


def list_parts(sources: list[InputFile], segments: str | None) -> list[AudioPart]:
    """Return the audio to predict: all files, or the segments that a file names."""
    if not segments:
        return [AudioPart(source) for source in sources]
    matched = match_segments(read_segments(Path(segments).expanduser()), sources)
    return [AudioPart(source, segment) for source, segment in matched]
