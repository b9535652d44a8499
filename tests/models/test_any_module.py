from pathlib import Path

import torch

from emotion.features.log_mel import LogMel
from emotion.models.any_module import ModuleClassifier
from tests.support.models import full_lengths, make_model


def test_any_module_is_a_model_by_a_yaml(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(
        "# @package _global_\ndefaults: [/model/base@model, _self_]\nmodel:\n"
        "  _target_: emotion.models.any_module.ModuleClassifier\n  channels: 3\n"
        "  network:\n    _target_: torchvision.models.resnet18\n    num_classes: 6\n"
    )
    model = make_model(f"hydra.searchpath=[file://{tmp_path}]", "model=tiny").eval()
    wave = torch.randn(2, 63_916)
    with torch.no_grad():
        logits = model(wave, full_lengths(wave))
    assert logits.shape == (2, 6)


def test_the_one_channel_is_repeated() -> None:
    features = LogMel(16_000, 1000, n_mels=32, frames=32, n_fft=512)
    network = torch.nn.Identity()
    model = ModuleClassifier(network=network, channels=2, labels=["a", "b"], features=features)
    assert model.network_input(torch.zeros(1, 1, 32, 32)).shape == (1, 2, 32, 32)
