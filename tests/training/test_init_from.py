"""Runs that start from the weights of another run, as when a user adapts it to a few clips."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile
import torch

from emotion.cli.main import run
from emotion.config.composition import value_at
from emotion.data.labels import DEFAULT_LABELS
from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.references import references
from emotion.runs.run import Run
from emotion.training import session
from emotion.training.callbacks.progress import EpochProgress
from emotion.utils.tables import read_table
from tests.support.archive import write_clip
from tests.support.trained import Train

Adapt = Callable[..., Run]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose model and preprocessing are not the default ones."""
    root = tmp_path_factory.mktemp("source")
    words = [
        *("dataset.generate.speakers=6", "dataset.generate.sentences=3", "trainer.max_epochs=1"),
        *("preprocessing=speech_16k", "model.channels=[4,8,8,8]", "model.features.n_mels=40"),
        *(f"output_root={root}", f"hydra.run.dir={root}/run"),
    ]
    assert run(["train", *words]) == 0
    return Run(root / "run")


@pytest.fixture(scope="module")
def voice(source: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per class, with the clips of a speaker that the source was not trained on."""
    root = tmp_path_factory.mktemp("voice")
    test = source.split[source.split["subset"] == "test"]
    for _, clip in test[test["speaker"] == test["speaker"].iloc[0]].iterrows():
        (root / clip["emotion"]).mkdir(exist_ok=True)
        shutil.copy(Path(source.settings.dataset["root"]) / clip["path"], root / clip["emotion"])
    assert sorted(path.name for path in root.iterdir()) == sorted(DEFAULT_LABELS)
    return root


@pytest.fixture
def adapt(source: Run, tmp_path: Path) -> Adapt:
    """Return a function that adapts the source and returns the new run."""

    def start(root: Path, *words: str, code: int = 0) -> Run:
        folder = tmp_path / "adapted"
        given = ["experiment=adapt", f"init_from={source.folder}", f"dataset.root={root}"]
        outputs = [f"output_root={tmp_path}", f"hydra.run.dir={folder}", "trainer.max_epochs=3"]
        assert run(["train", *given, *outputs, "logger=[]", *words]) == code
        return Run(folder)

    return start


def state_of(run: Run) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(run.best)["state_dict"]
    return state


def changed(one: Run, other: Run) -> set[str]:
    """Return the names of the weights and statistics in which two runs differ."""
    a, b = state_of(one), state_of(other)
    assert a.keys() == b.keys()
    return {name for name in a if not torch.equal(a[name], b[name])}


def test_an_adapted_run_keeps_model_preprocessing_classes_and_temperature(
    source: Run, voice: Path, adapt: Adapt
) -> None:
    adapted = adapt(voice, "trainer.frozen=body")
    for key in ("model", "preprocessing", "dataset.labels"):
        assert value_at(adapted.settings, key) == value_at(source.settings, key), key
    assert adapted.environment["choices"]["preprocessing"] == "speech_16k"
    assert adapted.folder.resolve() / "config.yaml" in references(source.folder)
    assert state_of(source)["temperature"] != 1
    assert changed(adapted, source) == {"head.weight", "head.bias"}
    assert adapted.environment["licences"] == source.environment["licences"]


def test_frozen_norms_keep_their_statistics_and_their_weights_are_trained(
    source: Run, voice: Path, adapt: Adapt
) -> None:
    adapted = adapt(voice, "trainer.frozen=norms")
    names = changed(adapted, source)
    assert "blocks.0.weight" in names
    assert not [name for name in names if "running" in name or "num_batches" in name]
    assert not names & {"temperature", "mean", "deviation"}


def test_the_weights_of_a_class_without_clips_do_not_change(
    source: Run, voice: Path, adapt: Adapt, tmp_path: Path
) -> None:
    for label in ("angry", "happy", "sad"):
        shutil.copytree(voice / label, tmp_path / "three" / label)
    adapted = adapt(tmp_path / "three", "trainer.frozen=body")
    assert adapted.labels == source.labels
    for index, label in enumerate(source.labels):
        weight, before = (state_of(each)["head.weight"][index] for each in (adapted, source))
        assert torch.equal(weight, before) == (label not in ("angry", "happy", "sad")), label


def test_a_class_that_the_source_does_not_have_gets_a_new_head(
    source: Run, voice: Path, adapt: Adapt, tmp_path: Path
) -> None:
    shutil.copytree(voice / "sad", tmp_path / "two" / "sad")
    shutil.copytree(voice / "happy", tmp_path / "two" / "bored")
    adapted = adapt(tmp_path / "two")
    assert adapted.labels == ("sad", "bored")
    assert adapted.settings.model == source.settings.model
    assert "has no class bored: the head is new" in (adapted.folder / "train.log").read_text()


def test_speakers_of_the_initial_weights_are_no_test_speakers(
    source: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    voices = source.split.groupby("subset")["speaker"].unique()

    def start(name: str, test: str, before: Run, *words: str) -> int:
        """Train from a run on one of its training speakers, and test on another one."""
        file = tmp_path / f"{name}.csv"
        subset = source.split["speaker"].map({voices["train"][0]: "train", test: "test"})
        source.split.assign(subset=subset.fillna("")).to_csv(file, index=False)
        given = [f"init_from={before.folder}", f"hydra.run.dir={tmp_path / name}", "logger=[]"]
        given += ["dataset.generate.speakers=6", "dataset.generate.sentences=3"]
        given += [f"dataset.root={source.settings.dataset['root']}", f"output_root={tmp_path}"]
        given += ["split=file", f"split.path={file}", "split.val_fraction=0", "trainer.keep=last"]
        return run(["train", *given, "trainer.max_epochs=1", *words])

    assert start("clean", voices["test"][0], source) == 0
    clean = Run(tmp_path / "clean")
    assert clean.metrics["leaks"] is False
    for speaker in (voices["train"][1], voices["val"][0]):
        capfd.readouterr()
        assert start("refused", speaker, source) == 1
        assert (
            f"{speaker} in test and in the training clips of the initial weights"
            in capfd.readouterr().err
        )
        assert not (tmp_path / "refused").exists()
    assert start("grandchild", voices["train"][1], clean) == 1, "the first run was"
    assert start("marked", voices["train"][1], clean, "split.allow_leak=true") == 0
    assert Run(tmp_path / "marked").leaks
    assert "LEAKS" in (tmp_path / "marked" / "report.html").read_text(encoding="utf-8")


def test_every_clip_is_trained_on_and_none_is_tested(voice: Path, adapt: Adapt) -> None:
    adapted = adapt(voice)
    assert set(adapted.split["subset"]) == {"train"}
    assert adapted.finished
    assert not {"val", "test"} & set(adapted.metrics)
    history = pd.read_csv(adapted.folder / "history.csv")
    assert len(history) == 3
    assert history[["train_loss", "train_uar"]].notna().all(axis=None)
    assert history["train_loss"].nunique() == 3, "the metrics of an epoch are its own"


def test_an_adapted_run_is_evaluated_and_predicts(
    voice: Path, adapt: Adapt, tmp_path: Path
) -> None:
    adapted = adapt(voice)
    output = tmp_path / "out.csv"
    assert run(["predict", f"run={adapted.folder}", f"inputs={voice}", f"output={output}"]) == 0
    columns = {f"p_{label}": "float64" for label in adapted.labels}
    predicted = read_table(output, columns).set_index("path")
    words = ["dataset=folder", f"dataset.root={voice}", f"output_root={tmp_path}"]
    assert run(["evaluate", f"run={adapted.folder}", *words]) == 0
    folder = adapted.folder / "evaluate" / "folder"
    evaluated = read_table(folder / "predictions.csv", columns)
    evaluated.index = [str(voice / path) for path in evaluated["path"]]
    names = list(columns)
    difference = evaluated[names] - predicted.loc[evaluated.index, names]
    assert abs(difference).to_numpy().max() < 1e-5
    metrics = json.loads((folder / "metrics.json").read_text())["test"]
    assert metrics["calibration"]["temperature"] == float(state_of(adapted)["temperature"])


def test_an_interrupted_adaptation_is_resumed_to_the_same_weights(
    voice: Path, adapt: Adapt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: EpochProgress, trainer: object, *_: object) -> None:
        if trainer.current_epoch == 1:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGINT)

    whole = adapt(voice)
    kept = whole.folder.rename(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_start", interrupt)
        broken = adapt(voice, code=130)
    assert run(["train", f"resume={broken.folder}", f"output_root={tmp_path}"]) == 0
    assert Run(broken.folder).finished
    assert changed(broken, Run(kept)) == set()


def test_single_settings_of_the_model_change_those_of_the_source(
    source: Run, voice: Path, adapt: Adapt
) -> None:
    adapted = adapt(voice, "model.augment.time_shift=null", "recipe.batch_size=7")
    model = source.settings.model
    assert model["augment"]["time_shift"] is not None
    assert adapted.settings.model == {**model, "augment": {**model["augment"], "time_shift": None}}
    assert adapted.settings.recipe.batch_size == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model=cnn",), "Remove model=… and preprocessing=…"),
        (("preprocessing=cs334",), "Remove model=… and preprocessing=…"),
        (("+model.colour=0.5",), "has no setting 'model.colour'"),
        (("trainer.frozen=head",), "trainer.frozen=head is not valid: choose norms, body or null"),
        (("trainer.keep=best",), "Set trainer.keep=last"),
        (("init_from=null",), "Set init_from=RUN"),
        (("init_from=/nowhere",), "there is no run folder /nowhere"),
    ],
)
def test_settings_that_cannot_be_adapted_are_refused(
    voice: Path,
    adapt: Adapt,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    adapt(voice, *words, code=1)
    assert message in capsys.readouterr().err


def test_one_class_alone_is_refused(
    adapt: Adapt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "me" / "sad" / "0.wav")
    adapt(tmp_path / "me", code=1)
    assert "there is one class, sad" in capsys.readouterr().err


def test_the_other_run_is_opened_once_and_its_weights_are_read_once(
    voice: Path, source: Run, adapt: Adapt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> dict[str, Any]:
        read.append(path)
        return read_checkpoint(path)

    monkeypatch.setattr(session, "read_checkpoint", counted)
    adapted = adapt(voice, "trainer.max_epochs=1")
    assert read == [source.best]
    assert adapted.settings.init_from == str(source.folder)
    (adapted.folder / "metrics.json").unlink()
    assert run(["train", f"resume={adapted.folder}", f"output_root={tmp_path}"]) == 0
    assert read == [source.best], "a resumed run has weights of its own"


def test_a_run_starts_with_a_lower_loss_from_the_weights_of_another(
    finished: Run, train: Train
) -> None:
    child = train(f"init_from={finished.folder}", "trainer.max_epochs=1")
    first = pd.read_csv(child.folder / "history.csv")["train_loss"][0]
    assert first < pd.read_csv(finished.folder / "history.csv")["train_loss"][0]
    assert child.settings.model == finished.settings.model
    words = ["dataset.labels=[angry,sad]", "trainer.max_epochs=1"]
    assert train(f"init_from={finished.folder}", *words).labels == ("angry", "sad")


@pytest.mark.slow
def test_five_clips_per_class_of_an_unusual_voice_raise_its_score(tmp_path: Path) -> None:
    outputs = [f"output_root={tmp_path}", "logger=csv"]
    own = ["dataset.generate.speakers=8", "dataset.generate.sentences=20", "trainer.max_epochs=12"]
    assert run(["train", *outputs, *own, f"hydra.run.dir={tmp_path}/source"]) == 0
    source = Run(tmp_path / "source")
    test = source.split[source.split["subset"] == "test"]
    test = test[test["speaker"] == test["speaker"].iloc[0]]
    for label, clips in test.groupby("emotion"):
        for number, path in enumerate(clips["path"]):
            wave, rate = soundfile.read(Path(source.settings.dataset["root"]) / path)
            folder = tmp_path / ("given" if number < 5 else "evaluated") / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / Path(path).name, wave, round(1.3 * rate))  # higher, and faster
    given = [f"dataset.root={tmp_path}/given", f"hydra.run.dir={tmp_path}/adapted"]
    words = ["experiment=adapt", f"init_from={source.folder}", *given]
    assert run(["train", *outputs, *words]) == 0
    scores = []
    for each in (source, Run(tmp_path / "adapted")):
        words = ["dataset=folder", f"dataset.root={tmp_path}/evaluated"]
        assert run(["evaluate", f"run={each.folder}", f"output_root={tmp_path}", *words]) == 0
        found = json.loads((each.folder / "evaluate" / "folder" / "metrics.json").read_text())
        scores.append(found["test"]["uar"])
    assert scores[1] > scores[0] + 0.05, scores
