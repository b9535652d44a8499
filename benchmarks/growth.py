"""Time of `emotion prepare` and of the index by number of clips."""

from functools import partial

from benchmarks.common import (
    Criterion,
    differences,
    measure_cases,
    parse_options,
    ratios,
    run_command,
    scratch_folder,
    short_clips,
    time_call,
    write_timing_page,
)
from emotion.data.corpora.dataset import table_dataset
from emotion.data.corpora.index import build_index

FEW = 1000
LIMIT = 1.2


def time_prepare(count: int) -> float:
    """Return the seconds of the command, starting from empty caches."""
    with scratch_folder() as folder:
        overrides = [*short_clips(count).overrides, "preprocessing=speech_16k"]
        return run_command("prepare", *overrides, f"cache_dir={folder}", f"output_root={folder}")


def time_index(count: int) -> float:
    """Return the seconds of a new index, which reads the table and the header of every file."""
    clips = short_clips(count)
    dataset = table_dataset(path=str(clips.table), root=str(clips.root), labels=None)
    with scratch_folder() as folder:
        return time_call(lambda: build_index(dataset, folder))


def main() -> None:
    """Time all cases and write the page."""
    options = parse_options(clips=10_000, repeats=3)
    for count in (1, FEW, options.clips):
        short_clips(count)
    seconds = measure_cases(
        {
            "prepare, 1 clip (start-up)": partial(time_prepare, 1),
            **{
                f"{name}, {count:,} clips": partial(call, count)
                for name, call in (("prepare", time_prepare), ("index", time_index))
                for count in (FEW, options.clips)
            },
        },
        options.repeats,
    )
    start, few, many, index_few, index_many = seconds.values()
    factor = options.clips / FEW
    growth = ratios(differences(many, start), differences(few, start))
    write_timing_page(
        "growth",
        "Preparation time by number of clips",
        setup="Clips of 20 ms, preprocessing=speech_16k",
        times=seconds,
        unit="seconds",
        criteria=[
            Criterion(
                "prepare without start-up: time per clip, many clips / few clips",
                [value / factor for value in growth],
                LIMIT,
            ),
            Criterion(
                "index: time per clip, many clips / few clips",
                [value / factor for value in ratios(index_many, index_few)],
                LIMIT,
            ),
        ],
    )


if __name__ == "__main__":
    main()
