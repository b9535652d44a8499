"""From a run, or an exported folder, to its users."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.inference.interface import Recogniser


def load(folder: Path | str) -> "Recogniser":
    """Return what hears emotions as the model in a folder does.

    An export folder needs no PyTorch, and none is imported; a run folder does.

    Raises:
        RunError: the folder is neither, or damaged.
    """
    from emotion.inference.runtime import OnnxRecogniser, find_export

    export = find_export(folder)
    if export is not None:
        return OnnxRecogniser(export[0], network=export[1])
    from emotion.inference.recognisers import open_recogniser

    return open_recogniser([str(folder)], Path("outputs"))
