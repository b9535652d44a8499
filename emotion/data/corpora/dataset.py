"""Dataset of one or more corpora: root folder, readers and labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotion.data.corpora.readers import PatternReader, Reader, TableReader
from emotion.data.labels import check_labels
from emotion.errors import ConfigError, suggest
from emotion.utils.names import text_of


@dataclass(frozen=True)
class Dataset:
    """Corpora and classes of a run.

    Args:
        root: folder that all paths are relative to.
        readers: reader of each corpus in use.
        labels: classes in the order of their ids; None: all that are found.
        generate: writes the clips into a given folder, for a `root` that does not exist yet (the
            synthetic corpus).
        licences: licence of each corpus.
    """

    root: Path
    readers: Mapping[str, Reader]
    labels: tuple[str, ...] | None
    generate: Callable[[Path], None] | None = None
    licences: Mapping[str, str] = field(default_factory=dict)


def corpora_dataset(
    *,
    root: str,
    readers: Mapping[str, Reader],
    labels: Sequence[Any] | None,
    corpora: Sequence[str] | None = None,
    generate: Callable[[Path], None] | None = None,
    licences: Mapping[str, str] | None = None,
) -> Dataset:
    """Return a dataset of one or more corpora; ConfigError if one of them has no reader."""
    chosen = tuple(readers if corpora is None else corpora)
    for name in chosen:
        if name not in readers:
            raise ConfigError(f"dataset.corpora has no {name!r}.{suggest(name, readers)}")
    if not chosen:
        raise ConfigError(f"dataset.corpora is empty.{suggest('', readers)}")
    unused = set(readers).difference(chosen)
    return Dataset(
        root=Path(root).expanduser(),
        readers={name: readers[name] for name in chosen},
        labels=None if labels is None else check_labels(labels),
        generate=generate,
        licences={name: terms for name, terms in (licences or {}).items() if name not in unused},
    )


def folder_dataset(
    *, root: str | None, speaker: str | None, labels: Sequence[Any] | None
) -> Dataset:
    """Return a dataset of a folder with one subfolder per class.

    Args:
        root: the folder; without it, ConfigError is raised.
        speaker: regular expression; its match in a clip's path below the class folder, or its group
            (?P<speaker>…), is the speaker. None: all clips have the same speaker.
        labels: names of the class folders, in any case; None for all that contain audio.
    """
    if not root:
        raise ConfigError(
            "dataset.root is not set. Give the folder of the recordings: dataset.root=FOLDER"
        )
    pattern = "^(?P<emotion>[^/]+)/"
    if speaker:
        named = speaker if "(?P<speaker>" in speaker else f"(?P<speaker>{speaker})"
        pattern += f"(?:(?=.*?{named}))?"
    reader: Reader = PatternReader(corpus="folder", pattern=pattern, glob="audio")
    if labels is not None:
        labels = [text_of(label, "dataset.labels").lower() for label in labels]
    return corpora_dataset(root=root, readers={"folder": reader}, labels=labels)


def table_dataset(
    *,
    path: str | None,
    root: str | None,
    labels: Sequence[Any] | None,
    emotions: Mapping[str, str] | None = None,
) -> Dataset:
    """Return a dataset of a CSV table with the columns path, emotion and, preferably, speaker.

    `emotions` has the class of each code in the column emotion; None: the codes are the classes.

    Raises:
        ConfigError: no path.
    """
    if not path:
        raise ConfigError("dataset.path is not set. Give a table: dataset.path=FILE.csv")
    table = Path(path).expanduser()
    reader: Reader = TableReader(path=str(table), emotions=emotions)
    return corpora_dataset(root=root or str(table.parent), readers={"csv": reader}, labels=labels)
