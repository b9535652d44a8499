import pytest
import torch
from torch import Tensor

from emotion.features.log_mel import LogMel
from emotion.features.padding import count_frames, flip_frames, inside, normalise_bands


def decibels(*frames: int, size: int = 40) -> Tensor:
    """Return spectrograms of some frames each, at the floor of -80 dB behind them."""
    image = torch.randn(len(frames), 1, 16, size, generator=torch.Generator().manual_seed(0)) * 9
    for clip, own in zip(image, frames, strict=True):
        clip[..., own:] = -80
    return image


def test_frames_end_with_the_last_that_is_above_the_floor() -> None:
    image = decibels(40, 17, 1)
    image[0, :, :, 5:9] = -80  # a pause inside
    assert count_frames(image).tolist() == [40, 17, 1]
    assert count_frames(torch.full((1, 1, 16, 40), -80.0)).tolist() == [1]


def test_zeros_behind_a_wave_add_no_frames() -> None:
    features = LogMel(16_000, 4_000, n_mels=64, frames=251, n_fft=1024)
    wave = torch.randn(1, 32_000)
    short = count_frames(features(wave))
    assert torch.equal(count_frames(features(torch.nn.functional.pad(wave, (0, 9_000)))), short)
    assert 125 <= int(short) <= 128


def test_bands_are_normalised_over_the_clips_own_frames() -> None:
    image = decibels(40, 17)
    normalised = normalise_bands(image, torch.tensor([40, 17]))
    own = normalised[1, 0, :, :17]
    torch.testing.assert_close(own.mean(dim=1), torch.zeros(16), atol=1e-5, rtol=0)
    deviation = image[1, 0, :, :17].std(dim=1, correction=0)
    torch.testing.assert_close(own.std(dim=1, correction=0), deviation / (deviation + 1))
    assert not normalised[1, 0, :, 17:].any()


@pytest.mark.parametrize("padding", [0, 5])
def test_flipping_leaves_the_padding_where_it_was(padding: int) -> None:
    sequence = torch.arange(6.0 + padding).view(1, -1, 1)
    flipped = flip_frames(sequence, torch.tensor([6]))[0, :, 0].tolist()
    assert flipped == [5, 4, 3, 2, 1, 0, *range(6, 6 + padding)]


def test_inside_is_a_row_a_clip() -> None:
    assert inside(torch.tensor([1, 3]), 3).tolist() == [[True, False, False], [True] * 3]
