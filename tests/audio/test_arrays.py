"""Samples in memory: every usable type and shape gives the same wave."""

import re

import numpy as np
import pytest

from emotion.audio.arrays import as_wave, check_sample_rate
from emotion.errors import ConfigError
from tests.support.archive import voice

PCM = np.round(voice(0.1, 16_000, level=0.3) * 32_767).astype(np.int16)
WAVE = (PCM / 32_768).astype(np.float32)


@pytest.mark.parametrize(
    "samples",
    [
        WAVE,
        WAVE.astype(np.float64),
        WAVE.astype(np.longdouble),
        WAVE.tolist(),
        PCM,
        PCM.astype(">i2"),
        PCM.astype(np.int32) << 16,
        WAVE[:, None],
        WAVE[None, :],
        np.stack([PCM, PCM], axis=1),
        np.stack([PCM, PCM]),
        WAVE[::-1][::-1],
    ],
    ids=str,
)
def test_every_type_and_shape_of_samples_gives_the_same_wave(samples) -> None:
    wave = as_wave(samples)
    assert (wave.dtype, wave.shape) == (np.float32, WAVE.shape)
    assert wave.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(wave, WAVE)


def test_bytes_are_scaled_as_in_files() -> None:
    np.testing.assert_array_equal(as_wave(np.array([0, 128, 192], np.uint8)), [-1.0, 0.0, 0.5])
    np.testing.assert_array_equal(as_wave(np.array([-128, 0, 64], np.int8)), [-1.0, 0.0, 0.5])


def test_mono_float32_samples_are_not_copied() -> None:
    assert np.shares_memory(as_wave(WAVE), WAVE)


def test_channels_are_averaged_and_those_of_opposite_phase_are_not() -> None:
    other = voice(0.1, 16_000, seed=5)
    np.testing.assert_allclose(as_wave(np.stack([WAVE, other])), (WAVE + other) / 2, atol=1e-7)
    np.testing.assert_array_equal(as_wave(np.stack([WAVE, -WAVE], axis=1)), WAVE)


@pytest.mark.parametrize(
    ("samples", "shape", "kind", "reason"),
    [
        (np.zeros(0), "(0,)", "float64", "there are no samples"),
        (np.zeros((0, 2)), "(0, 2)", "float64", "there are no samples"),
        (np.zeros((1, 0), np.int16), "(1, 0)", "int16", "there are no samples"),
        (np.float32(0.5), "()", "float32", "not clear"),
        (np.zeros((2, 3)), "(2, 3)", "float64", "not clear"),
        (np.zeros((64, 500)), "(64, 500)", "float64", "not clear"),  # a spectrogram
        (np.zeros((300, 300)), "(300, 300)", "float64", "not clear"),
        (np.zeros((2, 300, 1)), "(2, 300, 1)", "float64", "not clear"),
        (np.zeros(9, np.int64), "(9,)", "int64", "the type"),
        (np.zeros(9, np.uint16), "(9,)", "uint16", "the type"),
        (np.zeros(9, bool), "(9,)", "bool", "the type"),
        (np.zeros(9, complex), "(9,)", "complex128", "the type"),
        (np.array(["a.wav"]), "(1,)", "<U5", "the type"),
        (None, "()", "object", "the type"),
        (np.array([0.1, np.nan]), "(2,)", "float64", "not finite"),
        (np.array([0.1, -np.inf], np.float32), "(2,)", "float32", "not finite"),
        (np.array([0.1, 1e300]), "(2,)", "float64", "not finite"),
        (np.array([0.1, 1e12]), "(2,)", "float64", "far beyond full scale"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_other_samples_are_refused_with_shape_and_type(samples, shape, kind, reason) -> None:
    named = re.escape(f"samples of shape {shape} and type {kind} cannot be used: ")
    with pytest.raises(ConfigError, match=f"{named}.*{reason}"):
        as_wave(samples)


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be used as an array"):
        as_wave([[0.1, 0.2], [0.3]])


def test_only_a_stream_takes_an_empty_chunk() -> None:
    assert as_wave([], empty=True).shape == (0,)
    with pytest.raises(ConfigError, match="no samples"):
        as_wave(np.zeros((0, 2)), empty=True)


@pytest.mark.parametrize("rate", [16_000, 16_000.0, np.int64(16_000), np.float32(16_000)])
def test_a_whole_sample_rate_is_an_integer(rate) -> None:
    assert check_sample_rate(rate) == 16_000
    assert type(check_sample_rate(rate)) is int


@pytest.mark.parametrize(
    "rate", [0, -16_000, 999, 768_001, 44_100.5, np.nan, np.inf, "16000", None, True, [16_000], 1j]
)
def test_another_sample_rate_is_refused(rate) -> None:
    with pytest.raises(ConfigError, match=r"sample_rate=.* cannot be used: .* 1000 to 768000"):
        check_sample_rate(rate)
