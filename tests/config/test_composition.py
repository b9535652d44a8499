"""Every YAML composes and builds; wrong settings are named."""

from itertools import pairwise
from pathlib import Path

import pytest

from emotion.cli.overrides import overrides, quote_paths
from emotion.config.composition import composed, load_config
from emotion.errors import ConfigError

CONF = Path(__file__).parent.parent.parent / "conf"
COMMANDS = sorted(path.stem for path in CONF.glob("*.yaml"))


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml") if path.stem != "base")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(command: str) -> None:
    with composed(command, []) as config:
        assert config.yaml()


@pytest.mark.parametrize("name", choices("dataset"))
def test_every_dataset_builds(name: str, tmp_path: Path) -> None:
    given = {"folder": [f"dataset.root={tmp_path}"], "csv": [f"dataset.path={tmp_path}/x.csv"]}
    with composed("train", [f"dataset={name}", *given.get(name, [])]) as config:
        dataset = config.build("dataset")
    assert dataset.readers


@pytest.mark.parametrize("group", ["preprocessing", "split"])
def test_every_choice_of_a_group_builds(group: str) -> None:
    for name in choices(group):
        with composed("train", [f"{group}={name}"]) as config:
            assert config.build(group)


@pytest.mark.parametrize("name", choices("trainer"))
def test_every_trainer_builds_its_optimizer_and_schedule(name: str) -> None:
    import torch

    with composed("train", [f"trainer={name}"]) as config:
        optimizer = config.build("trainer.optimizer")([torch.nn.Parameter(torch.zeros(1))])
        if config["trainer.schedule"] is None:
            return
        schedule = config.build("trainer.schedule")(optimizer, total_steps=10)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(3e-3 if "cosine" in name else 1e-3)
    assert rates[-1] < 1e-5


def test_half_cycle_holds_its_rate_before_it_falls() -> None:
    import torch

    with composed("train", []) as config:
        optimizer = config.build("trainer.optimizer")([torch.nn.Parameter(torch.zeros(1))])
        schedule = config.build("trainer.schedule")(optimizer, total_steps=100)
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:29] == pytest.approx([1e-3] * 29)
    steps = [before - after for before, after in pairwise(rates[30:])]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-3)


def test_cosine_warms_up_for_a_tenth_however_short_the_run() -> None:
    import torch

    from emotion.training.schedules import warmup_cosine

    for steps in (1, 2, 10, 200):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
        schedule = warmup_cosine(optimizer, total_steps=steps, warmup=0.1)
        rates = []
        for _ in range(steps):
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        top = rates.index(max(rates))
        assert max(rates) == pytest.approx(1)
        assert top == steps // 10
        assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] < 0.1
    assert rates[-1] == pytest.approx(0)
    with pytest.raises(ConfigError, match=r"warmup=1 must be at least 0, under 1"):
        warmup_cosine(optimizer, total_steps=10, warmup=1)


@pytest.mark.parametrize(
    ("model", "epochs", "batch"),
    [
        ("cnn", 50, 64),
        ("crnn", 45, 32),
        ("mobilenet_v3", 15, 64),
        ("efficientnet_v2_b0", 18, 64),
        ("efficientnet_v2_b1", 11, 64),
        ("inception_v3", 15, 32),
    ],
)
def test_model_brings_its_epochs_and_batch_size(model: str, epochs: int, batch: int) -> None:
    with composed("train", [f"model={model}"]) as config:
        assert config["trainer.max_epochs"] == epochs
        assert config["loader.batch_size"] == batch
        assert config["trainer.early_stopping.patience"] == 5


@pytest.mark.parametrize("group", ["experiment", "sweep"])
def test_every_experiment_and_sweep_composes(group: str) -> None:
    for name in choices(group):
        command = "study" if name == "paper_table" else "train"
        root = ["dataset.root=somewhere"] if name == "adapt" else []
        with composed(command, [f"{group}={name}", *root]) as config:
            assert config.build("dataset").readers


def test_user_dataset_is_one_yaml_out_of_tree(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "dataset"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "defaults: [base, _self_]\nroot: /somewhere\nreaders:\n  mine:\n"
        "    _target_: emotion.data.corpora.readers.PatternReader\n    corpus: mine\n"
        "    pattern: '(?P<speaker>\\w+)-(?P<emotion>\\w+)\\.wav$'\n"
    )
    with composed(
        "train", [f"hydra.searchpath=[file://{tmp_path}/mine]", "dataset=mine"]
    ) as config:
        assert list(config.build("dataset").readers) == ["mine"]


def test_saved_composition_is_what_ran(tmp_path: Path) -> None:
    with composed("train", ["seed=7", "model=mobilenet_v3"]) as config:
        (tmp_path / "config.yaml").write_text(config.yaml())
        again = load_config(tmp_path / "config.yaml")
    assert again["seed"] == 7
    assert again["loader"] == config["loader"]
    assert "${" not in again.yaml()


def test_resumed_run_refuses_to_change_data_labels_and_model() -> None:
    with composed("train", []) as config:
        changed = config.overridden(["trainer.max_epochs=3", "resume=x", "debug=true"])
        assert changed["trainer.max_epochs"] == 3
        assert changed["resume"] is None
        for word in ("dataset=savee", "model.channels=[1]", "seed=4", "dataset.labels=[a,b]"):
            with pytest.raises(ConfigError, match="cannot change"):
                config.overridden([word])
        with pytest.raises(ConfigError, match=r"trainer\.max_epochs"):
            config.overridden(["trainer.max_epoch=3"])


@pytest.mark.parametrize(
    "name",
    [
        "my clip (1).wav",
        "a,b.wav",
        "it's.wav",
        "a#1.wav",
        "émotion.wav",
        "[x].wav",
        "a{b}.wav",
        "x=y.wav",
        "100%.wav",
        'say "hi".wav',
        "back\\slash.wav",
        "trail\\",
        "dollar${x}.wav",
        "tab\tname.wav",
        "new\nline.wav",
        "😀.wav",
    ],
)
def test_any_file_name_reaches_the_command_unchanged(name: str) -> None:
    for words in ([f"./{name}"], [f"inputs=./{name}"]):
        with composed("predict", overrides("predict", words)) as config:
            got = config["inputs"]
        assert got in ([f"./{name}"], f"./{name}")


def test_list_of_runs_stays_a_list() -> None:
    assert quote_paths("[a b,c]") == "['a b','c']"
    assert quote_paths("null") == "null"


def test_home_is_expanded() -> None:
    assert quote_paths("~/x") == f"'{Path.home()}/x'"
