"""Do `emotion prepare` and the index take time in proportion to the clips?"""

from functools import partial

from benchmarks.common import (
    Target,
    command,
    in_turn,
    less,
    options,
    page,
    ratios,
    scratch_folder,
    seconds_of,
    short_clips,
)
from emotion.data.corpora.dataset import table_dataset
from emotion.data.corpora.index import build_index

FEW = 1000
LIMIT = 1.2


def prepared(count: int) -> float:
    """Return the seconds of the command, nothing cached."""
    with scratch_folder() as folder:
        words = [*short_clips(count).words, "preprocessing=speech_16k"]
        return command("prepare", *words, f"cache_dir={folder}", f"output_root={folder}")


def indexed(count: int) -> float:
    """Return the seconds of a first index: the table read, every header read and kept."""
    some = short_clips(count)
    dataset = table_dataset(path=str(some.table), root=str(some.root), labels=None)
    with scratch_folder() as folder:
        return seconds_of(lambda: build_index(dataset, folder))


def main() -> None:
    """Time all, and write the page."""
    chosen = options(clips=10_000, repeats=3)
    for count in (1, FEW, chosen.clips):
        short_clips(count)
    seconds = in_turn(
        {
            "prepare, 1 clip (start-up)": partial(prepared, 1),
            **{
                f"{name}, {count:,} clips": partial(act, count)
                for name, act in (("prepare", prepared), ("index", indexed))
                for count in (FEW, chosen.clips)
            },
        },
        chosen.repeats,
    )
    start, few, many, index_few, index_many = seconds.values()
    more = chosen.clips / FEW
    page(
        "growth",
        "Does the time grow in proportion to the clips?",
        what="clips of 20 ms, preprocessing=speech_16k",
        times=seconds,
        unit="seconds",
        targets=[
            Target(
                "prepare beyond its start-up, a clip of many / a clip of few",
                [value / more for value in ratios(less(many, start), less(few, start))],
                LIMIT,
            ),
            Target(
                "index, a clip of many / a clip of few",
                [value / more for value in ratios(index_many, index_few)],
                LIMIT,
            ),
        ],
    )


if __name__ == "__main__":
    main()
