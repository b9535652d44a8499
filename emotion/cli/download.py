"""The command `download`: fetches a corpus."""

from pathlib import Path

from emotion.cli.commands import OK
from emotion.cli.list import choices_of
from emotion.cli.overrides import UsageError
from emotion.config.build import build
from emotion.config.composition import Composition
from emotion.config.schema import DownloadSettings
from emotion.data.download.install import download
from emotion.errors import suggest
from emotion.utils.progress import progress_bar


def run(composition: Composition[DownloadSettings]) -> int:
    """Fetch a corpus; return the exit code."""
    settings = composition.settings
    if settings.source is None:
        name = composition.choices.get("source", "")
        problem = f"there is no corpus {name!r}." if name else "Name a corpus: download ravdess."
        raise UsageError(f"{problem}{suggest(name, choices_of('source'))}")
    source = build(settings.source, "source")
    archive = Path(settings.archive).expanduser() if settings.archive else None
    print(source.about(), flush=True)
    if source.fetch is None and archive is None:
        print(source.by_hand(), flush=True)
    root = Path(settings.data_root).expanduser()
    print(download(source, root, archive=archive, bars=progress_bar))
    return OK
