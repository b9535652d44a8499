"""Features that are no spectrograms: encoders, functionals, cepstra."""

from pathlib import Path

import pytest
import torch
import torchaudio

from emotion.errors import ConfigError, ModelError
from emotion.features.base import wave_lengths
from emotion.features.cepstra import Cepstra, pitch_filters
from emotion.features.egemaps import Egemaps
from emotion.features.speech_encoder import EncoderLayers
from emotion.features.speech_encoder_layers import encode_layers

RATE = 16_000


SHAPE: dict[str, object] = {
    "extractor_conv_layer_config": [(8, 10, 5), (8, 8, 4), (8, 4, 4)],
    "extractor_conv_bias": False,
    "encoder_embed_dim": 16,
    "encoder_projection_dropout": 0.1,
    "encoder_pos_conv_kernel": 8,
    "encoder_pos_conv_groups": 2,
    "encoder_num_layers": 2,
    "encoder_num_heads": 2,
    "encoder_attention_dropout": 0.1,
    "encoder_ff_interm_features": 32,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.1,
    "encoder_layer_norm_first": False,
    "encoder_layer_drop": 0.0,
    "aux_num_out": None,
}


def tiny_encoder(kind: str = "wav2vec2") -> torch.nn.Module:
    """Return a random encoder of two layers of 16 units: wav2vec2, large (its norms) or wavlm."""
    mode = "layer_norm" if kind == "large" else "group_norm"
    if kind == "wavlm":
        shape = SHAPE | {"encoder_num_buckets": 32, "encoder_max_distance": 80}
        return torchaudio.models.wavlm_model(extractor_mode=mode, **shape)
    return torchaudio.models.wav2vec2_model(extractor_mode=mode, **SHAPE)


def layers(kind: str = "wav2vec2", **settings: object) -> EncoderLayers:
    network = tiny_encoder(kind)
    return EncoderLayers(
        RATE, network=network, bundle="WAV2VEC2_BASE", **({"pretrained": False} | settings)
    ).eval()


def padded(*lengths: int) -> torch.Tensor:
    waves = torch.randn(len(lengths), max(lengths))
    for wave, length in zip(waves, lengths, strict=True):
        wave[length:] = 0
    return waves


def test_length_is_up_to_the_last_sample_that_is_not_zero() -> None:
    assert wave_lengths(padded(700, 16_000)).tolist() == [700, 16_000]
    assert wave_lengths(torch.zeros(1, 9)).tolist() == [1]


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("kind", ["wav2vec2", "large", "wavlm"])
def test_a_clips_layers_depend_on_no_neighbour(kind: str, normalise: bool) -> None:
    features = layers(kind, normalise_wave=normalise)
    waves = padded(200, 9_000, 16_000)
    together = features(waves)
    assert together.shape == (3, 1, 2, 32)
    for place, length in enumerate((200, 9_000, 16_000)):
        alone = features(waves[place : place + 1, :length])
        torch.testing.assert_close(alone[0], together[place], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["wav2vec2", "large", "wavlm"])
def test_layers_of_a_whole_clip_are_those_of_torchaudio(kind: str) -> None:
    network = tiny_encoder(kind).eval()
    wave = torch.randn(2, 9_000)
    theirs, _ = network.extract_features(wave)
    ours, frames = encode_layers(network, wave, torch.tensor([9_000, 9_000]))
    assert frames.tolist() == [theirs[0].shape[1]] * 2
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_frozen_encoder_stays_and_a_trainable_one_learns() -> None:
    frozen, free = layers(), layers(trainable=True)
    assert not any(weight.requires_grad for weight in frozen.parameters())
    assert frozen.cacheable
    assert not free.cacheable
    assert not frozen.train().training
    assert free.train().training
    free(padded(8_000, 12_000)).sum().backward()
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
    with pytest.raises(ModelError, match="there is no file"):
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


def test_a_tone_lights_its_own_pitch_class() -> None:
    time = torch.arange(RATE) / RATE
    tone = torch.sin(2 * torch.pi * 440 * time)
    image = Cepstra(RATE, 1000, cepstra=27, frames=50)(tone[None])
    assert image.shape == (1, 1, 39, 50)
    assert image[0, 0, 27:, 10:40].argmax(dim=0).eq(0).all()  # A
    assert pitch_filters(RATE, 1024).sum(dim=0).max() == 1


def test_functionals_depend_on_no_padding() -> None:
    pytest.importorskip("opensmile")
    features = Egemaps(RATE)
    time = torch.arange(RATE) / RATE
    voice = torch.sign(torch.sin(2 * torch.pi * 150 * time)) * 0.1
    waves = torch.stack([voice, voice])
    waves[1, 12_000:] = 0
    together = features(waves)
    assert together.shape == (2, 1, 88, 1)
    torch.testing.assert_close(together[1:], features(waves[1:, :12_000]))
    assert not torch.equal(together[0], together[1])
