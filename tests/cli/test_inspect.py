"""The command `inspect`: shape of the input, and a plot of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from emotion.cli.inspect import draw_clips, inspect_model, network_inputs, spans
from emotion.config.composition import compose
from emotion.errors import ConfigError
from emotion.models.build import build_model
from tests.support.archive import voice


def inspect(archive: Path, folder: Path, *overrides: str) -> str:
    given = ["dataset=cs334", f"data_root={archive}", f"cache_dir={folder}/cache", *overrides]
    return inspect_model(compose("inspect", given).settings, folder)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("cnn", (1, 128, 128)),
        ("mobilenet_v3", (3, 224, 224)),
        ("efficientnet_v2_b0", (3, 192, 192)),
        ("efficientnet_v2_b1", (3, 192, 192)),
        ("inception_v3", (3, 299, 299)),
    ],
)
def test_the_shape_is_that_of_the_network_input(model: str, shape: tuple[int, ...]) -> None:
    settings = compose("train", [f"model={model}"]).settings
    built = build_model(settings.model, settings.labels).eval()
    image = torch.zeros(1, 1, *shape[1:])
    with torch.no_grad():
        assert built.network_input(image).shape[1:] == shape


def test_shape_resolution_and_size_are_printed(archive: Path, tmp_path: Path) -> None:
    text = inspect(archive, tmp_path)
    for words in (
        "each clip has the input shape (1, 128, 128)",
        "63,916 samples at 24,414 Hz, 2,618 ms",
        "hop: 503 samples, 20.60 ms per frame",
        "parameters: 25,",
    ):
        assert words in text
    assert (tmp_path / "inspect.png").read_bytes().startswith(b"\x89PNG")


def test_clips_of_any_length_are_reported_as_cut_or_padded(archive: Path, tmp_path: Path) -> None:
    text = inspect(archive, tmp_path, "preprocessing=speech_16k", "clips=2")
    assert "each with its own length; cut, or padded with silence, to 2,618 ms" in text


def test_a_model_without_augmentation_is_plotted_too(archive: Path, tmp_path: Path) -> None:
    assert "inspect.png" in inspect(archive, tmp_path, "model.augment=null", "clips=1")


def test_no_clips_is_an_error(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="clips=0 must be at least 1"):
        inspect(archive, tmp_path, "clips=0")


def test_augmentation_differs_each_time_and_is_absent_in_the_plain_images() -> None:
    settings = compose("train", []).settings
    model = build_model(settings.model, settings.labels)
    wave = voice(2.618, 24_414)
    images = network_inputs(model, [wave, wave], names=["a", "b"])
    first, second = images.augmented
    torch.testing.assert_close(images.plain[0], images.plain[1])
    assert not torch.equal(first, second)
    assert not torch.equal(first, images.plain)
    with torch.no_grad():
        length = torch.full((2,), len(wave))
        image, _ = model.eval().image(torch.from_numpy(np.stack([wave] * 2)), length)
        torch.testing.assert_close(images.plain, image)


def test_wave_and_spectrogram_end_at_the_same_second() -> None:
    settings = compose("train", ["model=crnn", "preprocessing=speech_16k"]).settings
    model = build_model(settings.model, settings.labels)
    wave = voice(2.0, 16_000)
    _, image_s = spans(network_inputs(model, [wave], names=["a"]), model.features)
    assert image_s == pytest.approx(2.0, abs=0.05)


def test_drawn_clips_differ_in_emotion_and_corpus_and_are_those_of_the_seed() -> None:
    pairs = [
        (corpus, emotion) for corpus in "abcd" for emotion in ("sad", "angry", "fear", "happy")
    ]
    table = pd.DataFrame(pairs * 5, columns=["corpus", "emotion"])
    drawn = draw_clips(table, 4, seed=0)
    assert drawn["corpus"].is_unique
    assert drawn["emotion"].is_unique
    assert list(draw_clips(table, 4, seed=0).index) == list(drawn.index)
    assert list(draw_clips(table, 4, seed=1).index) != list(drawn.index)
    assert len(draw_clips(table, 1000, seed=0)) == len(table)
