"""The command `embed`: embeddings of files and folders (the penultimate layer) as a table."""

from typing import TYPE_CHECKING

from emotion.cli.commands import OK, SOME_UNREADABLE
from emotion.errors import ConfigError
from emotion.inference.file_batches import AudioPart, FileBatches
from emotion.inference.inputs import open_inputs
from emotion.inference.output import check_output, write_or_print_rows
from emotion.runtime.rows import Row

if TYPE_CHECKING:
    from emotion.config.composition import Composition
    from emotion.config.schema import EmbedSettings


def run(composition: "Composition[EmbedSettings]") -> int:
    """Write the columns path, e_0…; return 3 where some files could not be read.

    Embeddings of several runs are concatenated.

    Raises:
        ConfigError: no input, or no output.
        RunError: no such run.
    """
    from emotion.inference.load_models import open_models

    settings = composition.settings
    output = check_output(settings.output)
    if output is None:
        raise ConfigError("output= is not set. Give the table's name: output=FILE.csv or .jsonl.")
    with open_inputs(settings.inputs) as sources:
        model = open_models(settings)
        parts = [AudioPart(source) for source in sources]
        batches = FileBatches(
            parts, model.standardise, batch_size=settings.batch_size, window_s=model.window_s
        )
        rows: list[Row] = []
        for batch in batches.batches():
            embeddings = model.infer([clip for _, clip in batch]).embedding.tolist()
            for (part, _), values in zip(batch, embeddings, strict=True):
                named = {f"e_{index}": value for index, value in enumerate(values)}
                rows.append({**part.columns, **named})
        write_or_print_rows(rows, output)
    return SOME_UNREADABLE if batches.unreadable else OK
