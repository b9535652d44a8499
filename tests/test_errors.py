import pytest

from emotion import errors
from emotion.errors import EmotionError, suggest


def test_every_error_is_an_emotion_error() -> None:
    own = [
        each for each in vars(errors).values() if getattr(each, "__module__", "") == errors.__name__
    ]
    classes = [each for each in own if isinstance(each, type)]
    assert len(classes) > 5
    assert all(issubclass(each, EmotionError) for each in classes)


@pytest.mark.parametrize(
    ("word", "choices", "hint"),
    [
        ("hapy", ["happy", "sad"], " Did you mean happy?"),
        ("joy", ["happy", "sad"], " Choose from: happy, sad."),
        ("2", range(3), " Did you mean 2?"),
        ("joy", [], ""),
    ],
)
def test_a_typo_gets_a_similar_name_and_other_values_the_list(word, choices, hint: str) -> None:
    assert suggest(word, choices) == hint
