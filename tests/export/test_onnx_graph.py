"""The graph that is exported computes what the model does."""

import functools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from emotion.config.composition import composed
from emotion.errors import ModelError
from emotion.export.onnx_graph import OUTPUTS, Graph, ProductLogMel
from emotion.export.write_onnx import write_onnx
from emotion.features.cepstra import Cepstra
from emotion.features.log_mel import LogMel
from emotion.features.speech_encoder import EncoderLayers
from emotion.models.any_module import ModuleClassifier
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.models.speech_encoder import SpeechEncoderClassifier
from tests.features.test_kinds import RATE, tiny_encoder

SMALL = ["preprocessing.duration_ms=700", "model.features.frames=96", "model.features.n_mels=96"]
OVERRIDES = {
    "cnn": [],
    "crnn": ["model.speeds=[0.9,1.0]", "model.pitches=[1.0,1.07]", "model.features.frames=80"],
    "crnn level": ["model.normalise=level", "model.features.frames=80"],
    "reslstm": ["preprocessing.duration_ms=700", "model.features.frames=40"],
    "mobilenet_v3": [*SMALL, "model.pretrained=false"],
    "efficientnet_v2_b0": [*SMALL, "model.pretrained=false"],
    "efficientnet_v2_b1": [*SMALL, "model.pretrained=false"],
    "inception_v3": [*SMALL, "model.pretrained=false"],
}
ENCODERS = {"wav2vec2": "wav2vec2", "hubert": "wav2vec2", "large": "large", "wavlm": "wavlm"}
"""HuBERT is a wav2vec 2.0 network that was trained otherwise."""


def make(name: str) -> EmotionClassifier:
    torch.manual_seed(0)
    if name in ENCODERS:
        encoder = tiny_encoder(ENCODERS[name])
        features = functools.partial(EncoderLayers, RATE, network=encoder, bundle="NONE")
        return SpeechEncoderClassifier(labels=("a", "b"), features=features, pretrained=False)
    if name == "module":
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 5, stride=4), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
        )
        features = LogMel(RATE, 500, n_mels=32, frames=32, n_fft=512)
        return ModuleClassifier(labels="abcd", features=features, network=network, channels=3)
    with composed("train", [f"model={name.split()[0]}", *OVERRIDES[name]]) as config:
        return build_model(config)


def waves(count: int, samples: int) -> torch.Tensor:
    """Return noise of several levels that ends here and there, padded with zeros."""
    level = torch.logspace(-2, -0.5, count)[:, None]
    end = torch.linspace(0.5, 1, count)[:, None] * samples
    return level * torch.randn(count, samples) * (torch.arange(samples) < end)


def settle(model: EmotionClassifier, wave: torch.Tensor) -> None:
    """Give every batch norm the statistics of some waves, as training would; leave it in eval."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean of all batches, of which there is one
    model.augment = None
    with torch.no_grad():
        model.train()(wave)
    model.eval()


@pytest.mark.parametrize("n_fft", [512, 1200, 2048])
def test_spectrogram_by_products_is_the_spectrogram(n_fft: int) -> None:
    mel = LogMel(RATE, 500, n_mels=40, frames=50, n_fft=n_fft)
    wave = 0.1 * torch.randn(2, 7_000)
    torch.testing.assert_close(ProductLogMel(mel)(wave), mel(wave), atol=1e-4, rtol=0)


def test_cepstra_are_rewritten_too_and_the_model_is_left_alone() -> None:
    with composed("train", ["model=reslstm"]) as config:
        model = build_model(config)
    graph = Graph(model)
    assert isinstance(graph.model.features, Cepstra)
    assert isinstance(graph.model.features.mel, ProductLogMel)
    assert not any(isinstance(module, ProductLogMel) for module in model.modules())


@pytest.mark.slow
def test_what_onnx_lacks_is_named(tmp_path: Path) -> None:
    model = make("module").eval()
    model.network[1] = torch.nn.AdaptiveMaxPool2d(1)  # type: ignore[index, operator]
    with pytest.raises(ModelError, match=r"cannot be written as ONNX: .*adaptive_max_pool2d"):
        write_onnx(model, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OVERRIDES, *ENCODERS, "module"])
def test_every_network_answers_alike_in_onnx(name: str, tmp_path: Path) -> None:
    model = make(name)
    samples = model.features.samples or 12_000
    settle(model, torch.cat([waves(16, samples), waves(16, samples)]))
    model.temperature.fill_(1.5)
    write_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for shape in ((1, samples), (3, samples // 2), (2, samples + 500), (1, 300)):
        wave = waves(*shape)
        with torch.no_grad():
            embedding = model.embed_tta(model.image(wave))
            logits = model.head(embedding)
        probabilities = (logits / 1.5).softmax(dim=1)
        found = session.run(list(OUTPUTS), {"waves": wave.numpy()})
        for place, (one, other) in enumerate(
            zip(found, (probabilities, logits, embedding), strict=True)
        ):
            scale = max(1, float(other.abs().max()))  # random networks have any
            allowed = 1e-3 if place == 2 else 1e-4
            np.testing.assert_allclose(one, other.numpy(), atol=allowed * scale, rtol=0)
