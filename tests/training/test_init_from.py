"""A run that starts from another's weights: a few clips of one voice, as a user adapts to it."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import soundfile
import torch

from emotion.cli.main import run
from emotion.data.labels import DEFAULT
from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.run import Run, training_clips
from emotion.utils.tables import read_table
from tests.support.archive import write_clip

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
    """A folder a class with the clips of one speaker whom the source never heard."""
    root = tmp_path_factory.mktemp("voice")
    test = source.split[source.split["subset"] == "test"]
    for _, clip in test[test["speaker"] == test["speaker"].iloc[0]].iterrows():
        (root / clip["emotion"]).mkdir(exist_ok=True)
        shutil.copy(Path(source.config["dataset.root"]) / clip["path"], root / clip["emotion"])
    assert sorted(path.name for path in root.iterdir()) == sorted(DEFAULT)
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


def state_of(of: Run) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(of.best)["state_dict"]
    return state


def changed(one: Run, other: Run) -> set[str]:
    """Return which weights and statistics of two runs differ."""
    a, b = state_of(one), state_of(other)
    assert a.keys() == b.keys()
    return {name for name in a if not torch.equal(a[name], b[name])}


def test_adapted_run_keeps_model_sounds_classes_and_calibration(
    source: Run, voice: Path, adapt: Adapt
) -> None:
    adapted = adapt(voice, "trainer.frozen=body")
    for key in ("model", "preprocessing", "dataset.labels"):
        assert adapted.config[key] == source.config[key], key
    assert adapted.environment["choices"]["preprocessing"] == "speech_16k"
    assert state_of(source)["temperature"] != 1
    assert changed(adapted, source) == {"head.weight", "head.bias"}
    assert adapted.environment["licences"] == source.environment["licences"]


def test_frozen_norms_keep_their_statistics_while_weights_learn(
    source: Run, voice: Path, adapt: Adapt
) -> None:
    adapted = adapt(voice, "trainer.frozen=norms")
    names = changed(adapted, source)
    assert "blocks.0.weight" in names
    assert not [name for name in names if "running" in name or "num_batches" in name]
    assert not names & {"temperature", "mean", "deviation"}


def test_class_without_clips_is_not_unlearned(
    source: Run, voice: Path, adapt: Adapt, tmp_path: Path
) -> None:
    for label in ("angry", "happy", "sad"):
        shutil.copytree(voice / label, tmp_path / "some" / label)
    adapted = adapt(tmp_path / "some", "trainer.frozen=body")
    assert adapted.labels == source.labels
    for place, label in enumerate(source.labels):
        weight, before = (state_of(each)["head.weight"][place] for each in (adapted, source))
        assert torch.equal(weight, before) == (label not in ("angry", "happy", "sad")), label


def test_class_that_the_source_does_not_know_gets_a_new_head(
    source: Run, voice: Path, adapt: Adapt, tmp_path: Path
) -> None:
    shutil.copytree(voice / "sad", tmp_path / "some" / "sad")
    shutil.copytree(voice / "happy", tmp_path / "some" / "bored")
    adapted = adapt(tmp_path / "some")
    assert adapted.labels == ("sad", "bored")
    assert adapted.config["model"] == source.config["model"]
    assert "bored is new to" in (adapted.folder / "train.log").read_text()


def test_speakers_whom_the_weights_have_heard_test_nothing(
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
        given += [f"dataset.root={source.config['dataset.root']}", f"output_root={tmp_path}"]
        given += ["split=file", f"split.path={file}", "split.val_fraction=0", "trainer.keep=last"]
        return run(["train", *given, "trainer.max_epochs=1", *words])

    never = voices["test"][0]
    assert start("clean", never, source) == 0
    clean = Run(tmp_path / "clean")
    assert clean.metrics["leaks"] is False
    for before, heard in ((source, voices["train"][1]), (source, voices["val"][0])):
        capfd.readouterr()
        assert start("refused", heard, before) == 1
        assert f"{heard} in test and in what the weights learned" in capfd.readouterr().err
        assert not (tmp_path / "refused").exists()
    assert start("grandchild", voices["train"][1], clean) == 1, "its parent never heard them"
    assert start("marked", voices["train"][1], clean, "split.allow_leak=true") == 0
    assert Run(tmp_path / "marked").leaks
    assert "LEAKS" in (tmp_path / "marked" / "report.html").read_text(encoding="utf-8")
    kept = training_clips(clean)
    source.folder.rename(tmp_path / "moved")
    lost = training_clips(clean)
    (tmp_path / "moved").rename(source.folder)
    assert "is gone: whether it learned from test clips is not known" in capfd.readouterr().err
    assert set(lost["path"]) == set(clean.split["path"][clean.split["subset"] == "train"])
    assert len(kept) > len(lost)


def test_every_clip_trains_and_nothing_is_judged(voice: Path, adapt: Adapt) -> None:
    adapted = adapt(voice)
    assert set(adapted.split["subset"]) == {"train"}
    assert adapted.finished
    assert not {"val", "test"} & set(adapted.metrics)
    history = pd.read_csv(adapted.folder / "history.csv")
    assert len(history) == 3
    assert history[["train_loss", "train_uar"]].notna().all(axis=None)
    assert history["train_loss"].nunique() == 3, "each epoch is counted by itself"


def test_adapted_run_predicts_and_is_evaluated(voice: Path, adapt: Adapt, tmp_path: Path) -> None:
    adapted = adapt(voice)
    output = tmp_path / "out.csv"
    assert run(["predict", f"run={adapted.folder}", f"inputs={voice}", f"output={output}"]) == 0
    chances = {f"p_{label}": "float64" for label in adapted.labels}
    told = read_table(output, chances).set_index("path")
    words = ["dataset=folder", f"dataset.root={voice}", f"output_root={tmp_path}"]
    assert run(["evaluate", f"run={adapted.folder}", *words]) == 0
    folder = adapted.folder / "evaluate" / "folder"
    judged = read_table(folder / "predictions.csv", chances)
    judged.index = [str(voice / path) for path in judged["path"]]
    names = list(chances)
    assert abs(judged[names] - told.loc[judged.index, names]).to_numpy().max() < 1e-5
    figures = json.loads((folder / "metrics.json").read_text())["test"]
    assert figures["calibration"]["temperature"] == float(state_of(adapted)["temperature"])


def test_interrupted_adaptation_goes_on_to_the_same_weights(
    voice: Path, adapt: Adapt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotion.training.callbacks.progress import EpochProgress

    def interrupt(self: EpochProgress, trainer: object, *_: object) -> None:
        if trainer.current_epoch == 1:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGINT)

    whole = adapt(voice)
    kept = whole.folder.rename(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_start", interrupt)
        broken = adapt(voice, code=130)
    assert run(["train", f"resume={broken.folder}", f"output_root={tmp_path}"]) == 0
    assert broken.finished
    assert changed(broken, Run(kept)) == set()


def test_settings_of_the_model_change_the_source_s(source: Run, voice: Path, adapt: Adapt) -> None:
    adapted = adapt(voice, "model.augment.time_shift=null", "recipe.batch_size=7")
    theirs = source.config["model"]
    assert theirs["augment"]["time_shift"] is not None
    theirs["augment"]["time_shift"] = None
    assert adapted.config["model"] == theirs
    assert adapted.config["recipe.batch_size"] == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model=cnn",), "Leave out model=… and preprocessing=…"),
        (("preprocessing=cs334",), "Leave out model=… and preprocessing=…"),
        (("+model.colour=0.5",), "has no setting 'model.colour'"),
        (("trainer.frozen=head",), "trainer.frozen='head': choose norms, body or null"),
        (("trainer.keep=best",), "trainer.keep=last keeps the last"),
        (("init_from=null",), "Set init_from=RUN"),
        (("init_from=/nowhere",), "there is no run folder /nowhere"),
    ],
)
def test_what_cannot_be_adapted_is_said_in_a_line(
    voice: Path, adapt: Adapt, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    adapt(voice, *words, code=1)
    assert said in capsys.readouterr().err


def test_one_class_alone_adapts_nothing(
    adapt: Adapt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "me" / "sad" / "0.wav")
    adapt(tmp_path / "me", code=1)
    assert "there is one class, sad" in capsys.readouterr().err


@pytest.mark.slow
def test_five_clips_a_class_of_a_strange_voice_raise_its_score(tmp_path: Path) -> None:
    outputs = [f"output_root={tmp_path}", "logger=csv"]
    own = ["dataset.generate.speakers=8", "trainer.max_epochs=12"]
    assert run(["train", *outputs, *own, f"hydra.run.dir={tmp_path}/source"]) == 0
    source = Run(tmp_path / "source")
    test = source.split[source.split["subset"] == "test"]
    test = test[test["speaker"] == test["speaker"].iloc[0]]
    for label, clips in test.groupby("emotion"):
        for number, path in enumerate(clips["path"]):
            wave, rate = soundfile.read(Path(source.config["dataset.root"]) / path)
            place = tmp_path / ("given" if number < 5 else "judged") / str(label) / Path(path).name
            place.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(place, wave, round(1.3 * rate))  # higher, and faster
    given = [f"dataset.root={tmp_path}/given", f"hydra.run.dir={tmp_path}/adapted"]
    words = ["experiment=adapt", f"init_from={source.folder}", *given]
    assert run(["train", *outputs, *words]) == 0
    scores = []
    for each in (source, Run(tmp_path / "adapted")):
        judged = ["dataset=folder", f"dataset.root={tmp_path}/judged"]
        assert run(["evaluate", f"run={each.folder}", f"output_root={tmp_path}", *judged]) == 0
        found = json.loads((each.folder / "evaluate" / "folder" / "metrics.json").read_text())
        scores.append(found["test"]["uar"])
    assert scores[1] > scores[0] + 0.05, scores
