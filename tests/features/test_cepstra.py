import torch

from emotion.features.cepstra import Cepstra, pitch_filters
from tests.support.models import RATE


def test_a_tone_is_in_its_own_pitch_class() -> None:
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(RATE) / RATE)
    image = Cepstra(RATE, 1000, cepstra=27, frames=50)(tone[None], torch.tensor([RATE]))
    assert image.shape == (1, 1, 39, 50)
    assert image[0, 0, 27:, 10:40].argmax(dim=0).eq(0).all()  # A
    assert pitch_filters(RATE, 1024).sum(dim=0).max() == 1


def test_frames_of_a_clip_follow_from_its_samples() -> None:
    features = Cepstra(RATE, 1000, cepstra=27, frames=50)
    hop = features.mel.hop
    assert features.frame_lengths(torch.tensor([1, 10 * hop, RATE])).tolist() == [1, 11, 50]
