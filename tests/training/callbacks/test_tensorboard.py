"""TensorBoard events of a run."""

from types import SimpleNamespace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emotion.runs.run import Run
from emotion.training.callbacks.tensorboard import SampleImages


@pytest.fixture(scope="module")
def events(finished: Run) -> EventAccumulator:
    return EventAccumulator(
        str(finished.folder / "tensorboard"), size_guidance={"images": 0}
    ).Reload()


def test_every_epoch_has_its_curves(events: EventAccumulator) -> None:
    scalars = events.Tags()["scalars"]
    assert {"train/loss", "val/uar", "epoch/seconds", "final/test_uar"} <= set(scalars)
    assert len(events.Scalars("val/uar")) == 2


def test_the_first_batch_is_logged_as_images(events: EventAccumulator) -> None:
    assert "augmented" in {tag.partition("/")[0] for tag in events.Tags()["images"]}


def test_only_the_first_step_logs_images() -> None:
    def image(*_: object) -> None:
        raise AssertionError("an image was computed")

    trainer, module = SimpleNamespace(global_step=1), SimpleNamespace(image=image)
    SampleImages().on_train_batch_start(trainer, module, None, 0)  # type: ignore[arg-type]
    trainer.global_step = 0
    batch = SimpleNamespace(x=torch.zeros(2, 8), length=torch.tensor([8, 8]))
    with pytest.raises(AssertionError, match="an image was computed"):
        SampleImages().on_train_batch_start(trainer, module, batch, 0)  # type: ignore[arg-type]
