"""The command `list`: everything that can be chosen_groups, at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from emotion.cli.list import GROUPS, choices_of, first_comment, list_choices
from emotion.errors import ConfigError

CONF = Path(__file__).parent.parent.parent / "conf"


@pytest.mark.parametrize("group", GROUPS.values())
def test_every_file_of_a_group_is_a_choice_but_its_base(group: str) -> None:
    assert set(choices_of(group)) == {path.stem for path in (CONF / group).glob("*.yaml")} - {
        "base"
    }


def test_all_groups_are_listed_where_none_is_named() -> None:
    text = list_choices([])
    assert all(f"{group}=\n" in text for group in GROUPS.values())
    assert "reader" not in [line.split()[0] for line in text.splitlines() if line]


def test_only_the_named_groups_are_listed() -> None:
    text = list_choices(["models", "splits"])
    assert text.startswith("model=\n")
    assert "\n\nsplit=\n" in text
    assert "dataset=" not in text
    assert list_choices(["model"]) == list_choices(["models"])


def test_choices_have_the_first_comment_of_their_file() -> None:
    assert (
        choices_of("model")["cnn"] == "The course project's convolutional network with four blocks."
    )


def test_the_package_line_and_comments_below_keys_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("# @package _global_\n#\n# What it is.\na: 1\n")
    assert first_comment(file) == "What it is."
    file.write_text("a: 1\n# of b\nb: 2\n")
    assert first_comment(file) == ""


def test_an_unknown_word_has_near_names() -> None:
    with pytest.raises(ConfigError, match="Did you mean models"):
        list_choices(["modles"])
    with pytest.raises(ConfigError, match="Choose from: datasets, models"):
        list_choices(["xyz"])


def test_nothing_heavy_is_imported() -> None:
    script = (
        "import sys; from emotion.cli.main import run; code = run(['list']);"
        "heavy = {'hydra', 'omegaconf', 'torch', 'pandas', 'numpy', 'rich'} & set(sys.modules);"
        "sys.exit(code or ', '.join(heavy) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  cs334 " in done.stdout
