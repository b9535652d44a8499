"""Outputs of speech encoders, averaged over time."""

from pathlib import Path

import pytest
import torch
import torchaudio

from emotion.errors import ConfigError, ModelError
from emotion.features.speech_encoder import EncoderLayers
from tests.support.models import RATE, padded_noise, tiny_encoder


def layers(kind: str = "wav2vec2", **settings: object) -> EncoderLayers:
    network = tiny_encoder(kind)
    return EncoderLayers(
        RATE, network=network, bundle="WAV2VEC2_BASE", **({"pretrained": False} | settings)
    ).eval()


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("kind", ["wav2vec2", "large", "wavlm"])
def test_a_clips_layers_depend_on_no_neighbour(kind: str, normalise: bool) -> None:
    features = layers(kind, normalise_wave=normalise)
    waves, lengths = padded_noise(200, 9_000, 16_000)
    together = features(waves, lengths)
    assert together.shape == (3, 1, 2, 32)
    for wave, length, expected in zip(waves, lengths, together, strict=True):
        alone = features(wave[None, :length], length[None])
        torch.testing.assert_close(alone[0], expected, atol=1e-5, rtol=1e-4)


def test_frozen_encoder_stays_and_a_trainable_one_learns() -> None:
    frozen, free = layers(), layers(trainable=True)
    assert not any(weight.requires_grad for weight in frozen.parameters())
    assert frozen.cacheable
    assert not free.cacheable
    assert not frozen.train().training
    assert free.train().training
    free(*padded_noise(8_000, 12_000)).sum().backward()
    assert any(weight.grad is not None for weight in free.network.encoder.parameters())
    assert all(weight.grad is None for weight in free.network.feature_extractor.parameters())


def test_local_weights_are_loaded_and_others_refused(tmp_path: Path) -> None:
    theirs = tiny_encoder().state_dict()
    file = tmp_path / "encoder.pt"
    torch.save(theirs, file)
    features = layers(weights=str(file))
    features.load()
    for name, value in features.network.state_dict().items():
        torch.testing.assert_close(value, theirs[name])
    assert features.settings != layers().settings
    torch.save({"other": torch.ones(1)}, file)
    with pytest.raises(ModelError, match="does not fit this network"):
        features.load()
    with pytest.raises(ModelError, match=r"model\.weights=.* does not exist"):
        layers(weights=str(tmp_path / "none.pt")).load()


def test_weights_out_of_reach_name_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torchaudio.pipelines.WAV2VEC2_BASE.__class__, "get_model", offline)
    with pytest.raises(ModelError, match=r"model\.weights=FILE"):
        layers(pretrained=True).load()


def test_another_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="speech_16k"):
        EncoderLayers(24_414, network=tiny_encoder(), bundle="WAV2VEC2_BASE")


def test_digital_silence_at_the_end_counts() -> None:
    features = layers()
    waves, lengths = padded_noise(9_000, 16_000)
    whole = features(waves[:1], torch.tensor([12_000]))
    padded = features(torch.nn.functional.pad(waves, (0, 500)), torch.tensor([12_000, 16_000]))
    torch.testing.assert_close(padded[:1], whole, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(features(waves[:1], lengths[:1]), whole, atol=1e-3)
