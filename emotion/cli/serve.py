"""The command `serve`: opens the page and the JSON service."""

from emotion.config.composition import Config
from emotion.serving.server import serve


def run(config: Config) -> int:
    """Serve until a signal; return the exit code."""
    return serve(config)
