"""How long does `emotion prepare` take, beside a bare loop and the usual ways?"""

from benchmarks.common import (
    CORES,
    Clips,
    Target,
    clips,
    command,
    floor,
    in_turn,
    less,
    options,
    page,
    python,
    ratios,
    scratch_folder,
)

BASELINE_CLIPS = 144
"""So many the fair baseline takes at most: it is timed by the clip."""


def prepared(some: Clips, jobs: int) -> float:
    """Return the seconds of the whole command, nothing cached."""
    with scratch_folder() as folder:
        return command(
            "prepare",
            *some.words,
            f"cache_dir={folder}",
            f"output_root={folder}",
            jobs=jobs,
        )


def looped(some: Clips, jobs: int) -> float:
    """Return the seconds of the bare loop."""
    with scratch_folder() as folder:
        files = folder / "list.txt"
        files.write_text("\n".join(map(str, some.paths)), encoding="utf-8")
        return floor("prepare", files, folder, jobs)[0]


def baseline(way: str, some: Clips) -> float:
    """Return the seconds that a usual way takes of a clip."""
    with scratch_folder() as folder:
        files = folder / "list.txt"
        files.write_text("\n".join(map(str, some.paths)), encoding="utf-8")
        return float(python("-m", "benchmarks.baseline", way, files, folder)[1])


def main() -> None:
    """Time all, and write the page."""
    chosen = options(clips=1440)
    every, one = clips(chosen), clips(chosen, 1)
    few = clips(chosen, min(chosen.clips, BASELINE_CLIPS))
    seconds = in_turn(
        {
            "command, all cores": lambda: prepared(every, CORES),
            "command, one process": lambda: prepared(every, 1),
            "command, one clip (start-up)": lambda: prepared(one, CORES),
            "bare loop, all cores": lambda: looped(every, CORES),
            "bare loop, one process": lambda: looped(every, 1),
        },
        chosen.repeats,
    )
    usual = {
        "fair baseline, two workers": [baseline("prepare", few)],
        "a filter per clip (the course project's)": [baseline("course", clips(chosen, 4))],
    }
    start = seconds["command, one clip (start-up)"]
    fast = less(seconds["command, all cores"], start)
    slow = less(seconds["command, one process"], start)
    bare_fast, bare_slow = seconds["bare loop, all cores"], seconds["bare loop, one process"]
    a_clip = {
        name: [1000 * value for value in values]
        for name, values in {
            "this program": [value / every.count for value in fast],
            "the bare loop": [value / every.count for value in bare_fast],
            **usual,
        }.items()
    }
    gains = [a_clip[name][0] / min(a_clip["this program"]) for name in usual]
    page(
        "prepare",
        "How long does `emotion prepare` take?",
        what=f"{chosen.voices} to {RATE_WORDS}, the whole command, {CORES} processes",
        times=seconds,
        unit="seconds",
        targets=[
            Target("command beyond its start-up / bare loop", ratios(fast, bare_fast), 1.3),
            Target(
                "gain by all cores / the bare loop's gain",
                ratios(ratios(slow, fast), ratios(bare_slow, bare_fast)),
                0.9,
                at_least=True,
            ),
        ],
        notes=[
            "Milliseconds a clip: "
            + "; ".join(f"{name} {min(values):,.3g}" for name, values in a_clip.items())
            + f". The fair baseline takes {gains[0]:,.0f} times as long as this program, the "
            f"course project's way {gains[1]:,.0f} times (timed on {few.count} and on 4 clips; "
            "the fair one's filters were made before its clock started).",
        ],
    )


RATE_WORDS = "24,414 Hz, 2,618 ms, int16"

if __name__ == "__main__":
    main()
