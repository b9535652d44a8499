"""Time of `emotion prepare`, compared with a bare loop and two common baselines."""

from functools import partial

from benchmarks.common import (
    CORES,
    ClipList,
    Criterion,
    differences,
    draw_clips,
    measure_cases,
    parse_options,
    ratios,
    run_command,
    run_python,
    scratch_folder,
    time_file_loop,
    write_path_list,
    write_timing_page,
)

BASELINE_CLIPS = 144
"""Clips of the fair baseline at most: its time is reported per clip."""


def time_prepare(clips: ClipList, jobs: int) -> float:
    """Return the seconds of the whole command, starting from empty caches."""
    with scratch_folder() as folder:
        folders = (f"cache_dir={folder}", f"output_root={folder}")
        return run_command("prepare", *clips.overrides, *folders, jobs=jobs)


def time_baseline(variant: str, clips: ClipList) -> float:
    """Return the seconds per clip of `benchmarks.baseline prepare` or `course`."""
    with scratch_folder() as folder:
        paths = write_path_list(clips.paths, folder)
        return float(run_python("-m", "benchmarks.baseline", variant, paths, folder)[1])


def main() -> None:
    """Time all cases and write the page."""
    options = parse_options(clips=1440)
    clips, one_clip = draw_clips(options), draw_clips(options, 1)
    few = draw_clips(options, min(options.clips, BASELINE_CLIPS))
    seconds = measure_cases(
        {
            "command, all cores": partial(time_prepare, clips, CORES),
            "command, one process": partial(time_prepare, clips, 1),
            "command, one clip (start-up)": partial(time_prepare, one_clip, CORES),
            "bare loop, all cores": partial(time_file_loop, "prepare", clips, CORES),
            "bare loop, one process": partial(time_file_loop, "prepare", clips, 1),
        },
        options.repeats,
    )
    all_cores, one_process, start, bare_all_cores, bare_one_process = seconds.values()
    fast, slow = differences(all_cores, start), differences(one_process, start)
    per_clip = {
        "this program": min(fast) / clips.count,
        "the bare loop": min(bare_all_cores) / clips.count,
        "fair baseline, two workers": time_baseline("prepare", few),
        "course project, a resampling filter per clip": time_baseline(
            "course", draw_clips(options, 4)
        ),
    }
    program, _, fair, course = per_clip.values()
    write_timing_page(
        "prepare",
        "Time of `emotion prepare`",
        setup=f"{options.clip_source} to 24,414 Hz, 2,618 ms, int16, the whole command, "
        f"{CORES} processes",
        times=seconds,
        unit="seconds",
        criteria=[
            Criterion("command without start-up / bare loop", ratios(fast, bare_all_cores), 1.3),
            Criterion(
                "speed-up by all cores / speed-up of the bare loop",
                ratios(ratios(slow, fast), ratios(bare_one_process, bare_all_cores)),
                0.9,
                at_least=True,
            ),
        ],
        notes=[
            "Milliseconds per clip: "
            + "; ".join(f"{name} {1000 * value:,.3g}" for name, value in per_clip.items())
            + f". The fair baseline takes {fair / program:,.0f} times as long as this program, the "
            f"course project {course / program:,.0f} times (timed on {few.count} and on 4 clips; "
            "the filters of the fair baseline were built before its time was taken).",
        ],
    )


if __name__ == "__main__":
    main()
