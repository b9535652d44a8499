"""Epoch time on a GPU, compared with a bare training loop on tensors in GPU memory.

    python -m benchmarks.gpu                       all models, pages in benchmarks/results
    python -m benchmarks.gpu model=cnn clips=720   one model, fewer clips

The pages are written again after every round. `device=cpu` runs the same steps without CUDA.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.common import (
    ClipList,
    Criterion,
    Options,
    draw_clips,
    measure_rounds,
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

LIMITS = {"cnn": 1.10, "mobilenet_v3": 1.03}
"""Greatest ratio of program to floor, by model."""

PRECISIONS = ("32-true", "bf16-mixed")
BASELINE_CLIPS = 720
"""Clips of the baseline at most: its time is reported per clip, and it is slow."""


def measure_models(models: Sequence[str], options: Options, clips: ClipList, folder: Path) -> None:
    """Time the models in rounds and write their pages after every round."""
    cache = folder / "cache"
    accelerator = f"trainer.accelerator={options.device}"
    files = prepare_files(clips, cache, folder / "files", BASELINE_CLIPS)
    warm_up, subsets = run_program(clips, cache, models[0], 2, accelerator)
    print(f"warm-up: {models[0]}: {warm_up}, {dict(subsets)}", flush=True)

    def program(model: str, precision: str) -> EpochTimes:
        words = (accelerator, f"trainer.precision={precision}")
        return run_program(clips, cache, model, options.epochs, *words)[0]

    networks = {model: save_network(model, folder) for model in models}
    cases = {}
    for model, network in networks.items():
        for precision in PRECISIONS:
            cases[f"{model}, program, {precision}"] = partial(program, model, precision)
            cases[f"{model}, floor, {precision}"] = partial(
                run_floor, network, subsets, options.epochs, options.device, precision
            )
        cases[f"{model}, baseline, 32-true"] = partial(
            run_baseline, network, files, 2, options.device
        )
    for results in measure_rounds(cases, options.repeats):
        seconds = {
            name: [times.epoch_seconds(subsets) for times in rounds]
            for name, rounds in results.items()
        }
        for model in models:
            write_model_page(model, options, seconds)


def write_model_page(model: str, options: Options, seconds: Mapping[str, Sequence[float]]) -> None:
    """Write the page of one model from the seconds per epoch of all cases."""
    times = {
        name.removeprefix(f"{model}, "): values
        for name, values in seconds.items()
        if name.startswith(f"{model}, ")
    }
    gain = ratios(times["baseline, 32-true"], times["program, 32-true"])
    write_timing_page(
        f"gpu_{model}",
        f"Epoch time of {model} on a GPU",
        setup=f"{options.clip_source}, whole epochs with validation, default settings except for "
        f"the precision, device {options.device}; the program computes the spectrograms on the "
        "device in every epoch, the floor leaves them out",
        times=times,
        unit="seconds per epoch",
        criteria=[
            Criterion(
                f"program / floor, {precision}",
                ratios(times[f"program, {precision}"], times[f"floor, {precision}"]),
                LIMITS[model],
            )
            for precision in PRECISIONS
        ],
        notes=[
            "The baseline, a DataLoader with two workers that reads a file and computes a "
            f"spectrogram per clip, takes {min(gain):.1f} times as long as the program. Its epoch "
            f"is extrapolated from {BASELINE_CLIPS} clips."
        ],
    )


def main() -> None:
    """Time the chosen models and write a page for each."""
    options = parse_options(clips=5760, epochs=4, repeats=2, device="cuda", model=",".join(LIMITS))
    models = options.model.split(",")
    if unknown := [model for model in models if model not in LIMITS]:
        raise SystemExit(f"model={unknown[0]} is not valid: choose among {', '.join(LIMITS)}.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("CUDA is not available on this machine: nothing was measured.")
    clips = draw_clips(options)
    with scratch_folder() as folder:
        measure_models(models, options, clips, folder)


if __name__ == "__main__":
    main()
