"""Which settings of the trainer make an epoch shorter here: precision, memory order, compiling?"""

from functools import partial

from benchmarks.common import Target, clips, in_turn, options, page, ratios, scratch_folder
from benchmarks.training import run_program

SETTINGS = {
    "plain": ("trainer.channels_last=false",),
    "bf16": ("trainer.channels_last=false", "trainer.precision=bf16-mixed"),
    "channels_last": ("trainer.channels_last=true",),
    "compile": ("trainer.channels_last=false", "trainer.compile=true"),
}
CLIPS = {"cnn": 1440, "mobilenet_v3": 64}
FACTOR_ON_GPU = 20


def main() -> None:
    """Time all settings of both models, and write the page."""
    times: dict[str, list[float]] = {}
    targets = []
    for model, count in CLIPS.items():
        chosen = options(clips=count, epochs=3, repeats=2)
        if chosen.device != "cpu":
            chosen.clips *= FACTOR_ON_GPU
        some = clips(chosen)
        with scratch_folder() as folder:
            cache = folder / "cache"
            run_program(some, cache, model, 2)
            cases = {
                f"{model}, {name}": partial(
                    run_program,
                    some,
                    cache,
                    model,
                    chosen.epochs,
                    f"trainer.accelerator={chosen.device}",
                    *words,
                )
                for name, words in SETTINGS.items()
            }
            passes = in_turn(cases, chosen.repeats)
        found = {name: [one.train for one, _ in some] for name, some in passes.items()}
        times |= found
        plain = found[f"{model}, plain"]
        targets += [
            Target(f"{name} / plain", ratios(found[name], plain), 1.0) for name in list(found)[1:]
        ]
    page(
        f"settings_{chosen.device}",
        "Which settings of the trainer make an epoch shorter?",
        what="training passes; plain has the settings that users get, in 32 bits and without "
        "channels_last; the first epoch, which compiles, is left out",
        times=times,
        unit="milliseconds a clip",
        targets=targets,
        notes=["«missed» says that a setting does not help. A default is what helps in every run."],
    )


if __name__ == "__main__":
    main()
