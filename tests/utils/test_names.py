"""Names and paths that look the same are the same."""

import unicodedata

import pytest

from emotion.errors import ConfigError
from emotion.utils.names import (
    check_map,
    clean_name,
    look_up,
    match_keys,
    match_names,
    match_paths,
    name_key,
    text_of,
)

NFD = unicodedata.normalize("NFD", "colère")


@pytest.mark.parametrize(
    "name",
    ["1001", "1001 ", " 1001", "1001\xa0", "\ufeff1001", "1001\u200b", "1001\u202f", "\t1001\n"],
)
def test_blanks_at_the_ends_of_a_name_do_not_count(name: str) -> None:
    assert clean_name(name) == name_key(name) == "1001"


@pytest.mark.parametrize(
    ("one", "other"),
    [("colère", NFD), ("Angry", "aNGRY"), ("Anna Maria", "Anna\xa0 Maria"), ("STRASSE", "straße")],
)
def test_case_encoding_and_kind_of_blank_do_not_count(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_names_that_look_different_stay_different() -> None:
    assert len({name_key(name) for name in ("01", "1", "a-b", "a b", "ab", "é", "e")}) == 7


def test_known_spellings_are_taken() -> None:
    assert match_names([NFD, "Angry ", "new"], ["colère", "angry"]) == ["colère", "angry", "new"]


def test_paths_are_equal_in_any_unicode_form_and_nothing_else() -> None:
    known = [NFD + "/a.wav", "B.wav", "c\\d.wav", "e/f.wav"]
    given = ["colère/a.wav", "b.wav", "B.wav ", "c\\d.wav", "e\\f.wav"]
    assert match_paths(given, known) == [known[0], "b.wav", "B.wav ", known[2], known[3]]


@pytest.mark.parametrize(
    ("names", "code", "label"),
    [
        ({"ANG": "angry"}, "ang ", "angry"),
        ({1: "neutral", 2: "calm"}, "01", "neutral"),  # {01: neutral, 02: calm} in YAML
        ({8: "ten", 10: "nine"}, "010", "ten"),  # 010 is octal in YAML
        ({1000.0: "x"}, "1e3", "x"),
        ({float("nan"): "x"}, "nan", "x"),
        ({True: "x", False: "y"}, "no", "y"),
        ({True: "x"}, "1", None),
        ({"01": "x"}, "1", None),
    ],
)
def test_a_code_is_found_however_yaml_has_read_it(
    names: dict[object, str], code: str, label: str | None
) -> None:
    assert look_up(names, code) == label


def test_codes_that_a_map_tells_apart_are_not_merged() -> None:
    check_map({"a": "angry", "A": "angry"}, "emotions")
    with pytest.raises(ConfigError, match="emotions has 'a' for angry and 'A' for anxious"):
        check_map({"a": "angry", "A": "anxious"}, "emotions")


def test_keys_of_a_map_take_the_known_spelling() -> None:
    assert match_keys({0: 0.7, NFD: 0.2, "new": 0.1}, ["0", "colère"]) == {
        "0": 0.7, "colère": 0.2, "new": 0.1
    }  # fmt: skip
    assert match_keys([0.5, 0.5], ["a", "b"]) == [0.5, 0.5]


@pytest.mark.parametrize("value", [True, 1.5, None])
def test_a_name_whose_spelling_yaml_has_lost_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.labels contains .*Quote the name"):
        text_of(value, "dataset.labels")
