"""Cost of the default logging, metrics and callbacks in an epoch of cnn."""

import itertools
import statistics
import sys
import time
from collections.abc import Sequence

from benchmarks.common import (
    Criterion,
    draw_clips,
    measure_cases,
    parse_options,
    ratios,
    run_python,
    scratch_folder,
    write_timing_page,
)
from benchmarks.training import run_program, train_arguments


def bare_epochs(overrides: Sequence[str]) -> list[float]:
    """Return the seconds of each epoch, validation included, without logging and checkpoints.

    Clips, network, augmentation and optimizer are those of `emotion train`; a step only returns the
    loss. The first epoch is left out.
    """
    import lightning as L  # noqa: N812 - Lightning's own abbreviation
    from torch import Tensor
    from torch.nn.functional import cross_entropy

    from emotion.config.build import build
    from emotion.config.composition import compose
    from emotion.data.batch import Batch
    from emotion.data.datamodule import build_datamodule
    from emotion.models.build import build_model
    from emotion.training.lightning_trainer import quiet_lightning

    settings = compose("train", overrides).settings
    with quiet_lightning():
        data = build_datamodule(settings)
        data.setup()
        model = build_model(
            settings.model,
            data.labels,
            optimizer=build(settings.trainer.optimizer, "trainer.optimizer"),
            schedule=build(settings.trainer.schedule, "trainer.schedule"),
        )
        trainer = L.Trainer(
            accelerator="cpu", max_epochs=settings.trainer.max_epochs, barebones=True
        )
        data.place_on(trainer.strategy.root_device, model.features)
        model.set_normalisation(*data.feature_statistics(model.features))
        starts: list[float] = []

        def step(batch: Batch, metrics: object) -> Tensor:
            return cross_entropy(model(batch.x, batch.length), batch.target)

        model.step = step  # type: ignore[method-assign]
        model.on_validation_epoch_end = lambda: None  # type: ignore[method-assign]
        model.on_train_epoch_start = lambda: starts.append(time.perf_counter())  # type: ignore
        trainer.fit(model, datamodule=data)
    starts.append(time.perf_counter())
    return [after - before for before, after in itertools.pairwise(starts)][1:]


def main() -> None:
    """Time both cases and write the page."""
    options = parse_options(clips=1440, epochs=6)
    clips = draw_clips(options)
    with scratch_folder() as folder:
        cache = folder / "cache"
        _, subsets = run_program(clips, cache, "cnn", 2)
        overrides = train_arguments(clips, cache, folder, "cnn", options.epochs)[1:]

        def default_epoch() -> float:
            times, _ = run_program(clips, cache, "cnn", options.epochs)
            return times.epoch_seconds(subsets)

        def bare_epoch() -> float:
            text = run_python("-m", "benchmarks.step", "bare", *overrides)[1]
            return statistics.median(float(word) for word in text.split())

        seconds = measure_cases({"default": default_epoch, "bare": bare_epoch}, options.repeats)
    write_timing_page(
        "step",
        "Cost of the default logging, metrics and callbacks",
        setup=f"{options.clip_source}, of which {subsets['train']:,} train; cnn, batch size 64",
        times=seconds,
        unit="seconds per epoch, validation included",
        criteria=[Criterion("default / bare", ratios(*seconds.values()), 1.05)],
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        print(*bare_epochs(sys.argv[2:]))
    else:
        main()
