"""Training speed by batch size and number of loader workers, from `sweep=batch_workers`."""

from pathlib import Path
from statistics import median

from benchmarks.common import (
    ClipList,
    Criterion,
    draw_clips,
    parse_options,
    run_command,
    scratch_folder,
    write_timing_page,
)
from emotion.experiments.sweep_table import TABLE
from emotion.utils.tables import read_table

DEFAULT = "loader.batch_size=64 loader.num_workers=0"


def run_sweep(clips: ClipList, cache: Path) -> dict[str, tuple[float, float]]:
    """Return training clips per second and percent of all cores in use, by job of the sweep."""
    with scratch_folder() as folder:
        folders = [f"cache_dir={cache}", f"output_root={folder}", f"hydra.sweep.dir={folder}/sweep"]
        run_command("train", "-m", *clips.overrides, *folders, "sweep=batch_workers")
        table = read_table(
            folder / "sweep" / TABLE, {"clips_per_second": "float", "cpu_percent": "float"}
        )
    return {
        " ".join(word for word in row["overrides"].split() if word.startswith("loader.")): (
            row["clips_per_second"],
            row["cpu_percent"],
        )
        for row in table.to_dict("records")
    }


def main() -> None:
    """Run the sweep and write the page."""
    options = parse_options(clips=1440, repeats=2)
    clips = draw_clips(options)
    with scratch_folder() as cache:
        rounds = [run_sweep(clips, cache) for _ in range(options.repeats)]
    rates = {job: [each[job][0] for each in rounds] for job in rounds[0]}
    cpu = {job: median(each[job][1] for each in rounds) for job in rates}
    without = [max(each[job][0] for job in rates if job.endswith("=0")) for each in rounds]
    with_workers = [max(each[job][0] for job in rates if not job.endswith("=0")) for each in rounds]
    write_timing_page(
        "loader",
        "Training speed by batch size and number of loader workers",
        setup=f"{options.clip_source}, cnn, three epochs per job, "
        "`emotion train -m sweep=batch_workers`",
        times=rates,
        unit="training clips per second",
        criteria=[
            Criterion(
                "fastest without workers / fastest with two",
                [one / other for one, other in zip(without, with_workers, strict=True)],
                1.0,
                at_least=True,
            ),
            Criterion(
                f"the default, {DEFAULT} / the fastest job",
                [each[DEFAULT][0] / max(rate for rate, _ in each.values()) for each in rounds],
                0.9,
                at_least=True,
            ),
        ],
        notes=[
            "CPU use of all cores, in the same order: "
            + ", ".join(f"{percent:.0f} %" for percent in cpu.values())
            + ". The batch size belongs to the training recipe: a larger batch of the same speed "
            "changes what the model learns."
        ],
    )


if __name__ == "__main__":
    main()
