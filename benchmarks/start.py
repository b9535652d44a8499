"""How soon is there help, and how soon a first step?"""

from benchmarks.common import (
    Target,
    clips,
    command,
    in_turn,
    options,
    page,
    python,
    ratios,
    scratch_folder,
)
from benchmarks.training import train_words

FIRST_STEP = """
import os, sys
import lightning
from emotion.cli.main import run
step = lightning.LightningModule.optimizer_step
def first(*given, **more):
    step(*given, **more)
    os._exit(0)
lightning.LightningModule.optimizer_step = first
sys.exit(run(sys.argv[1:]) or 3)
"""
"""The command itself, which ends as soon as the optimizer has made a step."""

TORCH_HERE = """
import sys
from emotion.cli.main import run
code = run(sys.argv[1:])
print(sum(name in sys.modules for name in ("torch", "lightning", "torchaudio", "torchvision")))
sys.exit(code)
"""


def main() -> None:
    """Time all, and write the page."""
    chosen = options(clips=720, repeats=5)
    some = clips(chosen)
    with scratch_folder() as folder:
        words = train_words(some, folder / "cache", folder, "cnn", 1)
        prepare = ["prepare", *some.words, f"cache_dir={folder / 'cache'}"]
        heavy = int(python("-c", TORCH_HERE, *prepare)[1].split()[-1])
        command(*words)
        seconds = in_turn(
            {
                "emotion --help": lambda: command("--help"),
                "emotion prepare, cached": lambda: command(*prepare),
                "import torch, lightning": lambda: python("-c", "import torch, lightning")[0],
                "emotion train, cached, to its first step": lambda: python(
                    "-c", FIRST_STEP, *words
                )[0],
            },
            chosen.repeats,
        )
    page(
        "start",
        "How soon is there help, and how soon a first step?",
        what=f"{chosen.voices}, files read before",
        times=seconds,
        unit="seconds",
        targets=[
            Target("emotion --help, seconds", seconds["emotion --help"], 0.5),
            Target("of torch and its kin imported by prepare", [heavy], 0),
            Target(
                "first step / bare import",
                ratios(
                    seconds["emotion train, cached, to its first step"],
                    seconds["import torch, lightning"],
                ),
                1.5,
            ),
        ],
    )


if __name__ == "__main__":
    main()
