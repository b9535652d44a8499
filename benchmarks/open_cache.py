"""How long does it take to open a finished cache, and does it notice what changed?"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import soundfile as sf

from benchmarks.common import (
    RATE,
    Target,
    clips,
    in_turn,
    options,
    page,
    scratch_folder,
    seconds_of,
    short_clips,
)
from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import folder_dataset, table_dataset
from emotion.data.corpora.index import open_clips
from emotion.data.waveform_cache import Cache

STANDARDISER = Standardiser(RATE, 2618)
LIMIT_SECONDS = 0.3


class Opened(sf.SoundFile):  # type: ignore[misc]
    """An audio file that leaves its name when it is opened."""

    files: ClassVar[list[object]] = []

    def __init__(self, file: object) -> None:
        Opened.files.append(file)
        super().__init__(file)


def noticed(paths: list[Path], folder: Path) -> list[str]:
    """Return what of a change, an addition and a removal leads to another cache."""
    root = folder / "noticed"
    (root / "happy").mkdir(parents=True)
    for place, path in enumerate(paths):
        shutil.copyfile(path, root / "happy" / f"{place}.wav")

    def cache() -> Cache:
        dataset = folder_dataset(root=str(root), speaker=None, labels=None)
        return open_clips(dataset, STANDARDISER, cache_dir=folder / "small")[1]

    found = []
    before = cache()
    first = root / "happy" / "0.wav"
    changes: dict[str, Callable[[], object]] = {
        "a changed file": lambda: os.utime(first, (1, 1)),
        "an added file": lambda: shutil.copyfile(first, root / "happy" / "new.wav"),
        "a removed file": first.unlink,
    }
    for name, change in changes.items():
        change()
        after = cache()
        if after.key != before.key:
            found.append(name)
        before = after
    return found


def main() -> None:
    """Time it, and write the page."""
    chosen = options(clips=11318, repeats=7)
    some = clips(chosen) if chosen.data_root else short_clips(chosen.clips)
    dataset = table_dataset(path=str(some.table), root=str(some.root), labels=None)
    with scratch_folder() as folder:
        open_clips(dataset, STANDARDISER, cache_dir=folder)
        sf.SoundFile = Opened
        seconds = in_turn(
            {
                "opening": lambda: seconds_of(
                    lambda: open_clips(dataset, STANDARDISER, cache_dir=folder)
                )
            },
            chosen.repeats,
        )
        opened = len(Opened.files)
        found = noticed(some.paths[:5], folder)
    page(
        "open_cache",
        "How long does it take to open a finished cache?",
        what=f"{chosen.voices}: the table read, every file asked for its size and time of change",
        times=seconds,
        unit="seconds",
        targets=[
            Target("seconds", seconds["opening"], LIMIT_SECONDS),
            Target("audio files opened", [opened], 0),
            Target("kinds of change noticed, of 3", [len(found)], 3, at_least=True),
        ],
        notes=[f"Noticed: {', '.join(found)}."],
    )


if __name__ == "__main__":
    main()
