"""How long does an epoch take on the CPU, beside bare steps and a usual loader?"""

from pathlib import Path

from benchmarks.common import (
    Options,
    Target,
    clips,
    in_turn,
    options,
    page,
    ratios,
    scratch_folder,
)
from benchmarks.training import (
    Pass,
    prepare_files,
    run_baseline,
    run_floor,
    run_program,
    save_network,
)

LIMITS = {"cnn": (1.10, 1.15), "mobilenet_v3": (1.05, 1.15)}
"""By model: a training pass and a validation pass against the floor, at most."""


def measure(model: str, chosen: Options, folder: Path) -> dict[str, list[Pass]]:
    """Return the passes of all three, in turn."""
    some = clips(chosen)
    subject = save_network(model, folder)
    files = prepare_files(some, folder / "files")
    cache = folder / "cache"
    _, subsets = run_program(some, cache, model, 2)  # fills the cache, counts the clips
    return in_turn(
        {
            "program": lambda: run_program(some, cache, model, chosen.epochs)[0],
            "floor": lambda: run_floor(subject, subsets, chosen.epochs),
            "baseline": lambda: run_baseline(subject, files, min(2, chosen.epochs)),
        },
        chosen.repeats,
    )


def main() -> None:
    """Time both models, and write a page for each."""
    for model, (train_limit, val_limit) in LIMITS.items():
        chosen = options(clips=1440 if model == "cnn" else 288, epochs=5 if model == "cnn" else 2)
        with scratch_folder() as folder:
            found = measure(model, chosen, folder)
        train = {name: [each.train for each in passes] for name, passes in found.items()}
        val = {name: [each.val for each in passes] for name, passes in found.items()}
        times = {f"{name}, training": values for name, values in train.items()}
        times |= {f"{name}, validation": values for name, values in val.items()}
        targets = [
            Target(
                "baseline / program, training",
                ratios(train["baseline"], train["program"]),
                5,
                at_least=True,
            ),
            Target(
                "program, augmentation, logging and checkpoints included / floor, training",
                ratios(train["program"], train["floor"]),
                train_limit,
            ),
            Target("program / floor, validation", ratios(val["program"], val["floor"]), val_limit),
        ]
        page(
            f"epoch_{model}",
            f"How long does an epoch of {model} take?",
            what=f"{chosen.voices}, the settings that users get, spectrograms cached; the floor is "
            "forward, backward and step on tensors in memory without augmentation",
            times=times,
            unit="milliseconds a clip",
            targets=targets if model == "cnn" else targets[1:],
        )


if __name__ == "__main__":
    main()
