"""Types and ranges of settings: every command has a schema, and wrong values are named."""

from pathlib import Path

import pytest
from hydra.errors import HydraException

from emotion.cli.error_messages import explain_error
from emotion.config.composition import compose
from emotion.config.schema import SETTINGS, check_at_least, check_choice, keys_of
from emotion.errors import ConfigError

CONF = Path(__file__).parent.parent.parent / "conf"


def test_every_command_has_a_schema() -> None:
    assert set(SETTINGS) == {path.stem for path in CONF.glob("*.yaml")}


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("train", "trainer.max_epochs=ten"),
        ("train", "trainer.early_stopping.patience=1.5"),
        ("train", "loader.num_workers=[1]"),
        ("study", "study.seeds=none"),
        ("predict", "batch_size=many"),
        ("predict", "abstain_below=low"),
        ("predict", "labels=happy"),
        ("serve", "port=web"),
        ("export", "quantize=maybe"),
        ("benchmark", "batch_sizes=[1,x]"),
        ("inspect", "clips=few"),
        ("evaluate", "seed=1.5"),
    ],
)
def test_a_wrong_type_is_one_line_with_key_value_and_type(command: str, word: str) -> None:
    with pytest.raises((HydraException, ConfigError)) as caught:
        assert compose(command, [word]).settings
    message = explain_error(caught.value, command)
    key, _, value = word.partition("=")
    assert key in message
    assert value.strip("[]").split(",")[-1] in message or "list" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trainer.keep=first", "trainer.keep=first is not valid: choose best or last."),
        ("trainer.frozen=head", "trainer.frozen=head is not valid: choose norms, body or null."),
        ("trainer.channels_last=gpu", "choose true, false, cpu, cuda or mps."),
        ("loader.features=disk", "loader.features=disk is not valid: choose auto, cached or live."),
        ("search.by=luck", "search.by=luck is not valid: choose random, optuna or null."),
    ],
)
def test_a_choice_that_does_not_exist_is_named_with_all_choices(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        assert compose("train", [word]).settings
    assert message in str(caught.value)


def test_a_choice_is_compared_with_its_type() -> None:
    check_choice("key", True, (True, "cpu"))
    check_choice("key", None, ("a", None))
    with pytest.raises(ConfigError, match="key=1 is not valid"):
        check_choice("key", "1", (True, "cpu"))
    with pytest.raises(ConfigError, match="clips=0 must be at least 1"):
        check_at_least("clips", 0, 1)


def test_paths_are_found_at_any_depth() -> None:
    keys = set(keys_of(SETTINGS["train"], "paths"))
    assert {"output_root", "init_from", "dataset.root", "split.path", "model.weights"} <= keys
    assert {"run", "inputs", "segments"} <= set(keys_of(SETTINGS["predict"], "paths"))
    assert "study.recorded" in keys_of(SETTINGS["study"], "paths")
    assert "source.fetch.url" in keys_of(SETTINGS["download"], "paths")
    assert "seed" not in keys
