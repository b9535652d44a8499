"""The file that is written computes what the model computes."""

import functools
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from emotion.errors import DependencyError, ModelError
from emotion.export.onnx_graph import INPUTS, OUTPUTS
from emotion.export.write_onnx import check_exportable, write_onnx
from emotion.features.log_mel import LogMel
from emotion.features.speech_encoder import EncoderLayers
from emotion.models.any_module import ModuleClassifier
from emotion.models.base import EmotionClassifier
from emotion.models.speech_encoder import SpeechEncoderClassifier
from tests.support.models import RATE, make_model, tiny_encoder

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
"""HuBERT has the network of wav2vec 2.0; only its training differs."""


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
    return make_model(f"model={name.split()[0]}", *OVERRIDES[name])


def noise(count: int, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noise of several levels and lengths, padded with zeros; the last ends in silence."""
    level = torch.logspace(-2, -0.5, count)[:, None]
    length = (torch.linspace(0.5, 1, count) * samples).long().clamp(min=1)
    waves = level * torch.randn(count, samples) * (torch.arange(samples) < length[:, None])
    waves[-1, length[-1] * 3 // 4 :] = 0
    return waves, length


def settle(model: EmotionClassifier, waves: torch.Tensor, length: torch.Tensor) -> None:
    """Give every batch norm the statistics of some waves, as training would; leave it in eval."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean of all batches, of which there is one
    model.augment = None
    with torch.no_grad():
        model.train()(waves, length)
    model.eval()


def test_features_of_another_program_cannot_be_exported() -> None:
    with pytest.raises(ModelError, match="computed by openSMILE, a separate program"):
        check_exportable(make_model("model=egemaps"))


def test_a_missing_dependency_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(DependencyError, match=r"onnxscript: pip install 'emotion\[onnx\]'"):
        check_exportable(make_model("model=cnn"))


@pytest.mark.slow
def test_an_unsupported_operation_is_named(tmp_path: Path) -> None:
    model = make("module").eval()
    model.network[1] = torch.nn.AdaptiveMaxPool2d(1)  # type: ignore[index, operator]
    with pytest.raises(ModelError, match=r"cannot be written as ONNX: .*adaptive_max_pool2d"):
        write_onnx(model, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OVERRIDES, *ENCODERS, "module"])
def test_every_network_has_the_same_outputs_in_onnx(name: str, tmp_path: Path) -> None:
    model = make(name)
    samples = model.features.samples or 12_000
    settle(model, *noise(32, samples))
    model.temperature.fill_(1.5)
    write_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [each.name for each in session.get_inputs()] == list(INPUTS)
    for shape in ((1, samples), (3, samples // 2), (2, samples + 500), (1, 300)):
        waves, length = noise(*shape)
        with torch.no_grad():
            embedding = model.embed_tta(*model.image(waves, length))
            logits = model.head(embedding)
        probabilities = (logits / 1.5).softmax(dim=1)
        found = session.run(list(OUTPUTS), {"waves": waves.numpy(), "lengths": length.numpy()})
        for output, one, other in zip(
            OUTPUTS, found, (probabilities, logits, embedding), strict=True
        ):
            scale = max(1, float(other.abs().max()))  # random networks have any
            allowed = 1e-3 if output == "embedding" else 1e-4
            np.testing.assert_allclose(one, other.numpy(), atol=allowed * scale, rtol=0)
