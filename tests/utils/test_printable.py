import pytest

from emotion.utils.printable import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("café 🎉.wav", "café 🎉.wav"),
        ("a\nb\r.wav", r"a\nb\r.wav"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\udce9.wav", r"\udce9.wav"),
        ("\u202ereversed", r"\u202ereversed"),
    ],
)
def test_only_unprintable_characters_become_escapes(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(text).isprintable()
