"""The command `doctor`: missing things are named, with what to do next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emotion.cli import doctor
from emotion.cli.doctor import EXTRAS, Check, check_machine


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The declared requirements of the package, in place of the real ones."""
    words: list[str] = []
    monkeypatch.setattr(doctor, "requires", lambda _: words)
    return words


def by_name(lines: Iterator[Check]) -> dict[str, Check]:
    return {line.name: line for line in lines}


def test_machine_that_runs_the_tests_is_healthy() -> None:
    text, healthy = check_machine()
    assert healthy, text
    for word in (
        "python",
        "torch 2.",
        "memory",
        "GB free",
        "libsndfile",
        "ffmpeg -i in.m4a out.wav",
    ):
        assert word in text


def test_missing_and_old_packages_are_named_with_their_install_command(
    declared: list[str],
) -> None:
    declared += ["no-such-thing>=1", "numpy>=999", "pandas>=1"]
    lines = by_name(doctor.packages())
    assert lines["no-such-thing"].state == lines["numpy"].state == "BAD"
    assert lines["no-such-thing"].result == "is not installed: pip install 'no-such-thing>=1'"
    assert lines["numpy"].result.endswith("not >=999: pip install 'numpy>=999'")
    assert "pandas" in lines["packages"].result


def test_missing_package_makes_the_machine_unhealthy(declared: list[str]) -> None:
    declared += ["no-such-thing>=1"]
    text, healthy = check_machine()
    assert not healthy
    assert text.endswith("1 problems: see BAD above.")


def test_missing_extra_is_only_a_note(declared: list[str]) -> None:
    declared += ['no-such-thing>=1; extra == "wandb"', 'pytest>=1; extra == "dev"']
    lines = by_name(doctor.extras())
    assert lines["wandb"].state == "note"
    assert "pip install 'emotion[wandb]'" in lines["wandb"].result
    assert lines["dev"].state == "ok"
    assert "no-such-thing" not in by_name(doctor.packages())


def test_every_extra_has_a_purpose() -> None:
    assert set(by_name(doctor.extras())) <= set(EXTRAS)


def test_corpora_are_counted_under_the_data_root(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_DATA_ROOT", str(archive))
    lines = by_name(doctor.corpora())
    assert set(lines) == {"crema_d", "ravdess", "savee", "tess"}
    assert lines["savee"].result == f"12 of the 480 published clips under {archive}"


def test_missing_corpora_are_a_note_with_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_DATA_ROOT", str(tmp_path))
    (line,) = doctor.corpora()
    assert line.state == "note"
    for word in ("Crema", "Tess", "EMOTION_DATA_ROOT", "dataset=synthetic"):
        assert word in line.result


def test_a_broken_installation_is_one_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def audio() -> Iterator[Check]:
        yield Check("ok", "audio", "first")
        raise OSError("libsndfile.so: cannot open")

    monkeypatch.setattr(doctor, "audio", audio)
    text, healthy = check_machine()
    assert not healthy
    lines = [line.split() for line in text.splitlines() if " audio " in line]
    assert [line[0] for line in lines] == ["ok", "BAD"]
    assert "libsndfile.so: cannot open" in text


def test_full_disk_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ENOUGH_GB", 1e9)
    assert by_name(doctor.machine())["disk"].state == "note"
