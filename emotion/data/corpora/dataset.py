"""A dataset: readers over one root, and the classes that count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emotion.data.corpora.readers import PatternReader, Reader, TableReader
from emotion.data.labels import check_labels
from emotion.errors import ConfigError, near


@dataclass(frozen=True)
class Dataset:
    """What a run is fed.

    Args:
        root: the folder that every path is relative to.
        readers: by corpus, the ones in use.
        labels: the classes; a label's place is its id. None: all that are found.
        generate: makes the clips under `root` where they are missing (the synthetic corpus).
        licences: by corpus, under what terms its clips may be used.
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
    labels: Sequence[str] | None,
    corpora: Sequence[str] | None = None,
    generate: Callable[[Path], None] | None = None,
    licences: Mapping[str, str] | None = None,
) -> Dataset:
    """Return a dataset of one or more corpora, each with a reader of its own.

    Raises:
        ConfigError: a corpus that has no reader, or none at all.
    """
    chosen = tuple(readers) if corpora is None else tuple(corpora)
    for name in chosen:
        if name not in readers:
            raise ConfigError(f"dataset.corpora has no {name!r}.{near(name, readers)}")
    if not chosen:
        raise ConfigError(f"dataset.corpora is empty.{near('', readers)}")
    return Dataset(
        root=Path(root).expanduser(),
        readers={name: readers[name] for name in chosen},
        labels=None if labels is None else check_labels(labels),
        generate=generate,
        licences={
            name: terms
            for name, terms in (licences or {}).items()
            if name in chosen or name not in readers
        },
    )


def folder_dataset(
    *, root: str | None, speaker: str | None, labels: Sequence[str] | None
) -> Dataset:
    """Return a dataset of a folder that holds a folder a class.

    Args:
        root: the folder.
        speaker: an expression whose match in a clip's path below the class is its speaker, or
            whose group (?P<speaker>…) is; None where all clips are of one speaker.
        labels: the classes, in any case, as the folders' names; None for all that hold audio.

    Raises:
        ConfigError: no root.
    """
    if not root:
        raise ConfigError("dataset.root is not set. Say where the recordings lie: dataset.root=…")
    pattern = "^(?P<emotion>[^/]+)/"
    if speaker:
        named = speaker if "(?P<speaker>" in speaker else f"(?P<speaker>{speaker})"
        pattern += f"(?:(?=.*?{named}))?"
    reader: Reader = PatternReader(corpus="folder", pattern=pattern, glob="audio")
    labels = None if labels is None else [str(label).lower() for label in labels]
    return corpora_dataset(root=root, readers={"folder": reader}, labels=labels)


def table_dataset(*, path: str | None, root: str | None, labels: Sequence[str] | None) -> Dataset:
    """Return a dataset of a user's CSV: path, emotion and, best, speaker.

    Raises:
        ConfigError: no path.
    """
    if not path:
        raise ConfigError("dataset.path is not set. Say which table to read: dataset.path=FILE.csv")
    table = Path(path).expanduser()
    reader: Reader = TableReader(path=str(table))
    return corpora_dataset(root=root or str(table.parent), readers={"csv": reader}, labels=labels)
