"""The command `embed`: files and folders -> the penultimate layer as a table."""

from typing import TYPE_CHECKING

from emotion.errors import ConfigError
from emotion.inference.file_batches import AudioPart, FileBatches
from emotion.inference.inputs import opened_inputs
from emotion.inference.output import Row, check_output, show

if TYPE_CHECKING:
    from emotion.config.composition import Config


def run(config: "Config") -> int:
    """Write what the last layer classifies, path, e_0…; return 3 where some could not be read.

    Several runs' embeddings stand side by side.

    Raises:
        ConfigError: no input, or no output.
        RunError: no such run.
    """
    from emotion.inference.load_models import open_named

    output = check_output(config["output"])
    if output is None:
        raise ConfigError("output= is not set. Give the table's name: output=FILE.csv or .jsonl.")
    with opened_inputs(config["inputs"]) as sources:
        recogniser = open_named(config)
        batches = FileBatches(
            [AudioPart(source) for source in sources],
            recogniser.standardise,
            batch_size=config["batch_size"],
            window=recogniser.window,
        )
        rows: list[Row] = []
        for batch in batches.batches():
            embeddings = recogniser.answer([clip for _, clip in batch]).embedding.tolist()
            for (part, _), values in zip(batch, embeddings, strict=True):
                named = {f"e_{place}": value for place, value in enumerate(values)}
                rows.append({**part.place, **named})
        code = batches.check(rows)
        show(rows, output)
    return code
