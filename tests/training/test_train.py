"""Whole runs on a few synthetic voices, as a user starts them."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Trainer
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from emotion.audio.decode import decode
from emotion.cli.evaluate import ask
from emotion.cli.main import run
from emotion.config.composition import composed
from emotion.data.datamodule import build_datamodule
from emotion.data.splits.protocols import FileSplit
from emotion.inference.load_models import open_predictor
from emotion.runs.load_model import open_model
from emotion.runs.run import Run, find_run
from emotion.runtime.stream import Stream
from emotion.training.ema import moving_average
from emotion.training.threads import threads_as_started
from emotion.utils.tables import read_table
from tests.runs.test_checkpoints import DAMAGES
from tests.support.archive import write_clip

CONTRACT = [
    "config.yaml",
    "environment.json",
    "split.csv",
    "skipped.csv",
    "metrics.json",
    "predictions.csv",
    "timing.json",
    "report.html",
    "confusion.png",
    "train.log",
    "history.csv",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
    "checkpoints/best.ckpt.sha256",
]

Train = Callable[..., Run]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Settings of a run that takes two seconds."""
    root = tmp_path_factory.mktemp("outputs")
    return [
        f"output_root={root}",
        "dataset.generate.speakers=6",
        "dataset.generate.sentences=3",
        "trainer.max_epochs=2",
        "loader.batch_size=16",
    ]


