"""The command `doctor`: what is missing is said, with what to do about it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emotion.cli import doctor
from emotion.cli.doctor import GIVES, Check, examine


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the package declares that it needs, in place of the real list."""
    words: list[str] = []
    monkeypatch.setattr(doctor, "requires", lambda _: words)
    return words


def said(lines: Iterator[Check]) -> dict[str, Check]:
    return {line.what: line for line in lines}


def test_machine_that_runs_the_tests_is_healthy() -> None:
    text, healthy = examine()
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


def test_missing_and_old_packages_are_named_with_their_cure(declared: list[str]) -> None:
    declared += ["no-such-thing>=1", "numpy>=999", "pandas>=1"]
    lines = said(doctor.packages())
    assert lines["no-such-thing"].state == lines["numpy"].state == "BAD"
    assert lines["no-such-thing"].said == "is not installed: pip install 'no-such-thing>=1'"
    assert lines["numpy"].said.endswith("not >=999: pip install 'numpy>=999'")
    assert "pandas" in lines["packages"].said


def test_missing_package_makes_the_machine_unhealthy(declared: list[str]) -> None:
    declared += ["no-such-thing>=1"]
    text, healthy = examine()
    assert not healthy
    assert text.endswith("1 in the way: see BAD above.")


def test_missing_extra_is_only_a_note(declared: list[str]) -> None:
    declared += ['no-such-thing>=1; extra == "wandb"', 'pytest>=1; extra == "dev"']
    lines = said(doctor.extras())
    assert lines["wandb"].state == "note"
    assert "pip install 'emotion[wandb]'" in lines["wandb"].said
    assert lines["dev"].state == "ok"
    assert "no-such-thing" not in said(doctor.packages())


def test_every_extra_says_what_it_gives() -> None:
    assert set(said(doctor.extras())) <= set(GIVES)


def test_corpora_are_counted_under_the_data_root(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_DATA_ROOT", str(archive))
    lines = said(doctor.corpora())
    assert set(lines) == {"crema_d", "ravdess", "savee", "tess"}
    assert lines["savee"].said == f"12 of the 480 published clips under {archive}"


def test_absent_corpora_are_a_note_that_says_where_they_were_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_DATA_ROOT", str(tmp_path))
    (line,) = doctor.corpora()
    assert line.state == "note"
    for word in ("Crema", "Tess", "EMOTION_DATA_ROOT", "dataset=synthetic"):
        assert word in line.said


def test_broken_installation_is_a_line_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def audio() -> Iterator[Check]:
        yield Check("ok", "audio", "first")
        raise OSError("libsndfile.so: cannot open")

    lines = doctor._looked(audio)
    assert [line.state for line in lines] == ["ok", "BAD"]
    assert "cannot open" in lines[1].said


def test_full_disk_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ROOMY_GB", 1e9)
    assert said(doctor.machine())["disk"].state == "note"
