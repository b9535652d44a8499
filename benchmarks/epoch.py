"""How long does an epoch take on the CPU, beside bare steps and a usual loader?"""

from pathlib import Path
from statistics import median

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

SIZES = {"cnn": {"clips": 4000, "epochs": 4}, "mobilenet_v3": {"clips": 144, "epochs": 3}}


def measure(model: str, chosen: Options, folder: Path) -> tuple[dict[str, list[Pass]], Pass]:
    """Return the passes of all three, in turn, and once those with filters made per item."""
    some = clips(chosen)
    subject = save_network(model, folder)
    files = prepare_files(some, folder / "files")
    cache = folder / "cache"
    _, subsets = run_program(some, cache, model, 2)  # fills the cache, counts the clips
    cases = {
        "program": lambda: run_program(some, cache, model, chosen.epochs)[0],
        "floor": lambda: run_floor(subject, subsets, chosen.epochs),
        "fair baseline": lambda: run_baseline(subject, files, 2),
    }
    found = in_turn(cases, chosen.repeats)
    return found, run_baseline(subject, files, 2, way="fresh")


def main() -> None:
    """Time a model, and write its page."""
    model = options(model="cnn").model
    if model not in LIMITS:
        raise SystemExit(f"model={model}: choose {' or '.join(LIMITS)}.")
    train_limit, val_limit = LIMITS[model]
    chosen = options(model=model, **SIZES[model])
    with scratch_folder() as folder:
        found, course = measure(model, chosen, folder)
    train = {name: [each.train for each in passes] for name, passes in found.items()}
    val = {name: [each.val for each in passes] for name, passes in found.items()}
    times = {f"{name}, training": values for name, values in train.items()}
    times |= {f"{name}, validation": values for name, values in val.items()}
    fair = ratios(train["fair baseline"], train["program"])
    targets = [
        Target("fair baseline / program, training", fair, 5, at_least=True),
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
        notes=[
            f"Mel filters made per item, as the course project has it, measured once: "
            f"{course.train:.3g} in training, {course.val:.3g} in validation. The floor itself "
            f"is {median(ratios(train['fair baseline'], train['floor'])):.1f} times as fast "
            "as the fair baseline: no program that trains this network so can be faster."
        ],
    )


if __name__ == "__main__":
    main()
