"""The settings of a run that another person trained: nothing that they name is run."""

import copy
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from emotion.config import saved_settings
from emotion.config.composition import compose, to_yaml
from emotion.config.saved_settings import (
    check_settings,
    load_settings,
    save_settings,
    shipped_targets,
)
from emotion.config.schema import TrainSettings
from emotion.config.trust import trusting
from emotion.errors import ConfigError
from emotion.utils.files import write_text

SETTINGS: TrainSettings = compose("train", ["experiment=best_elsewhere"]).settings
PLAIN: dict[str, Any] = asdict(SETTINGS)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to every value and every node."""
    if place:
        yield place
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, child in value.items() if isinstance(value, dict) else ():
        yield from places(child, (*place, key))


def changed(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return the settings with another value at a place."""
    settings = copy.deepcopy(PLAIN)
    node: Any = settings
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return settings


PLACES = list(places(PLAIN))
NODES = [place[:-1] for place in PLACES if place[-1] == "_target_"]
BOMB = "os.mkdir"
REFUSED = "could run any code|is not allowed in a run of another person"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "config.yaml"


def named(place: tuple[Any, ...]) -> str:
    return ".".join(map(str, place))


def check_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        check_settings(settings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("place", PLACES, ids=named)
def test_a_bomb_at_any_place_is_refused(place: tuple[Any, ...]) -> None:
    bomb = {"_target_": BOMB, "path": "exploded"}
    for planted in (bomb, [[bomb]], {"deeper": {"still": [bomb]}}):
        check_refused(changed(place, planted), REFUSED)
    for text in ("${oc.env:HOME}", ["a", {"b": "x${oc.env:HOME}"}]):
        check_refused(changed(place, text), rf"contains \$\{{…\}}|{REFUSED}")


@pytest.mark.parametrize("place", NODES, ids=named)
def test_a_node_takes_no_trick_of_hydra(place: tuple[Any, ...]) -> None:
    for key, value in (
        ("_target_", BOMB),
        ("_target_", "emotion.experiments.sweep_table.SweepTable"),  # of another place in conf/
        ("_target_", "emotion.utils.files.write_text"),
        ("_target_", "torch.optim.adam.torch.load"),
        ("_target_", "torch.optim.lr_scheduler.Counter"),
        ("_target_", "torchvision.models.get_model"),
        ("_target_", "torchvision.models.resnet.torch.load"),
        ("_target_", [BOMB]),
        ("_target_", None),
        ("_args_", ["exploded"]),
        ("_partial_", "yes"),
        ("_convert_", "object"),
        ("_recursive_", False),
    ):
        check_refused(changed((*place, key), value), REFUSED)


def test_settings_are_checked_before_they_are_resolved_or_built(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = path.parent.with_name("exploded")
    bomb = {"_target_": BOMB, "path": str(marker)}
    for place in (("model",), ("model", "augment"), ("split",), ("dataset", "readers", "mine")):
        write_text(path, yaml.safe_dump(changed(place, bomb)))
        with pytest.raises(ConfigError, match=r"run.config\.yaml: .*names os\.mkdir.*trust=\[os\]"):
            load_settings(path)
    monkeypatch.setenv("SECRET", "secret")
    write_text(path, yaml.safe_dump(changed(("data_root",), "${oc.env:SECRET}")))
    with pytest.raises(ConfigError, match=r"data_root contains \$\{…\}"):
        load_settings(path)
    assert not marker.exists()


def test_classes_of_another_config_group_are_refused() -> None:
    """A logger in place of an augmentation would send data at the first prediction."""
    place = ("model", "augment", "_target_")
    check_refused(changed(place, "emotion.training.loggers.wandb"), "as model")
    assert "emotion.training.loggers.wandb" in shipped_targets()["logger"]


@pytest.mark.parametrize(
    "words",
    [
        ["dataset=cs334", "split=emobox", "model=crnn", "experiment=best_elsewhere"],
        ["dataset=folder", "split=kfold", "model=wav2vec2", "preprocessing=speech_16k"],
        ["dataset=csv", "split=file", "model=mobilenet_v3", "trainer=one_cycle"],
    ],
)
def test_shipped_choices_open_on_another_machine(words: list[str]) -> None:
    check_settings(asdict(compose("train", words).settings))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("trainer", "optimizer", "_target_"), "torch.optim.SGD"),
        (("trainer", "schedule", "_target_"), "torch.optim.lr_scheduler.CosineAnnealingLR"),
        (
            ("model", "augment"),
            {
                "_target_": "emotion.models.any_module.ModuleClassifier",
                "network": {"_target_": "torchvision.models.resnet18"},
            },
        ),
    ],
)
def test_optimizers_schedules_and_networks_of_the_libraries_open(
    place: tuple[Any, ...], value: Any
) -> None:
    check_settings(changed(place, value))


