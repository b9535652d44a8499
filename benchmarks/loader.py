"""Which batch size and how many workers are fastest? `sweep=batch_workers`, as users run it."""

from pathlib import Path
from statistics import median

from benchmarks.common import Clips, Target, clips, command, options, page, scratch_folder
from emotion.experiments.sweep_table import TABLE
from emotion.utils.tables import read_table

DEFAULT = "loader.batch_size=64 loader.num_workers=0"


def swept(some: Clips, cache: Path) -> dict[str, tuple[float, float]]:
    """Return the training clips a second and the share of all cores, per job of the sweep."""
    with scratch_folder() as folder:
        words = [f"cache_dir={cache}", f"output_root={folder}", f"hydra.sweep.dir={folder}/sweep"]
        command("train", "-m", *some.words, *words, "sweep=batch_workers")
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
    """Sweep, and write the page."""
    chosen = options(clips=1440, repeats=2)
    some = clips(chosen)
    with scratch_folder() as cache:
        found = [swept(some, cache) for _ in range(chosen.repeats)]
    rates = {job: [each[job][0] for each in found] for job in found[0]}
    busy = {job: median(each[job][1] for each in found) for job in rates}
    best_without = [max(each[job][0] for job in rates if job.endswith("=0")) for each in found]
    best_with = [max(each[job][0] for job in rates if not job.endswith("=0")) for each in found]
    page(
        "loader",
        "Which batch size and how many loader workers are fastest?",
        what=f"{chosen.voices}, cnn, three epochs a job, `emotion train -m sweep=batch_workers`",
        times=rates,
        unit="training clips a second",
        targets=[
            Target(
                "best without workers / best with two",
                [one / other for one, other in zip(best_without, best_with, strict=True)],
                1.0,
                at_least=True,
            ),
            Target(
                f"the default, {DEFAULT} / the fastest of all",
                [each[DEFAULT][0] / max(rate for rate, _ in each.values()) for each in found],
                0.9,
                at_least=True,
            ),
        ],
        notes=[
            "Share of all cores that was busy, in the same order: "
            + ", ".join(f"{share:.0f} %" for share in busy.values())
            + ". The batch size is the recipe's: a larger one that is as fast learns otherwise."
        ],
    )


if __name__ == "__main__":
    main()
