"""Speech encoders under a head, with a tiny random encoder in place of the published ones."""

import functools

import pytest
import torch

from emotion.features.speech_encoder import EncoderLayers
from emotion.models.speech_encoder import SpeechEncoderClassifier
from tests.support.models import RATE, full_lengths, padded_noise, tiny_encoder


def make(**settings: object) -> SpeechEncoderClassifier:
    torch.manual_seed(0)
    features = functools.partial(
        EncoderLayers, RATE, network=tiny_encoder(), bundle="WAV2VEC2_BASE"
    )
    optimizer = functools.partial(torch.optim.SGD, lr=1.0)
    return SpeechEncoderClassifier(
        labels=("a", "b", "c"), features=features, pretrained=False, optimizer=optimizer, **settings
    )


def test_waves_and_their_cached_layers_give_the_same_logits() -> None:
    model = make().eval()
    waves, lengths = padded_noise(5_000, 9_000)
    layers = model.features(waves, lengths)
    torch.testing.assert_close(model(waves, lengths), model(layers, lengths))


def test_layer_weights_select_a_layer() -> None:
    model = make().eval()
    layers = torch.randn(4, 1, 2, 32)
    with torch.no_grad():
        model.layer_weights.copy_(torch.tensor([50.0, -50.0]))
    changed = layers.clone()
    changed[:, :, 1] = 7
    length = full_lengths(layers)
    torch.testing.assert_close(model(layers, length), model(changed, length))


@pytest.mark.parametrize(("trainable", "rates"), [(False, [1.0]), (True, [1.0, 0.01])])
def test_the_encoder_is_trained_only_if_trainable_and_slowly(
    trainable: bool, rates: list[float]
) -> None:
    optimizer = make(trainable=trainable).configure_optimizers()
    assert [group["lr"] for group in optimizer.param_groups] == rates