def test_saved_settings_are_the_settings_that_ran(path: Path) -> None:
    settings = compose("train", ["seed=7", "model=mobilenet_v3"]).settings
    write_text(path, to_yaml(settings))
    assert load_settings(path) == settings
    assert "${" not in to_yaml(settings)


@pytest.mark.parametrize("text", ["- a list", "seed: 1", "seed: [", "unknown: 1"])
def test_a_file_that_holds_no_settings_is_named(path: Path, text: str) -> None:
    write_text(path, text)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        load_settings(path)


def test_aliases_that_multiply_are_refused(path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    write_text(path, "\n".join(lines))
    with pytest.raises(ConfigError, match="contains YAML aliases"):
        load_settings(path)
    write_text(path, "a: " + "[" * 100_000)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(path)


# --- own runs ------------------------------------------------------------------------------------

OWN = """
import os
from subprocess import Popen

class Own:
    pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainSettings:
    """Settings with a class of a module of the user's own, and a state folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    forget(monkeypatch)
    (tmp_path / "own_module.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_module", raising=False)
    return replace(SETTINGS, model={"_target_": "own_module.Own", "_args_": []})


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process has written, as a later one does."""
    monkeypatch.setattr(saved_settings, "_written", set())


def test_settings_that_this_user_wrote_are_own_in_any_folder_until_they_are_changed(
    own: TrainSettings, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_settings(path, own)
    forget(monkeypatch)
    assert load_settings(path) == own
    moved = path.rename(tmp_path / "config.yaml")
    assert load_settings(moved) == own
    moved.write_text(moved.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(ConfigError, match=r"names own_module\.Own.*add trust=\[own_module\]"):
        load_settings(moved)
    assert "own_module" not in sys.modules


def test_settings_of_another_user_need_the_name_of_the_module(
    own: TrainSettings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(path, to_yaml(own))
    with pytest.raises(ConfigError, match=r"add trust=\[own_module\]"):
        load_settings(path)
    assert "own_module" not in sys.modules, "nothing is imported before"
    with trusting("own_module"):
        assert load_settings(path) == own
        with trusting(["another"]):
            assert load_settings(path) == own
    with pytest.raises(ConfigError, match="add trust"):
        load_settings(path)
    monkeypatch.setenv("EMOTION_TRUST", "another, own_module")
    assert load_settings(path) == own


@pytest.mark.parametrize(
    "target", ["own_module.os.system", "own_module.Popen", "own_module.os", "own_moduleX.Own"]
)
def test_what_a_trusted_module_only_imports_is_not_trusted(
    target: str, own: TrainSettings, path: Path
) -> None:
    write_text(path, to_yaml(replace(own, model={"_target_": target})))
    with trusting(["own_module"]), pytest.raises(ConfigError, match="could run any code"):
        load_settings(path)


def test_trust_in_the_settings_of_another_user_counts_for_nothing(
    own: TrainSettings, path: Path
) -> None:
    write_text(path, to_yaml(replace(own, trust=["own_module"])))
    with pytest.raises(ConfigError, match="could run any code"):
        load_settings(path)


def test_a_trusted_module_that_cannot_be_imported_is_named(own: TrainSettings, path: Path) -> None:
    write_text(path, to_yaml(replace(own, model={"_target_": "no_such_module.Own"})))
    with (
        trusting(["no_such_module"]),
        pytest.raises(ConfigError, match=r"no_such_module\.Own cannot be imported"),
    ):
        load_settings(path)


@pytest.mark.parametrize("state", ["file", "no home"])
def test_without_a_state_folder_the_process_that_wrote_knows_its_settings(
    state: str, own: TrainSettings, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if state == "file":
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    else:
        monkeypatch.setenv("XDG_STATE_HOME", "relative")  # ignored, as the standard demands
        monkeypatch.setattr(Path, "home", no_home)
    save_settings(path, own)
    assert load_settings(path) == own
    forget(monkeypatch)
    with pytest.raises(ConfigError, match=r"add trust=\[own_module\]"):
        load_settings(path)


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("value", ["a b", [3], ["../x"], [""]])
def test_trust_takes_names_of_modules(value: Any) -> None:
    with pytest.raises(ConfigError, match="is not the name of a module"), trusting(value):
        pass
