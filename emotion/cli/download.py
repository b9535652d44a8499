"""The command `download`: fetches a corpus."""

from pathlib import Path

from emotion.cli.commands import OK
from emotion.cli.list import choices_of
from emotion.cli.overrides import UsageError
from emotion.config.composition import Config
from emotion.data.download.install import download
from emotion.errors import near
from emotion.utils.progress import bars


def run(config: Config) -> int:
    """Fetch a corpus; return the exit code."""
    if config.get("source") is None:
        word = config.choices.get("source", "")
        said = f"there is no source {word!r}." if word else "emotion download what?"
        raise UsageError(f"{said}{near(word, choices_of('source'))}")
    source, root = config.build("source"), Path(config["data_root"]).expanduser()
    archive = config["archive"] and Path(config["archive"]).expanduser()
    print(source.about(), flush=True)
    if source.fetch is None and archive is None:
        print(source.by_hand(), flush=True)
    print(download(source, root, archive=archive, bars=bars))
    return OK
