"""Small runs with random weights, to predict with and to export."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from emotion.audio.decode import Wave
from emotion.config.composition import compose, to_yaml
from emotion.models.build import build_model
from emotion.runs.checkpoints import write_checkpoint
from emotion.runs.run import Run
from emotion.utils.files import file_digest, write_json, write_text
from tests.support.archive import voice

RATES = (8_000, 16_000, 22_050, 24_414, 44_100, 48_000)


def write_run(folder: Path, *overrides: str) -> Run:
    """Write a run of a model with random weights, whose clips do not exist."""
    words = ["dataset=folder", "dataset.root=/nowhere", "dataset.labels=[sad,angry,happy]"]
    cache = f"cache_dir={folder.parent / 'cache'}"
    settings = compose("train", [*words, cache, *overrides]).settings
    torch.manual_seed(0)
    model = build_model(settings.model, settings.labels)
    write_text(folder / "config.yaml", to_yaml(settings))
    model.set_normalisation(-40, 20)
    model.temperature.fill_(1.5)
    for name, value in model.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(std=0.1)
    run = Run(folder)
    write_checkpoint(run.best, {"state_dict": model.state_dict(), "labels": list(model.labels)})
    write_text(folder / "split.csv", "path,corpus,speaker,emotion,subset\na.wav,own,x,sad,train\n")
    digest = file_digest(folder / "split.csv")
    described = {"licences": {"own": "none"}, "fingerprints": {"split": digest}}
    write_json(folder / "environment.json", described)
    return run


def clips(rates: Sequence[int] = RATES) -> list[tuple[Wave, int]]:
    """Return voices of several lengths, one per native rate, and a silent clip."""
    voices = [(voice(0.4 + 0.3 * seed, rate, seed=seed), rate) for seed, rate in enumerate(rates)]
    return [*voices, (np.zeros(4_000, dtype=np.float32), 16_000)]
