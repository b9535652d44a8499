"""What do the logging, the figures and the callbacks that users get cost of a cnn epoch?"""

import itertools
import sys
import time
from collections.abc import Sequence

from benchmarks.common import Target, clips, in_turn, options, page, python, ratios, scratch_folder
from benchmarks.training import per_clip, run_program, train_words


def bare_epochs(words: Sequence[str]) -> list[float]:
    """Return the seconds of each epoch, validation included, where nothing is logged or kept.

    The same clips, network, augmentation and trainer; the steps return the loss, no more.
    """
    import lightning as L  # noqa: N812 - Lightning's own abbreviation
    from torch import Tensor
    from torch.nn.functional import cross_entropy

    from emotion.config.composition import composed
    from emotion.data.batch import Batch
    from emotion.data.datamodule import build_datamodule
    from emotion.models.build import build_model
    from emotion.training.lightning_trainer import quiet_lightning

    with composed("train", list(words)) as config, quiet_lightning():
        data = build_datamodule(config)
        data.setup()
        config = config.replaced({"dataset.labels": list(data.labels)})
        model = build_model(
            config,
            optimizer=config.build("trainer.optimizer"),
            schedule=config.build("trainer.schedule"),
        )
        trainer = L.Trainer(
            accelerator="cpu", max_epochs=config["trainer.max_epochs"], barebones=True
        )
        data.place_on(trainer.strategy.root_device, model.features)
        model.set_normalisation(*data.feature_statistics(model.features))
        starts: list[float] = []

        def step(batch: Batch, stage: str) -> Tensor:
            return cross_entropy(model(batch.x), batch.target)

        model.step = step  # type: ignore[method-assign]
        model.on_validation_epoch_end = lambda: None  # type: ignore[method-assign]
        model.on_train_epoch_start = lambda: starts.append(time.perf_counter())  # type: ignore
        trainer.fit(model, datamodule=data)
    starts.append(time.perf_counter())
    return [after - before for before, after in itertools.pairwise(starts)][1:]


def main() -> None:
    """Time both, and write the page."""
    chosen = options(clips=1440, epochs=6)
    some = clips(chosen)
    with scratch_folder() as folder:
        cache = folder / "cache"
        _, subsets = run_program(some, cache, "cnn", 2)
        words = train_words(some, cache, folder, "cnn", chosen.epochs)[1:]

        def default() -> float:
            passes, _ = run_program(some, cache, "cnn", chosen.epochs)
            return (passes.train * subsets["train"] + passes.val * subsets["val"]) / 1000

        def bare() -> float:
            text = python("-m", "benchmarks.step", "bare", *words)[1]
            return per_clip([float(word) for word in text.split()], 1000)

        seconds = in_turn({"as users get it": default, "bare": bare}, chosen.repeats)
    page(
        "step",
        "What do the default logging, figures and callbacks cost?",
        what=f"{chosen.voices}, of them {subsets['train']:,} for training; cnn, batch 64",
        times=seconds,
        unit="seconds an epoch, validation included",
        targets=[Target("default / bare", ratios(*seconds.values()), 1.05)],
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        print(*bare_epochs(sys.argv[2:]))
    else:
        main()
