"""Start-up time of the commands, compared with a bare import of torch and Lightning."""

from benchmarks.common import (
    Criterion,
    draw_clips,
    measure_cases,
    parse_options,
    ratios,
    run_command,
    run_python,
    scratch_folder,
    time_torch_import,
    write_timing_page,
)
from benchmarks.training import train_arguments

FIRST_STEP = """
import os, sys
import lightning
from emotion.cli.main import run
step = lightning.LightningModule.optimizer_step
def first_step(*args, **options):
    step(*args, **options)
    os._exit(0)
lightning.LightningModule.optimizer_step = first_step
sys.exit(run(sys.argv[1:]) or 3)
"""
"""Runs a command and exits after the first step of the optimizer."""

COUNT_HEAVY_IMPORTS = """
import sys
from emotion.cli.main import run
code = run(sys.argv[1:])
print(sum(name in sys.modules for name in ("torch", "lightning", "torchaudio", "torchvision")))
sys.exit(code)
"""


def main() -> None:
    """Time all commands and write the page."""
    options = parse_options(clips=720, repeats=5)
    clips = draw_clips(options)
    with scratch_folder() as folder:
        train = train_arguments(clips, folder / "cache", folder, "cnn", 1)
        prepare = ["prepare", *clips.overrides, f"cache_dir={folder / 'cache'}"]
        heavy = int(run_python("-c", COUNT_HEAVY_IMPORTS, *prepare)[1].split()[-1])
        run_command(*train)  # fills the cache
        seconds = measure_cases(
            {
                "emotion --help": lambda: run_command("--help"),
                "emotion prepare, cached": lambda: run_command(*prepare),
                "import torch, lightning": time_torch_import,
                "emotion train, cached, to its first step": lambda: run_python(
                    "-c", FIRST_STEP, *train
                )[0],
            },
            options.repeats,
        )
    write_timing_page(
        "start",
        "Start-up time of the commands",
        setup=f"{options.clip_source}, files in the page cache",
        times=seconds,
        unit="seconds",
        criteria=[
            Criterion("emotion --help, seconds", seconds["emotion --help"], 0.5),
            Criterion("torch packages imported by prepare", [heavy], 0),
            Criterion(
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
