"""The command `export`: writes a run as an ONNX folder."""

from emotion.cli.commands import OK
from emotion.config.composition import Config
from emotion.export.export import export


def run(config: Config) -> int:
    """Write a run as a folder that runs by itself; return the exit code."""
    print(export(config))
    return OK
