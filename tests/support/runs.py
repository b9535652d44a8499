"""Runs with random weights, as small as can be, to predict with and to export."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from emotion.audio.decode import Wave
from emotion.config.composition import composed
from emotion.models.build import build_model
from emotion.runs.checkpoints import write_checkpoint
from emotion.runs.run import Run
from emotion.utils.files import write_json, write_text
from tests.support.archive import voice

RATES = (8_000, 16_000, 22_050, 24_414, 44_100, 48_000)


def write_run(folder: Path, *overrides: str) -> Run:
    """Write a run of a model with random weights, whose clips are nowhere."""
    words = ["dataset=folder", "dataset.root=/nowhere", "dataset.labels=[sad,angry,happy]"]
    with composed("train", [*words, f"cache_dir={folder.parent / 'cache'}", *overrides]) as config:
        torch.manual_seed(0)
        model = build_model(config)
        write_text(folder / "config.yaml", config.yaml())
    model.set_normalisation(-40, 20)
    model.temperature.fill_(1.5)
    for name, value in model.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(std=0.1)
    run = Run(folder)
    write_checkpoint(run.best, {"state_dict": model.state_dict(), "labels": list(model.labels)})
    write_text(folder / "split.csv", "path,corpus,speaker,emotion,subset\na.wav,own,x,sad,train\n")
    write_json(folder / "environment.json", {"licences": {"own": "none"}})
    return run


def clips(rates: Sequence[int] = RATES) -> list[tuple[Wave, int]]:
    """Return voices of several lengths, one a native rate, and a silent one."""
    made = [(voice(0.4 + 0.3 * place, rate, seed=place), rate) for place, rate in enumerate(rates)]
    return [*made, (np.zeros(4_000, dtype=np.float32), 16_000)]
