"""The profile of a run's training clips: computed once, saved, none if clips are missing."""

import types
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile as sf

from emotion.errors import RunError
from emotion.inference import training_profile
from emotion.inference.training_profile import load_or_compute_profile
from tests.support.fake_model import LABELS, FakeModel, noise

RATE = 8000
CLIPS = 20


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """A run folder with training and validation clips of three classes."""
    rows = []
    for index in range(2 * CLIPS):
        name = f"{index}.wav"
        sf.write(tmp_path / name, noise(0.5 + index / 100, seed=index), RATE)
        subset = "train" if index < CLIPS else "val"
        rows.append({"path": name, "emotion": LABELS[index % 4 % 3], "subset": subset})
    return types.SimpleNamespace(
        folder=tmp_path,
        labels=LABELS,
        split=pd.DataFrame(rows),
        clips_root=tmp_path,
        settings=types.SimpleNamespace(
            preprocessing={"sample_rate": RATE},
            trainer=types.SimpleNamespace(class_weights=False),
        ),
    )


def test_profile_is_computed_once_and_saved(run: Any) -> None:
    first = load_or_compute_profile(run, FakeModel)
    assert first is not None
    assert first.sample_rate == (RATE, RATE)
    assert 0.5 <= first.seconds[0] < first.seconds[1] <= 0.7
    assert first.priors == {"sad": 0.5, "angry": 0.25, "happy": 0.25}

    def fail() -> FakeModel:
        raise AssertionError("the profile was computed again")

    second = load_or_compute_profile(run, fail)
    assert second is not None
    assert second.priors == first.priors


def test_class_weights_make_the_priors_uniform(run: Any) -> None:
    run.settings.trainer.class_weights = True
    profile = load_or_compute_profile(run, FakeModel)
    assert profile is not None
    assert set(profile.priors.values()) == {1 / 3}


def test_unreadable_clips_are_left_out(run: Any) -> None:
    (run.folder / "3.wav").write_text("no audio")
    assert load_or_compute_profile(run, FakeModel) is not None


def test_too_few_clips_give_no_profile(run: Any) -> None:
    for index in range(CLIPS - training_profile.MIN_CLIPS + 1):
        (run.folder / f"{index}.wav").unlink()
    assert load_or_compute_profile(run, FakeModel) is None
    assert not (run.folder / training_profile.FILE).exists()


def test_damaged_profile_is_an_error(run: Any) -> None:
    (run.folder / training_profile.FILE).write_text("{}")
    with pytest.raises(RunError, match=r"profile\.json is damaged .*Delete it"):
        load_or_compute_profile(run, FakeModel)
