"""Effect of precision, memory format and compilation on the epoch time of this machine."""

from functools import partial

from benchmarks.common import (
    Criterion,
    draw_clips,
    measure_cases,
    parse_options,
    ratios,
    scratch_folder,
    write_timing_page,
)
from benchmarks.training import run_program

SETTINGS = {
    "plain": ("trainer.channels_last=false",),
    "bf16": ("trainer.channels_last=false", "trainer.precision=bf16-mixed"),
    "channels_last": ("trainer.channels_last=true",),
    "compile": ("trainer.channels_last=false", "trainer.compile=true"),
}
CLIPS = {"cnn": 1440, "mobilenet_v3": 64}
GPU_FACTOR = 20
"""Times as many clips are used on a GPU."""


def main() -> None:
    """Time all settings of both models and write the page."""
    times: dict[str, list[float]] = {}
    criteria = []
    for model, count in CLIPS.items():
        options = parse_options(clips=count, epochs=3, repeats=2)
        if options.device != "cpu":
            options.clips *= GPU_FACTOR
        clips = draw_clips(options)
        accelerator = f"trainer.accelerator={options.device}"
        with scratch_folder() as folder:
            program = partial(run_program, clips, folder / "cache", model)
            program(2)  # fills the cache
            cases = {
                f"{model}, {name}": partial(program, options.epochs, accelerator, *overrides)
                for name, overrides in SETTINGS.items()
            }
            results = measure_cases(cases, options.repeats)
        train = {name: [epoch.train for epoch, _ in rounds] for name, rounds in results.items()}
        times |= train
        plain = train[f"{model}, plain"]
        criteria += [
            Criterion(f"{name} / plain", ratios(train[name], plain), 1.0)
            for name in list(train)[1:]
        ]
    write_timing_page(
        f"settings_{options.device}",
        "Epoch time under different trainer settings",
        setup="Training passes. «plain» has the default settings in 32 bits without channels_last. "
        "The first epoch, in which the network is compiled, is left out",
        times=times,
        unit="milliseconds per clip",
        criteria=criteria,
        notes=[
            "A missed limit means that the setting gains nothing. A setting becomes the default "
            "where it gains in every run."
        ],
    )


if __name__ == "__main__":
    main()
