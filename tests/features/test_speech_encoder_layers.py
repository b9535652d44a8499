"""Layer outputs of speech encoders equal those of torchaudio."""

import pytest
import torch

from emotion.features.speech_encoder_layers import encode_layers
from tests.support.models import tiny_encoder


@pytest.mark.parametrize("kind", ["wav2vec2", "large", "wavlm"])
def test_layers_of_a_whole_clip_are_those_of_torchaudio(kind: str) -> None:
    network = tiny_encoder(kind).eval()
    wave = torch.randn(2, 9_000)
    expected, _ = network.extract_features(wave)
    found, frames = encode_layers(network, wave, torch.tensor([9_000, 9_000]))
    assert frames.tolist() == [expected[0].shape[1]] * 2
    for layer, other in zip(found, expected, strict=True):
        torch.testing.assert_close(layer, other, atol=1e-5, rtol=1e-4)