@pytest.fixture(scope="module")
def train(base: list[str], tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Return a function that trains and returns the run."""

    def start(*words: str, code: int = 0) -> Run:
        folder = tmp_path_factory.mktemp("run") / "it"
        assert run(["train", *base, f"hydra.run.dir={folder}", *words]) == code
        return Run(folder)

    return start


@pytest.fixture(scope="module")
def finished(train: Train) -> Run:
    return train()


def test_run_leaves_every_file_of_the_contract(finished: Run) -> None:
    assert [name for name in CONTRACT if not (finished.folder / name).is_file()] == []
    assert list((finished.folder / "tensorboard").glob("events.*"))
    assert not list(finished.folder.rglob("*.partial"))


def test_figures_are_those_of_scikit_learn(finished: Run) -> None:
    table, test = finished.predictions, finished.metrics["test"]
    assert test["n"] == len(table)
    assert test["wa"] == pytest.approx(accuracy_score(table.target, table.predicted))
    assert test["uar"] == pytest.approx(balanced_accuracy_score(table.target, table.predicted))
    assert test["macro_f1"] == pytest.approx(
        f1_score(table.target, table.predicted, average="macro")
    )
    labels = sorted(finished.labels)
    chances = table[[f"p_{label}" for label in labels]].to_numpy()
    assert np.allclose(chances.sum(1), 1)
    assert test["calibration"]["loss"] == pytest.approx(
        log_loss(table.target, chances, labels=labels)
    )


def test_split_file_says_who_was_where(finished: Run) -> None:
    split = finished.split
    test = split[split["subset"] == "test"]
    assert sorted(test["path"]) == sorted(finished.predictions["path"])
    assert not set(test["speaker"]) & set(split["speaker"][split["subset"] != "test"])


def test_same_seed_gives_the_same_files(finished: Run, train: Train) -> None:
    again = train()
    for name in ("predictions.csv", "metrics.json", "split.csv", "history.csv"):
        assert (again.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name


def test_other_seed_gives_another_run(finished: Run, train: Train) -> None:
    other = train("seed=1")
    assert (other.folder / "history.csv").read_bytes() != (
        finished.folder / "history.csv"
    ).read_bytes()


def test_existing_run_is_never_overwritten(
    finished: Run, base: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    before = (finished.folder / "config.yaml").stat().st_mtime_ns
    assert run(["train", *base, f"hydra.run.dir={finished.folder}"]) == 1
    assert "holds a run already" in capfd.readouterr().err
    assert (finished.folder / "config.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize("words", [(), ("experiment=best",)], ids=["plain", "averaged weights"])
def test_interrupted_run_goes_on_to_the_same_bytes(
    words: tuple[str, ...],
    finished: Run,
    train: Train,
    base: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from emotion.training.callbacks.progress import EpochProgress

    def interrupt(self: EpochProgress, trainer: object, *_: object) -> None:
        if trainer.current_epoch == 1:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGINT)

    whole = train(*words) if words else finished
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_start", interrupt)
        broken = train(*words, code=130)
    assert not (broken.folder / "metrics.json").exists()
    assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    log = (broken.folder / "train.log").read_text()
    assert "resumed at epoch 1, step 6" in log, "the step that the signal came in is kept"
    for name in ("predictions.csv", "metrics.json", "split.csv", "history.csv"):
        assert (broken.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_corpora_of_other_classes_train_together(archive: Path, tmp_path: Path) -> None:
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
    assert losses[0] < unmasked[0], "fewer classes to tell apart"


@pytest.mark.parametrize(("keep", "epoch"), [("best", 0), ("last", 1)])
def test_the_epoch_that_is_kept_is_the_best_or_the_last(
    train: Train, keep: str, epoch: int
) -> None:
    first_is_best = "{monitor: train/loss, mode: max, patience: 9}"
    kept = train(f"trainer.keep={keep}", f"trainer.early_stopping={first_is_best}")
    assert kept.metrics["best_epoch"] == epoch


def test_an_order_of_memory_for_no_device_is_refused(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    train("trainer.channels_last=inner", code=1)
    assert "trainer.channels_last='inner': choose true, false, cpu" in capsys.readouterr().err


@pytest.mark.parametrize(("wanted", "inner"), [("cpu", True), ("cuda", False)])
def test_maps_have_their_channels_innermost_on_the_device_that_is_named(
    train: Train, wanted: str, inner: bool
) -> None:
    trained = train(f"trainer.channels_last={wanted}", "trainer.max_epochs=1")
    weights = torch.load(trained.best, weights_only=False)["state_dict"].values()
    kernels = [weight for weight in weights if weight.ndim == 4 and weight.shape[1] > 1]
    assert kernels
    for kernel in kernels:
        assert kernel.is_contiguous(memory_format=torch.channels_last) is inner


def test_another_epoch_to_keep_is_refused(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("trainer.keep=first", code=1)
    assert "trainer.keep='first': choose best or last" in capsys.readouterr().err


def test_averaged_weights_are_those_that_evaluate_finds(train: Train, base: list[str]) -> None:
    averaged = train("trainer.ema_decay=0.9")
    assert run(["evaluate", base[0], f"run={averaged.folder}"]) == 0
    assert (averaged.folder / "evaluate" / "test" / "predictions.csv").read_bytes() == (
        averaged.folder / "predictions.csv"
    ).read_bytes()


def test_a_short_run_averages_none_of_its_first_weights() -> None:
    kept = torch.nn.Linear(3, 3)
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), kept)
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=moving_average(0.99))
    for step in range(1, 401):
        with torch.no_grad():
            model[0].weight.fill_(step)
        average.update_parameters(model)
        if step == 50:
            assert average.module[0].weight.item() > 40, "it holds the last steps, not the first"
    assert 290 < average.module[0].weight.item() < 400, "a hundred steps, as the decay says"
    assert torch.equal(average.module[1].weight, kept.weight)


@pytest.mark.parametrize("decay", [-0.1, 1])
def test_a_decay_that_averages_nothing_is_refused(train: Train, decay: float) -> None:
    assert train(f"trainer.ema_decay={decay}", code=1).metrics == {}


def test_only_test_and_report_are_done_where_only_they_are_missing(
    train: Train, base: list[str], monkeypatch: pytest.MonkeyPatch, finished: Run
) -> None:
    import emotion.training.train

    def break_off(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(emotion.training.train, "write_report", break_off)
        broken = train(code=143)
    best = (broken.folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    assert (broken.folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns == best
    assert "resumed at epoch 2, step 10" in (broken.folder / "train.log").read_text()
    assert broken.finished
    assert (broken.folder / "metrics.json").read_bytes() == (
        finished.folder / "metrics.json"
    ).read_bytes()


def test_finished_run_is_left_alone(finished: Run, base: list[str]) -> None:
    before = (finished.folder / "report.html").stat().st_mtime_ns
    assert run(["train", *base[:1], f"resume={finished.folder}"]) == 0
    assert (finished.folder / "report.html").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint_gives_way_to_the_one_before(
    damage: Callable[[Path], None], base: list[str], finished: Run, tmp_path: Path
) -> None:
    broken = Run(shutil.copytree(finished.folder, tmp_path / "moved"))
    for name in ("report.html", "metrics.json", "predictions.csv"):
        (broken.folder / name).unlink()
    damage(broken.folder / "checkpoints" / "last.ckpt")
    assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    log = (broken.folder / "train.log").read_text()
    assert "last.ckpt is damaged: its checksum does not fit; going on from the one before" in log
    assert "resumed at epoch 1, step 5" in log
    for name in ("predictions.csv", "metrics.json", "history.csv"):
        assert (broken.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name


@pytest.mark.parametrize("words", [(), ("loader.num_workers=1",)], ids=["here", "by a worker"])
def test_run_that_broke_off_within_an_epoch_goes_on_behind_its_last_step(
    words: tuple[str, ...],
    train: Train,
    base: list[str],
    finished: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from emotion.training.callbacks.progress import EpochProgress

    def break_off(self: EpochProgress, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == 9:
            raise RuntimeError("the machine died")

    steps: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_batch_end", break_off)
        broken = train("checkpoint.every_steps=4", *words, code=1)
    with monkeypatch.context() as patch:
        patch.setattr(
            EpochProgress,
            "on_train_batch_end",
            lambda self, trainer, *_: steps.append(trainer.global_step),
        )
        assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    assert "resumed at epoch 1, step 8" in (broken.folder / "train.log").read_text()
    assert steps == [9, 10]
    for name in ("predictions.csv", "metrics.json", "history.csv"):
        assert (broken.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name


def test_checkpoints_after_no_steps_are_refused(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    train("checkpoint.every_steps=0", code=1)
    assert "checkpoint.every_steps=0 must be at least 1" in capsys.readouterr().err


def test_run_goes_on_with_the_threads_that_it_began_with(finished: Run) -> None:
    before = torch.get_num_threads()
    other = SimpleNamespace(environment={"threads": before + 1})
    with threads_as_started(other):  # type: ignore[arg-type]
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_evaluate_gives_the_very_same_figures(finished: Run, base: list[str]) -> None:
    assert run(["evaluate", base[0], f"run={finished.folder}"]) == 0
    again = finished.folder / "evaluate" / "test"
    assert json.loads((again / "metrics.json").read_text())["test"] == finished.metrics["test"]
    assert (again / "predictions.csv").read_bytes() == (
        finished.folder / "predictions.csv"
    ).read_bytes()


def test_how_clips_are_stored_changes_no_figure(finished: Run, base: list[str]) -> None:
    tables = {}
    for storage in ("int16", "float32"):
        settings = finished.config.replaced({"preprocessing.storage": storage})
        data = build_datamodule(
            settings, protocol=FileSplit(path=str(finished.folder / "split.csv"))
        )
        data.setup()
        assert data.cache.dtype == storage
        tables[storage] = ask(finished, settings, data)
    assert abs(tables["int16"].logits - tables["float32"].logits).max() < 1e-2
    figures = [each.figures(1.0) for each in tables.values()]
    assert figures[0]["uar"] == figures[1]["uar"]
    assert figures[0]["wa"] == figures[1]["wa"]


def test_cached_features_give_the_logits_of_live_ones(finished: Run) -> None:
    model = open_model(finished).eval()
    logits = []
    for features in (model.features, None):
        protocol = FileSplit(path=str(finished.folder / "split.csv"))
        data = build_datamodule(finished.config, protocol=protocol)
        data.setup()
        data.place_on(torch.device("cpu"), features)
        batches = [data.on_after_batch_transfer(raw, 0) for raw in data.val_dataloader()]
        assert {batch.x.ndim for batch in batches} == {4 if features else 2}
        with torch.no_grad():
            logits.append(torch.cat([model(batch.x) for batch in batches]))
    torch.testing.assert_close(logits[0], logits[1], atol=1e-3, rtol=0)


@pytest.mark.slow
def test_order_of_memory_and_compiling_change_the_time_not_the_network(
    finished: Run, train: Train
) -> None:
    other = train("trainer.channels_last=true", "trainer.compile=true")
    mine, theirs = (each.predictions.filter(like="p_").astype(float) for each in (finished, other))
    assert abs(mine - theirs).to_numpy().max() < 0.05


def test_evaluate_takes_another_dataset(finished: Run, base: list[str]) -> None:
    other = ["dataset=synthetic", "dataset.generate.seed=5", "dataset.generate.speakers=2"]
    words = [*base[:1], *other, "dataset.generate.sentences=2"]
    assert run(["evaluate", *words, f"run={finished.folder}"]) == 0
    figures = json.loads((finished.folder / "evaluate" / "synthetic" / "metrics.json").read_text())
    assert figures["test"]["n"] == 24


def test_predict_gives_the_probabilities_of_the_test(
    finished: Run, base: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "new" / "out.csv"
    root = finished.config["dataset.root"]
    words = [f"run={finished.folder}", base[0], f"inputs={root}", f"output={output}"]
    assert run(["predict", *words]) == 0
    chances = {f"p_{label}": "float64" for label in finished.labels}
    told = read_table(output, chances)
    assert list(told.columns) == ["path", "predicted", "note", *chances]
    told["path"] = told["path"].str.removeprefix(f"{root}/")
    both = finished.predictions.merge(told, on="path", suffixes=("", "_again"))
    assert len(both) == len(finished.predictions)
    assert (both["predicted"] == both["predicted_again"]).all()
    for name in chances:
        assert np.allclose(both[name], both[f"{name}_again"], atol=1e-5)


def test_a_stream_gives_what_predict_gives_over_time(
    finished: Run, base: list[str], tmp_path: Path
) -> None:
    import soundfile as sf

    root = Path(finished.config["dataset.root"])
    waves, rates = zip(*(decode(root / path) for path in finished.predictions["path"]), strict=True)
    sf.write(tmp_path / "long.flac", np.concatenate(waves), rates[0])
    words = [f"run={finished.folder}", base[0], f"inputs={tmp_path}/long.flac", "timeline=true"]
    assert run(["predict", *words, f"output={tmp_path}/o.csv", "hop_s=0.7"]) == 0
    chances = {f"p_{label}": "float64" for label in finished.labels}
    told = read_table(tmp_path / "o.timeline.csv", chances)
    wave, rate = decode(tmp_path / "long.flac")
    with composed("predict", [f"run={finished.folder}", base[0]]) as config:
        stream = Stream(open_predictor(config), rate, hop_s=0.7)
    cuts = np.cumsum(np.random.default_rng(0).integers(0, 9000, 1000))
    moments = []
    for chunk in np.split(wave, cuts[cuts < len(wave)]):
        moments += stream.feed(chunk)
    moments += stream.close()
    assert [str(moment.start_s) for moment in moments] == list(told["start_s"])
    assert [moment.opinion.note for moment in moments] == list(told["note"])
    fed = np.array([moment.opinion.probabilities for moment in moments])
    assert np.allclose(
        fed, told[list(chances)], atol=1e-6
    )  # batches of other sizes round otherwise


def test_a_runs_clips_are_measured_once_and_only_where_they_are(
    finished: Run, base: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import shutil

    folder = tmp_path / "old"
    shutil.copytree(finished.folder, folder)
    (folder / "profile.json").unlink(missing_ok=True)
    write_clip(tmp_path / "rare.wav", 1.5, rate=1000)
    words = [f"run={folder}", base[0], f"inputs={tmp_path}/rare.wav", "speech_gate=false"]
    notes, measured = [], []
    for _ in range(2):
        assert run(["predict", *words, f"output={tmp_path}/o.csv"]) == 0
        notes.append(read_table(tmp_path / "o.csv")["note"][0])
        told = capfd.readouterr().err
        measured.append("measuring" in told)
        assert "its rate of 1,000 Hz" in told
    assert notes == ["unlike training"] * 2
    assert measured == [True, False]
    (folder / "profile.json").write_text("{}")
    assert run(["predict", *words]) == 1
    (folder / "profile.json").unlink()
    moved = (folder / "config.yaml").read_text().replace(finished.config["dataset.root"], "/none")
    (folder / "config.yaml").write_text(moved)
    assert run(["predict", *words, f"output={tmp_path}/o.csv"]) == 0
    assert read_table(tmp_path / "o.csv")["note"][0] == ""
    assert not (folder / "profile.json").exists()


def test_runs_predict_together_with_the_mean_of_their_probabilities(
    finished: Run, train: Train, base: list[str], tmp_path: Path
) -> None:
    other = train("seed=1", "preprocessing=speech_16k", "model=crnn")
    chances = {f"p_{label}": "float64" for label in finished.labels}
    told = []
    for name in (finished.folder, other.folder, f"[{finished.folder},{other.folder}]"):
        output = tmp_path / f"{len(told)}.csv"
        inputs = f"inputs={finished.config['dataset.root']}"
        assert run(["predict", f"run={name}", base[0], inputs, f"output={output}"]) == 0
        told.append(read_table(output, chances))
    names = list(chances)
    assert not np.allclose(told[0][names], told[1][names], atol=0.01)
    assert np.allclose(told[2][names], (told[0][names] + told[1][names]) / 2, atol=1e-6)
    best = told[2][names].idxmax(axis=1).str.removeprefix("p_")
    assert list(told[2]["predicted"]) == list(best)


def test_runs_of_other_classes_do_not_predict_together(
    finished: Run, train: Train, base: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = train("dataset.labels=[happy,sad]")
    inputs = f"inputs={finished.config['dataset.root']}"
    assert run(["predict", f"run=[{finished.folder},{other.folder}]", base[0], inputs]) == 1
    assert "only of the same classes" in capsys.readouterr().err


def test_an_ensemble_of_nobody_is_refused(
    finished: Run, base: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = f"inputs={finished.config['dataset.root']}"
    assert run(["predict", "run=[]", base[0], inputs]) == 1
    assert "run=[] names no run" in capsys.readouterr().err


def test_odd_names_are_predicted_and_unreadable_files_do_not_stop_the_rest(
    finished: Run, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(finished.config["dataset.root"]) / finished.predictions["path"][0]
    names = ["my clip (1).wav", "a,b.wav", "émotion.wav", "it's #1 [x].wav"]
    for name in names:
        shutil.copy(source, tmp_path / name)
    (tmp_path / "broken.wav").write_text("no audio")
    monkeypatch.chdir(tmp_path)
    assert run(["predict", base[0], f"run={finished.folder}", "output=o.jsonl", *names]) == 0
    rows = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == sorted(names)
    assert run(["predict", base[0], f"run={finished.folder}", "output=o.jsonl", "."]) == 3
    assert len(Path("o.jsonl").read_text().splitlines()) == len(names)


def test_split_all_is_untested(train: Train) -> None:
    last = train("split=all")
    assert "test" not in last.metrics
    assert last.metrics["val"]["n"] > 0
    assert not (last.folder / "predictions.csv").exists()
    assert last.finished


def test_run_starts_from_the_weights_of_another(finished: Run, train: Train) -> None:
    heir = train(f"init_from={finished.folder}", "trainer.max_epochs=1")
    first = pd.read_csv(heir.folder / "history.csv")["train_loss"][0]
    assert first < pd.read_csv(finished.folder / "history.csv")["train_loss"][0]
    other = train(
        f"init_from={finished.folder}", "dataset.labels=[angry,sad]", "trainer.max_epochs=1"
    )
    assert other.labels == ("angry", "sad")


@pytest.mark.parametrize("logger", ["csv", "[csv,tensorboard]"])
def test_loggers_write_where_they_say(train: Train, logger: str) -> None:
    done = train(f"logger={logger}", "trainer.max_epochs=1")
    assert "val/uar" in (done.folder / "csv" / "metrics.csv").read_text()


def test_a_folder_of_one_class_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(8):
        write_clip(tmp_path / "mine" / "sad" / f"{number}.wav", seed=number)
    words = ["dataset=folder", f"dataset.root={tmp_path}/mine", "split=random"]
    assert run(["train", *words, f"output_root={tmp_path}/outputs"]) == 1
    assert "there is one class, sad" in capfd.readouterr().err


def test_debug_trainer_sends_one_batch_through(train: Train) -> None:
    debugged = train("trainer=debug")
    assert not (debugged.folder / "metrics.json").exists()


def test_sweep_table_has_a_row_a_job_failed_ones_too(base: list[str], tmp_path: Path) -> None:
    words = [*base[:3], f"hydra.sweep.dir={tmp_path}", "trainer.max_epochs=1", "-m"]
    assert run(["train", *words, "loader.batch_size=16,0", "loader.num_workers=0,2"]) == 1
    table = read_table(tmp_path / "sweep.csv")
    assert list(table["status"]) == ["done", "done", "failed", "failed"]
    assert float(table["test_uar"][0]) == pytest.approx(float(table["test_uar"][1]))
    assert (table["clips_per_second"][:2].astype(float) > 0).all()
    assert table["cpu_percent"][:2].astype(float).between(1, 100.5).all()
    assert "loader.batch_size=0" in table["error"][2]
    assert not (tmp_path / "2").exists()


def test_latest_is_the_newest_run(base: list[str], tmp_path: Path) -> None:
    words = [f"output_root={tmp_path}", f"cache_dir={base[0].partition('=')[2]}/cache"]
    assert run(["train", *base[1:], *words, "trainer.max_epochs=1"]) == 0
    assert find_run("latest", tmp_path).finished


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_synthetic_voices_are_neither_trivial_nor_hopeless(tmp_path: Path, seed: int) -> None:
    assert run(["train", f"output_root={tmp_path}", f"seed={seed}"]) == 0
    assert 0.5 <= find_run("latest", tmp_path).metrics["test"]["uar"] <= 0.9


@pytest.mark.slow
def test_permuted_labels_teach_nothing(tmp_path: Path) -> None:
    words = ["train", f"output_root={tmp_path}", "logger=csv"]
    assert run([*words, "trainer.max_epochs=1", f"hydra.run.dir={tmp_path}/one"]) == 0
    one = Run(tmp_path / "one")
    table = one.split.drop(columns="subset")
    shuffled = np.random.default_rng(0).permutation(table["emotion"])
    table.assign(emotion=shuffled).to_csv(tmp_path / "permuted.csv", index=False)
    own = ["dataset=csv", f"dataset.path={tmp_path}/permuted.csv"]
    root = f"dataset.root={one.config['dataset.root']}"
    assert run([*words, *own, root, f"hydra.run.dir={tmp_path}/permuted"]) == 0
    assert Run(tmp_path / "permuted").metrics["test"]["uar"] == pytest.approx(1 / 6, abs=0.08)
