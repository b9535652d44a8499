"""The command `serve`: serves the page and the JSON service."""

from emotion.cli.commands import OK
from emotion.config.composition import Composition
from emotion.config.schema import ServeSettings
from emotion.serving.server import serve


def run(composition: Composition[ServeSettings]) -> int:
    """Serve until a signal; return the exit code."""
    serve(composition.settings)
    return OK
