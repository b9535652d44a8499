import pytest
import torch
from torch import Tensor

from emotion.features.padding import (
    flip_frames,
    mask_padding,
    mean_level,
    normalise_bands,
    sequence_mask,
)


def decibels(*frames: int, size: int = 40) -> Tensor:
    """Return spectrograms of several lengths, at the lower limit of -80 dB beyond them."""
    image = torch.randn(len(frames), 1, 16, size, generator=torch.Generator().manual_seed(0)) * 9
    for clip, own in zip(image, frames, strict=True):
        clip[..., own:] = -80
    return image


def test_mask_has_one_row_per_clip() -> None:
    assert sequence_mask(torch.tensor([1, 3]), 3).tolist() == [[True, False, False], [True] * 3]


def test_padding_of_waves_and_images_becomes_zero() -> None:
    length = torch.tensor([2, 3])
    assert mask_padding(torch.ones(2, 3), length).tolist() == [[1, 1, 0], [1, 1, 1]]
    assert mask_padding(torch.ones(2, 1, 4, 3), length).sum(dim=(1, 2, 3)).tolist() == [8, 12]


def test_statistics_exclude_the_padding() -> None:
    image, frames = decibels(40, 17), torch.tensor([40, 17])
    levels = mean_level(image, frames).flatten()
    torch.testing.assert_close(levels[1], image[1, ..., :17].mean())
    normalised = normalise_bands(image, frames)
    own = normalised[1, 0, :, :17]
    torch.testing.assert_close(own.mean(dim=1), torch.zeros(16), atol=1e-5, rtol=0)
    deviation = image[1, 0, :, :17].std(dim=1, correction=0)
    torch.testing.assert_close(own.std(dim=1, correction=0), deviation / (deviation + 1))
    assert not normalised[1, 0, :, 17:].any()


@pytest.mark.parametrize("padding", [0, 5])
def test_flipping_leaves_the_padding_unchanged(padding: int) -> None:
    sequence = torch.arange(6.0 + padding).view(1, -1, 1)
    flipped = flip_frames(sequence, torch.tensor([6]))[0, :, 0].tolist()
    assert flipped == [5, 4, 3, 2, 1, 0, *range(6, 6 + padding)]
