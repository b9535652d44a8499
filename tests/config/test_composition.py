"""Every YAML composes and builds; wrong settings are named."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hydra.errors import HydraException, MissingConfigException

from emotion.cli.error_messages import explain_error
from emotion.config.build import build
from emotion.config.composition import compose, config_folder, override_resumed
from emotion.config.schema import SETTINGS
from emotion.errors import ConfigError

CONF = Path(__file__).parent.parent.parent / "conf"
COMMANDS = sorted(path.stem for path in CONF.glob("*.yaml"))


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml") if path.stem != "base")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(command: str) -> None:
    composition = compose(command, [])
    assert isinstance(composition.settings, SETTINGS[command])


def groups_of(command: str) -> list[str]:
    """Return the config groups in the defaults list of a command."""
    defaults = yaml.safe_load((CONF / f"{command}.yaml").read_text("utf-8"))["defaults"]
    return [key for entry in defaults if isinstance(entry, dict) for key in entry]


@pytest.mark.parametrize(
    ("command", "group"), [(command, group) for command in COMMANDS for group in groups_of(command)]
)
def test_a_choice_that_does_not_exist_is_an_error_in_every_group_of_every_command(
    command: str, group: str
) -> None:
    with pytest.raises(MissingConfigException, match=f"{group}/nothing"):
        compose(command, [f"{group}=nothing"])


def test_choices_of_a_config_folder_are_found_until_its_block_ends(tmp_path: Path) -> None:
    folder = tmp_path / "it's mine, {a}"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "small.yaml").write_text("defaults: [cnn, _self_]\nchannels: [4, 8]\n")
    with config_folder(str(folder)) as flags:
        assert flags == ["--config-dir", str(folder)]
        assert compose("train", ["model=small"]).settings.model["channels"] == [4, 8]
        with config_folder(None) as inherited:  # a process that starts within the block
            assert inherited == flags
    with pytest.raises(MissingConfigException):
        compose("train", ["model=small"])


LISTS = {
    "train": ["dataset.labels", "dataset.corpora"],
    "study": ["study.models", "study.trainers", "study.seeds", "study.folds"],
    "benchmark": ["models", "batch_sizes", "threads"],
    "predict": ["labels"],
    "serve": ["labels"],
}


@pytest.mark.parametrize(
    ("command", "key"), [(command, key) for command, keys in LISTS.items() for key in keys]
)
def test_one_value_where_a_list_is_meant_is_an_error_with_brackets(command: str, key: str) -> None:
    with pytest.raises((ConfigError, HydraException)) as caught:
        build(compose(command, [f"{key}=8"]).settings.dataset, "dataset")
    error = caught.value
    message = str(error) if isinstance(error, ConfigError) else explain_error(error, command)
    assert f"list, in brackets: {key}=[" in message


@pytest.mark.parametrize(
    "word", ["study.protocols=ravdess", "study.protocols={a: [loso]}", "search.space=lr"]
)
def test_one_value_where_a_mapping_is_meant_is_an_error(word: str) -> None:
    with pytest.raises(ConfigError, match="must hold"):
        assert compose("study", [word]).settings


def test_lists_within_a_mapping_are_checked() -> None:
    node = {"_target_": "emotion.data.splits.protocols.PublishedSplit", "test": {"savee": "DC"}}
    with pytest.raises(ConfigError, match="must be Mapping"):
        build(node, "split")


@pytest.mark.parametrize("name", choices("dataset"))
def test_every_dataset_builds(name: str, tmp_path: Path) -> None:
    given = {"folder": [f"dataset.root={tmp_path}"], "csv": [f"dataset.path={tmp_path}/x.csv"]}
    config = compose("train", [f"dataset={name}", *given.get(name, [])])
    dataset = build(config.settings.dataset, "dataset")
    assert dataset.readers


@pytest.mark.parametrize("group", ["preprocessing", "split"])
def test_every_choice_of_a_group_builds(group: str) -> None:
    for name in choices(group):
        settings = compose("train", [f"{group}={name}"]).settings
        assert build(getattr(settings, group), group)


@pytest.mark.parametrize("name", choices("trainer"))
def test_every_trainer_builds_its_optimizer_and_schedule(name: str) -> None:
    import torch

    config = compose("train", [f"trainer={name}"])
    optimizer = build(config.settings.trainer.optimizer, "trainer.optimizer")(
        [torch.nn.Parameter(torch.zeros(1))]
    )
    if config.settings.trainer.schedule is None:
        return
    schedule = build(config.settings.trainer.schedule, "trainer.schedule")(
        optimizer, total_steps=10
    )
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(3e-3 if "cosine" in name else 1e-3)
    assert rates[-1] < 1e-5


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
    config = compose("train", [f"model={model}"])
    assert config.settings.trainer.max_epochs == epochs
    assert config.settings.loader.batch_size == batch
    assert config.settings.trainer.early_stopping.patience == 5


@pytest.mark.parametrize("group", ["experiment", "sweep"])
def test_every_experiment_and_sweep_composes(group: str) -> None:
    for name in choices(group):
        command = "study" if name == "paper_table" else "train"
        root = ["dataset.root=somewhere"] if name == "adapt" else []
        config = compose(command, [f"{group}={name}", *root])
        assert build(config.settings.dataset, "dataset").readers


def test_user_dataset_is_one_yaml_out_of_tree(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "dataset"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "defaults: [base, _self_]\nroot: /somewhere\nreaders:\n  mine:\n"
        "    _target_: emotion.data.corpora.readers.PatternReader\n    corpus: mine\n"
        "    pattern: '(?P<speaker>\\w+)-(?P<emotion>\\w+)\\.wav$'\n"
    )
    config = compose("train", [f"hydra.searchpath=[file://{tmp_path}/mine]", "dataset=mine"])
    assert list(build(config.settings.dataset, "dataset").readers) == ["mine"]


def test_a_resumed_run_refuses_to_change_data_labels_and_model() -> None:
    settings = compose("train", []).settings
    changed = override_resumed(settings, ["trainer.max_epochs=3", "resume=x", "debug=true"])
    assert changed == replace(settings, trainer=replace(settings.trainer, max_epochs=3))
    for word in ("dataset=savee", "model.channels=[1]", "seed=4", "dataset.labels=[a,b]"):
        with pytest.raises(ConfigError, match="cannot change"):
            override_resumed(settings, [word])
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs"):
        override_resumed(settings, ["trainer.max_epoch=3"])
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs: Value 'ten'"):
        override_resumed(settings, ["trainer.max_epochs=ten"])


def test_a_replaced_value_reaches_the_settings_that_refer_to_it() -> None:
    composition = compose("train", [])
    changed = composition.replaced({"recipe.batch_size": 7, "trainer.optimizer.lr": 0.5}).settings
    assert changed.loader.batch_size == 7
    assert changed.trainer.schedule["max_lr"] == 0.5
    assert composition.settings.loader.batch_size == 64


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.hidden=many", r"model\.hidden='many' is a str, but must be int"),
        ("model.channels=3", r"model\.channels=3 must be a list, in brackets"),
        ("model.features.n_fft=1.5", r"model\.features\.n_fft=1\.5 is a float, but must be int"),
        ("model.augment.warp.tempo=fast", r"model\.augment\.warp\.tempo='fast' is a str"),
        ("+model.unknown=1", "model: emotion.models.crnn.CRNN does not take these values"),
        ("model._target_=emotion.nothing", "model cannot be built"),
    ],
)
def test_a_node_of_a_class_takes_only_values_of_its_types(word: str, message: str) -> None:
    settings = compose("train", ["model=crnn", word]).settings
    with pytest.raises(ConfigError, match=message):
        build(settings.model, "model", labels=["a", "b"])


def test_a_home_folder_is_expanded_wherever_a_path_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EMOTION_DATA_ROOT", "~/corpora")
    settings = compose("evaluate", ["dataset=ravdess", "run=['~/a','~/b']"]).settings
    assert settings.data_root == settings.dataset["root"] == f"{tmp_path}/corpora"
    assert settings.run == [f"{tmp_path}/a", f"{tmp_path}/b"]
    words = ["dataset.root='~/x'", "dataset.speaker='~/s'", "output_root='~/out'"]
    settings = compose("train", ["dataset=folder", *words]).settings
    assert settings.dataset["root"] == f"{tmp_path}/x"
    assert settings.dataset["speaker"] == "~/s"  # a regular expression
    assert (settings.output_root, settings.cache_dir) == (
        f"{tmp_path}/out",
        f"{tmp_path}/out/cache",
    )


def test_a_module_in_the_current_folder_is_found_behind_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine_networks.py").write_text("def one() -> int:\n    return 1\n")
    (tmp_path / "json.py").write_text("raise SystemExit")
    assert build({"_target_": "json.dumps", "obj": 1}, "key") == "1"
    assert str(tmp_path) not in sys.path
    assert build({"_target_": "mine_networks.one"}, "key") == 1
    assert sys.path[-1] == str(tmp_path)
