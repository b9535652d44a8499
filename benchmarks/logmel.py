"""Time from audio files to cached log-mel spectrograms, compared with a bare loop."""

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
    scratch_folder,
    time_file_loop,
    time_torch_import,
    write_timing_page,
)

LIMIT_SECONDS = 8.0


def time_debug_run(clips: ClipList) -> float:
    """Return the seconds of a command that caches spectrograms, starting from empty caches."""
    with scratch_folder() as folder:
        return run_command(
            "train",
            *clips.overrides,
            "model=cnn",
            "trainer=debug",
            f"cache_dir={folder}",
            f"output_root={folder}",
        )


def main() -> None:
    """Time all cases and write the page."""
    options = parse_options(dataset="ravdess", clips=1200)
    clips = draw_clips(options)
    seconds = measure_cases(
        {
            "emotion train trainer=debug: decoding, spectrograms and one step": lambda: (
                time_debug_run(clips)
            ),
            "python -c 'import torch, lightning'": time_torch_import,
            "bare loop": lambda: time_file_loop("logmel", clips, CORES),
        },
        options.repeats,
    )
    command, imports, bare = seconds.values()
    beyond = differences(command, imports)
    write_timing_page(
        "logmel",
        "Time from audio files to cached log-mel spectrograms",
        setup=f"{options.clip_source} to 128 × 128 int16, {CORES} processes",
        times=seconds,
        unit="seconds",
        criteria=[Criterion("seconds without the time of the import", beyond, LIMIT_SECONDS)],
        notes=[
            f"The smallest ratio to the bare loop is {min(ratios(beyond, bare)):.1f}. Two other "
            "packages took 35 s and 21 s for 1,440 clips of RAVDESS on another machine of two "
            "cores."
        ],
    )


if __name__ == "__main__":
    main()
