"""Epoch time on the CPU, compared with a bare training loop and a DataLoader that reads files."""

from pathlib import Path
from statistics import median

from benchmarks.common import (
    Criterion,
    Options,
    draw_clips,
    measure_cases,
    parse_options,
    ratios,
    scratch_folder,
    write_timing_page,
)
from benchmarks.training import (
    EpochTimes,
    prepare_files,
    run_baseline,
    run_floor,
    run_program,
    save_network,
)

LIMITS = {"cnn": (1.10, 1.15), "mobilenet_v3": (1.05, 1.15)}
"""Greatest ratio of program to floor in a training and in a validation pass, by model."""

SIZES = {"cnn": {"clips": 4000, "epochs": 4}, "mobilenet_v3": {"clips": 144, "epochs": 3}}


def measure_model(
    model: str, options: Options, folder: Path
) -> tuple[dict[str, list[EpochTimes]], EpochTimes]:
    """Return the epoch times of the three cases, and of the baseline with filters per clip."""
    clips = draw_clips(options)
    network = save_network(model, folder)
    cache = folder / "cache"
    files = prepare_files(clips, cache, folder / "files")
    _, subsets = run_program(clips, cache, model, 2)  # fills the cache, counts the clips
    cases = {
        "program": lambda: run_program(clips, cache, model, options.epochs)[0],
        "floor": lambda: run_floor(network, subsets, options.epochs),
        "fair baseline": lambda: run_baseline(network, files, 2),
    }
    times = measure_cases(cases, options.repeats)
    return times, run_baseline(network, files, 2, variant="fresh")


def main() -> None:
    """Time one model and write its page."""
    model = parse_options(model="cnn").model
    if model not in LIMITS:
        raise SystemExit(f"model={model} is not valid: choose {' or '.join(LIMITS)}.")
    train_limit, val_limit = LIMITS[model]
    options = parse_options(model=model, **SIZES[model])
    with scratch_folder() as folder:
        epochs, course = measure_model(model, options, folder)
    train = {name: [each.train for each in times] for name, times in epochs.items()}
    val = {name: [each.val for each in times] for name, times in epochs.items()}
    times = {f"{name}, training": values for name, values in train.items()}
    times |= {f"{name}, validation": values for name, values in val.items()}
    fair = ratios(train["fair baseline"], train["program"])
    criteria = [
        Criterion("fair baseline / program, training", fair, 5, at_least=True),
        Criterion(
            "program, augmentation, logging and checkpoints included / floor, training",
            ratios(train["program"], train["floor"]),
            train_limit,
        ),
        Criterion("program / floor, validation", ratios(val["program"], val["floor"]), val_limit),
    ]
    write_timing_page(
        f"epoch_{model}",
        f"Epoch time of {model} on a CPU",
        setup=f"{options.clip_source}, default settings, spectrograms cached; the floor is "
        "forward pass, backward pass and optimizer step on tensors in memory, without augmentation",
        times=times,
        unit="milliseconds per clip",
        criteria=criteria if model == "cnn" else criteria[1:],
        notes=[
            "The fair baseline with mel filters built for every clip, as in the course project, "
            f"measured once: {course.train:.3g} in training, {course.val:.3g} in validation. The "
            f"floor is {median(ratios(train['fair baseline'], train['floor'])):.1f} times as fast "
            "as the fair baseline, which bounds the gain of any program that trains this network "
            "in this way."
        ],
    )


if __name__ == "__main__":
    main()
