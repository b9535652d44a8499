"""Long runs: constant memory, and TensorBoard curves across a resume."""

import signal
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import psutil
import pytest

from emotion.cli.main import run
from emotion.training.callbacks.progress import EpochProgress

pytestmark = pytest.mark.slow

TINY = [
    "dataset.generate.speakers=6",
    "dataset.generate.sentences=1",
    "loader.batch_size=16",
    "model.channels=[2,2,2,2]",
    "model.features.n_mels=32",
    "model.features.frames=32",
    "trainer.early_stopping.patience=1000",
]
MEGABYTE = 1 << 20


def private_bytes() -> int:
    """Return the private memory of this process, without mapped files."""
    return int(psutil.Process().memory_full_info().uss)


def test_memory_is_constant_over_two_hundred_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    before = EpochProgress.on_train_epoch_end

    def record(self: EpochProgress, trainer: L.Trainer, module: Any) -> None:
        before(self, trainer, module)
        sizes.append(private_bytes())

    monkeypatch.setattr(EpochProgress, "on_train_epoch_end", record)
    assert run(["train", *TINY, f"output_root={tmp_path}", "trainer.max_epochs=200"]) == 0
    assert len(sizes) == 200
    early, late = (sorted(part)[len(part) // 2] for part in (sizes[40:80], sizes[160:]))
    print(f"{early / MEGABYTE:.1f} MB after 60 epochs, {late / MEGABYTE:.1f} MB after 180")
    assert late - early < 4 * MEGABYTE, [each // MEGABYTE for each in sizes[::10]]


def test_tensorboard_reads_a_run_that_was_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def stop(self: EpochProgress, trainer: L.Trainer, *_: Any) -> None:
        if trainer.current_epoch == 3:
            signal.raise_signal(signal.SIGTERM)

    folder = tmp_path / "it"
    words = [*TINY, f"output_root={tmp_path}", f"hydra.run.dir={folder}", "trainer.max_epochs=6"]
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_start", stop)
        assert run(["train", *words]) == 143
    assert run(["train", f"output_root={tmp_path}", f"resume={folder}"]) == 0
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    scalars = events.Tags()["scalars"]
    assert {"val/uar", "train/loss", "epoch/seconds"} <= set(scalars)
    for name in scalars:
        points = [(event.step, event.value) for event in events.Scalars(name)]
        assert [step for step, _ in points] == sorted(step for step, _ in points), name
        assert len(set(points)) == len({step for step, _ in points}), name
    assert len(events.Scalars("val/uar")) == 6
