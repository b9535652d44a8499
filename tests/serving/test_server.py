"""The server: its socket, and the example recordings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion.errors import ConfigError
from emotion.serving.server import EXAMPLE_RATE, bind_socket, write_examples


def test_port_in_use_is_an_error() -> None:
    with bind_socket("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port={port} cannot be used"),
            bind_socket("127.0.0.1", port),
        ):
            pass


def test_examples_are_the_synthetic_labels_and_all_in_sequence(tmp_path: Path) -> None:
    paths = write_examples(tmp_path / "examples", ["sad", "unknown", "angry"])
    assert list(paths) == ["sad", "angry", "all emotions"]
    clips = [soundfile.read(path)[0] for path in paths.values()]
    np.testing.assert_array_equal(np.concatenate(clips[:2]), clips[2])
    assert soundfile.info(paths["all emotions"]).samplerate == EXAMPLE_RATE


def test_one_label_has_no_sequence(tmp_path: Path) -> None:
    assert list(write_examples(tmp_path / "examples", ["sad", "unknown"])) == ["sad"]
