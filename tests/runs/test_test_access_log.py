"""Every run that uses a test subset is counted once."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from emotion.runs import test_access_log as log

FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")


def test_each_user_of_a_test_subset_is_counted_once(tmp_path: Path) -> None:
    first, second = log.fingerprint_clips(["a", "b"]), log.fingerprint_clips(["b", "c"])
    assert first == log.fingerprint_clips(["b", "a"])
    for by in ("run1", "run2", "run1"):
        log.record_test_access(tmp_path, first, by=by)
    assert log.test_accesses(tmp_path, first) == {"run1", "run2"}
    assert log.test_accesses(tmp_path, second) == frozenset()


def test_the_unicode_form_of_its_paths_makes_no_other_test_subset() -> None:
    forms = [log.fingerprint_clips([unicodedata.normalize(form, "é.wav")]) for form in FORMS]
    assert forms[0] == forms[1]


def test_a_line_that_was_cut_off_hides_no_other_access(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fingerprint = log.fingerprint_clips(["a"])
    log.record_test_access(tmp_path, fingerprint, by="run1")
    with (tmp_path / log.NAME).open("a", encoding="utf-8") as file:
        file.write('{"test": "')
    log.record_test_access(tmp_path, fingerprint, by="run2")
    assert log.test_accesses(tmp_path, fingerprint) == {"run1", "run2"}
    assert "1 of 3 lines are damaged" in caplog.text
