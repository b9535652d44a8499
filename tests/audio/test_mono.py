"""Mixing down: the mean, or one channel where channels cancel each other."""

import numpy as np
import pytest

from emotion.audio.mono import mix_down
from emotion.errors import AudioError
from tests.support.archive import voice

LEFT, RIGHT = voice(0.5, 16_000, seed=1), voice(0.5, 16_000, seed=2)


def stack(*channels):
    return np.stack(channels, axis=1).astype(np.float32)


@pytest.mark.parametrize(
    "right", [LEFT, RIGHT, 0 * LEFT, -0.5 * LEFT, RIGHT - 0.5 * LEFT], ids="abcde"
)
def test_ordinary_channels_are_averaged(right) -> None:
    wave, opposite = mix_down(stack(LEFT, right))
    assert not opposite
    np.testing.assert_array_equal(wave, stack(LEFT, right).mean(axis=1))


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_of_channels_with_opposite_phase_the_strongest_is_taken(noise, offset) -> None:
    channels = stack(LEFT + offset, -1.05 * LEFT + offset + noise * RIGHT)
    wave, opposite = mix_down(channels)
    assert opposite
    np.testing.assert_array_equal(wave, channels[:, 1])


def test_of_several_channels_that_cancel_one_is_taken() -> None:
    wave, opposite = mix_down(stack(0 * LEFT, LEFT, -LEFT, 0 * LEFT))
    assert opposite
    np.testing.assert_array_equal(wave, LEFT)


def test_silent_channels_are_not_of_opposite_phase() -> None:
    assert not mix_down(np.zeros((100, 2), np.float32))[1]


def test_channels_that_cancel_far_beyond_full_scale_are_refused() -> None:
    with pytest.raises(AudioError, match="far beyond full scale"):
        mix_down(stack(1e30 * LEFT, -1e30 * LEFT))
