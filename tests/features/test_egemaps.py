import pytest
import torch

from emotion.features.egemaps import Egemaps
from tests.support.models import RATE


def test_functionals_depend_on_the_length_and_on_no_padding() -> None:
    pytest.importorskip("opensmile")
    features = Egemaps(RATE)
    voice = torch.sign(torch.sin(2 * torch.pi * 150 * torch.arange(RATE) / RATE)) * 0.1
    waves = torch.stack([voice, voice])
    waves[1, 12_000:] = 0
    length = torch.tensor([RATE, 12_000])
    together = features(waves, length)
    assert together.shape == (2, 1, 88, 1)
    torch.testing.assert_close(together[1:], features(waves[1:, :12_000], length[1:]))
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(together[1:], features(waves[1:], length[:1])), "silence counts"
