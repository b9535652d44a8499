"""One file adds one thing: a dataset and a model outside the package, as in the README."""

from pathlib import Path

import pytest
import soundfile as sf

from emotion.cli.main import run
from emotion.data.corpora.synthetic import synthesise_corpus
from emotion.runs.run import Run

DATASET = """
defaults: [base, _self_]
root: {root}
readers:
  mine:
    _target_: emotion.data.corpora.readers.PatternReader
    corpus: mine
    pattern: '(?P<speaker>\\w+)-(?P<emotion>\\w+)-\\d+\\.wav$'
    emotions: {{ang: angry, hap: happy, neu: neutral, sad: sad}}
"""

MODEL_CODE = '''
from torch import Tensor, nn
from emotion.models.base import EmotionClassifier

class Bands(EmotionClassifier):
    """Averages every band over time."""

    def __init__(self, **shared):
        super().__init__(**shared)
        self.head = nn.Linear(self.features.rows, len(self.labels))

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:  # (B, 1, M, F), (B,) -> (B, M)
        return image.mean(dim=(1, 3))
'''

MODEL = """
# @package _global_
defaults: [/model/base@model, _self_]
model: {_target_: mine_models.Bands}
recipe: {max_epochs: 2, batch_size: 16}
"""


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Clips of four synthetic speakers, with file names of a user."""
    synthesise_corpus(tmp_path / "voices", speakers=4, sentences=2, jobs=1)
    codes = {"angry": "ang", "happy": "hap", "neutral": "neu", "sad": "sad"}
    target = tmp_path / "recordings"
    target.mkdir()
    for file in sorted((tmp_path / "voices").glob("*.wav")):
        speaker, _, sentence, emotion = file.stem.split("_")
        if emotion in codes:
            samples, rate = sf.read(file)
            sf.write(target / f"{speaker}-{codes[emotion]}-{sentence}.wav", samples, rate)
    return target


def test_a_dataset_and_a_model_are_one_file_each(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    for group, name, text in (
        ("dataset", "mine", DATASET.format(root=recordings)),
        ("model", "bands", MODEL),
    ):
        (mine / group).mkdir(parents=True)
        (mine / group / f"{name}.yaml").write_text(text)
    (tmp_path / "mine_models.py").write_text(MODEL_CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "run"
    words = ["--config-dir", str(mine), "dataset=mine", "model=bands"]
    labels = "dataset.labels=[angry,happy,neutral,sad]"
    outputs = [f"output_root={tmp_path}/outputs", f"hydra.run.dir={folder}", labels]
    assert run(["train", *words, *outputs]) == 0
    assert Run(folder).metrics["test"]["n"] == 8
    assert run(["predict", f"run={folder}", f"output={tmp_path}/o.csv", str(recordings)]) == 0


def test_one_folder_per_class_needs_no_yaml(recordings: Path, tmp_path: Path) -> None:
    for file in recordings.glob("*.wav"):
        emotion = file.stem.split("-")[1]
        (tmp_path / "classes" / emotion).mkdir(parents=True, exist_ok=True)
        file.rename(tmp_path / "classes" / emotion / file.name)
    folder = tmp_path / "run"
    own = ["dataset=folder", f"dataset.root={tmp_path}/classes", r"dataset.speaker=S\d+"]
    outputs = [f"output_root={tmp_path}/outputs", f"hydra.run.dir={folder}"]
    assert run(["train", *own, *outputs, "trainer.max_epochs=1"]) == 0
    assert Run(folder).labels == ("sad", "ang", "hap", "neu")
    one = ["dataset=folder", f"dataset.root={tmp_path}/classes", "trainer.max_epochs=1"]
    assert run(["train", *one, f"output_root={tmp_path}/outputs"]) == 1
    assert run(["train", *one, f"output_root={tmp_path}/outputs", "split=random"]) == 0
