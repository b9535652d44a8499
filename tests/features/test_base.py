import torch

from emotion.features.base import Features


class Dimensions(Features):
    columns = 7


def test_columns_that_are_no_frames_all_count() -> None:
    assert Dimensions().frame_lengths(torch.tensor([1, 50_000])).tolist() == [7, 7]
