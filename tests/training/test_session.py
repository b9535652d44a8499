"""Objects of a run before its first step: model, data and the files of its start."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from emotion.cli.main import run
from emotion.data.datamodule import build_datamodule
from emotion.data.splits.protocols import FileSplit
from emotion.runs.load_model import open_model
from emotion.runs.run import Run
from emotion.training.session import Timing
from tests.support.trained import Train


def test_the_test_speakers_of_split_csv_are_in_no_other_subset(finished: Run) -> None:
    split = finished.split
    test = split[split["subset"] == "test"]
    assert sorted(test["path"]) == sorted(finished.predictions["path"])
    assert not set(test["speaker"]) & set(split["speaker"][split["subset"] != "test"])


def test_the_environment_names_choices_clips_and_licences(finished: Run) -> None:
    environment = finished.environment
    assert environment["choices"]["model"] == "cnn"
    assert environment["choices"]["trainer"] == "half_cycle"
    assert environment["seed"] == 0
    assert set(environment["fingerprints"]) == {"index", "cache", "split"}
    assert set(environment["licences"]) == {"synthetic"}
    assert environment["parameters"] == sum(
        parameter.numel() for parameter in open_model(finished).parameters()
    )


def test_timing_is_summed_over_resumes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    for _ in range(2):
        timing = Timing(Run(tmp_path))
        timing.start()
        with timing.part("fit"):
            pass
        timing.add({"fit": timing.seconds["fit"] + 1})
    assert 2 <= Run(tmp_path).timing["fit"] < 2.5


def test_a_run_that_was_not_started_writes_no_timing(tmp_path: Path) -> None:
    with Timing(Run(tmp_path)).part("data"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_corpora_with_different_classes_train_together(archive: Path, tmp_path: Path) -> None:
    def start(label_mask: str) -> Run:
        folder = tmp_path / label_mask
        words = [
            *("dataset=cs334", f"data_root={archive}", "split.train_only=[savee,tess]"),
            "dataset.labels=[neutral,calm,happy,sad,angry,fear,disgust,surprise]",
            *("trainer=cosine", f"trainer.label_mask={label_mask}", "trainer.max_epochs=2"),
            *(f"output_root={tmp_path}", f"hydra.run.dir={folder}"),
        ]
        assert run(["train", *words]) == 0
        return Run(folder)

    joint, plain = start("true"), start("false")
    others = joint.split["corpus"].isin(["savee", "tess"])
    assert set(joint.split["subset"][others]) == {"train"}
    losses, unmasked = (
        pd.read_csv(each.folder / "history.csv")["train_loss"] for each in (joint, plain)
    )
    assert np.isfinite(losses).all()
    assert losses[0] < unmasked[0], "the loss has fewer classes"


@pytest.mark.parametrize(("devices", "last"), [("cpu", True), ("cuda", False)])
def test_channels_are_last_in_memory_on_the_chosen_device(
    train: Train, devices: str, last: bool
) -> None:
    trained = train(f"trainer.channels_last={devices}", "trainer.max_epochs=1")
    weights = torch.load(trained.best, weights_only=True)["state_dict"].values()
    kernels = [weight for weight in weights if weight.ndim == 4 and weight.shape[1] > 1]
    assert kernels
    for kernel in kernels:
        assert kernel.is_contiguous(memory_format=torch.channels_last) is last


def test_cached_features_give_the_logits_of_live_ones(finished: Run) -> None:
    model = open_model(finished)
    logits = []
    for features in (model.features, None):
        protocol = FileSplit(path=str(finished.folder / "split.csv"))
        data = build_datamodule(finished.settings, protocol=protocol)
        data.setup()
        data.place_on(torch.device("cpu"), features)
        batches = [data.on_after_batch_transfer(raw, 0) for raw in data.val_dataloader()]
        assert {batch.x.ndim for batch in batches} == {4 if features else 2}
        with torch.no_grad():
            logits.append(torch.cat([model(batch.x, batch.length) for batch in batches]))
    torch.testing.assert_close(logits[0], logits[1], atol=1e-3, rtol=0)


@pytest.mark.slow
def test_memory_format_and_compilation_change_no_predictions(finished: Run, train: Train) -> None:
    other = train("trainer.channels_last=true", "trainer.compile=true")
    one, two = (each.predictions.filter(like="p_").astype(float) for each in (finished, other))
    assert abs(one - two).to_numpy().max() < 0.05


def test_frozen_weights_need_another_run(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("trainer.frozen=norms", code=1)
    assert "trainer.frozen=norms keeps initial weights of another run" in capsys.readouterr().err
