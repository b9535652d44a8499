"""Labels and their ids."""

import numpy as np
import pytest

from emotion.data.labels import DEFAULT_LABELS, check_labels, encode_labels
from emotion.errors import ConfigError


def test_the_default_ids_are_fixed() -> None:
    assert encode_labels(["neutral", "sad", "fear"], DEFAULT_LABELS).tolist() == [5, 0, 3]


def test_ids_are_integers_even_without_names() -> None:
    assert encode_labels([], DEFAULT_LABELS).dtype == np.int64


def test_a_name_outside_the_labels_has_no_id() -> None:
    with pytest.raises(KeyError, match="calm"):
        encode_labels(["sad", "calm"], DEFAULT_LABELS)


def test_labels_are_text_in_their_given_order() -> None:
    assert check_labels(["b", "a", 3]) == ("b", "a", "3")


@pytest.mark.parametrize(
    ("labels", "message"), [(["sad"], "fewer than two"), (["a", "b", "a"], "a more than once")]
)
def test_one_label_and_repeated_labels_are_rejected(labels: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_labels(labels)
