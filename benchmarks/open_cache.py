"""Time to open a complete cache, and detection of changed, added and removed files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import soundfile as sf

from benchmarks.common import (
    RATE,
    Criterion,
    draw_clips,
    measure_cases,
    parse_options,
    scratch_folder,
    short_clips,
    time_call,
    write_timing_page,
)
from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import folder_dataset, table_dataset
from emotion.data.corpora.index import open_clips

STANDARDISER = Standardiser(RATE, 2618)
LIMIT_SECONDS = 0.3


class CountedSoundFile(sf.SoundFile):  # type: ignore[misc]
    """An audio file that is recorded when it is opened."""

    opened: ClassVar[list[object]] = []

    def __init__(self, file: object) -> None:
        CountedSoundFile.opened.append(file)
        super().__init__(file)


def detected_changes(paths: list[Path], folder: Path) -> list[str]:
    """Return which kinds of change lead to another cache."""
    root = folder / "changes"
    (root / "happy").mkdir(parents=True)
    for index, path in enumerate(paths):
        shutil.copyfile(path, root / "happy" / f"{index}.wav")

    def cache_key() -> str:
        dataset = folder_dataset(root=str(root), speaker=None, labels=None)
        return open_clips(dataset, STANDARDISER, cache_dir=folder / "small")[1].key

    first = root / "happy" / "0.wav"
    changes: dict[str, Callable[[], object]] = {
        "a changed file": lambda: os.utime(first, (1, 1)),
        "an added file": lambda: shutil.copyfile(first, root / "happy" / "new.wav"),
        "a removed file": first.unlink,
    }
    detected = []
    before = cache_key()
    for name, change in changes.items():
        change()
        after = cache_key()
        if after != before:
            detected.append(name)
        before = after
    return detected


def main() -> None:
    """Time the opening and write the page."""
    options = parse_options(clips=11318, repeats=7)
    clips = draw_clips(options) if options.data_root else short_clips(options.clips)
    dataset = table_dataset(path=str(clips.table), root=str(clips.root), labels=None)
    with scratch_folder() as folder:

        def open_all() -> None:
            open_clips(dataset, STANDARDISER, cache_dir=folder)

        open_all()
        sf.SoundFile = CountedSoundFile
        seconds = measure_cases({"opening": lambda: time_call(open_all)}, options.repeats)
        opened = len(CountedSoundFile.opened)
        detected = detected_changes(clips.paths[:5], folder)
    write_timing_page(
        "open_cache",
        "Time to open a complete cache",
        setup=f"{options.clip_source}; reads the table and checks size and modification time of "
        "every file",
        times=seconds,
        unit="seconds",
        criteria=[
            Criterion("seconds", seconds["opening"], LIMIT_SECONDS),
            Criterion("audio files opened", [opened], 0),
            Criterion("kinds of change detected, of 3", [len(detected)], 3, at_least=True),
        ],
        notes=[f"Detected: {', '.join(detected)}."],
    )


if __name__ == "__main__":
    main()
