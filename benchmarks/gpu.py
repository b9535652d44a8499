"""How near are epochs on a GPU to bare steps on tensors that lie there? Needs CUDA."""

from functools import partial
from pathlib import Path

import torch

from benchmarks.common import Options, Target, clips, in_turn, options, page, ratios, scratch_folder
from benchmarks.training import (
    Pass,
    prepare_files,
    run_baseline,
    run_floor,
    run_program,
    save_network,
)

LIMITS = {"cnn": 1.10, "mobilenet_v3": 1.03}
PRECISIONS = ("32-true", "bf16-mixed")


def measure(model: str, chosen: Options, folder: Path) -> dict[str, list[Pass]]:
    """Return the passes of the program and of the bare loop by precision, and the usual way's."""
    some, cache = clips(chosen), folder / "cache"
    subject = save_network(model, folder)
    files = prepare_files(some, folder / "files")
    _, subsets = run_program(some, cache, model, 2)

    def program(precision: str) -> Pass:
        word = f"trainer.precision={precision}"
        return run_program(some, cache, model, chosen.epochs, word)[0]

    def floor(precision: str) -> Pass:
        return run_floor(subject, subsets, chosen.epochs, "cuda", precision)

    cases = {
        f"{name}, {precision}": partial(run, precision)
        for precision in PRECISIONS
        for name, run in (("program", program), ("floor", floor))
    }
    usual = partial(run_baseline, subject, files, 2, "cuda")
    return in_turn(cases | {"baseline, 32-true": usual}, chosen.repeats)


def main() -> None:
    """Time both models in both precisions, and write a page for each."""
    if not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here: nothing was measured.")
    for model, limit in LIMITS.items():
        chosen = options(clips=5760, epochs=6)
        with scratch_folder() as folder:
            found = measure(model, chosen, folder)
        train = {name: [each.train for each in passes] for name, passes in found.items()}
        page(
            f"gpu_{model}",
            f"How near is an epoch of {model} on a GPU to bare steps?",
            what=f"{chosen.voices}, training passes, the settings that users get but for the "
            "precision; spectrograms are computed on the device, which the floor leaves out",
            times=train,
            unit="milliseconds a clip",
            targets=[
                Target(
                    f"program / floor, {precision}",
                    ratios(train[f"program, {precision}"], train[f"floor, {precision}"]),
                    limit,
                )
                for precision in PRECISIONS
            ],
            notes=[
                "The usual loader takes "
                f"{train['baseline, 32-true'][0] / train['program, 32-true'][0]:.1f} times as long "
                "as the program."
            ],
        )


if __name__ == "__main__":
    main()
