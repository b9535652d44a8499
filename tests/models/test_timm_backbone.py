"""timm networks: input size, local and published weights, frozen blocks."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emotion.errors import ModelError
from emotion.models.timm_backbone import TimmClassifier
from tests.support.models import full_lengths, make_model

SHAPES = {
    "mobilenet_v3": (3, 224, 224),
    "efficientnet_v2_b0": (3, 192, 192),
    "efficientnet_v2_b1": (3, 192, 192),
    "inception_v3": (3, 299, 299),
}


def make(name: str, *overrides: str) -> TimmClassifier:
    model = make_model(f"model={name}", "model.pretrained=false", *overrides)
    assert isinstance(model, TimmClassifier)
    return model


def input_shape(network: torch.nn.Module, run: Callable[[], object]) -> tuple[int, ...]:
    """Return the shape of one clip in the input of a network."""
    shapes: list[tuple[int, ...]] = []
    handle = network.register_forward_pre_hook(
        lambda _, args: shapes.append(tuple(args[0].shape[1:]))
    )
    run()
    handle.remove()
    return shapes[0]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("rate", [24_414, 16_000])
def test_input_has_exactly_the_size_of_the_model(name: str, rate: int) -> None:
    model = make(name, f"preprocessing.sample_rate={rate}").eval()
    wave = torch.randn(1, round(rate * 2.618))
    with torch.no_grad():
        shape = input_shape(model.backbone, lambda: model(wave, full_lengths(wave)))
    assert shape == SHAPES[name]


def test_frozen_blocks_stay_as_they_were(tmp_path: Path) -> None:
    donor = make("inception_v3")
    file = tmp_path / "weights.pt"
    torch.save(donor.backbone.state_dict(), file)
    model = make("inception_v3", f"model.weights='{file}'")
    model.load_initial_weights()
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.backbone.parameters(), donor.backbone.parameters(), strict=True)
    )
    learns = {
        name.split(".")[0] for name, p in model.backbone.named_parameters() if p.requires_grad
    }
    assert learns == {
        *(f"Mixed_6{letter}" for letter in "abcde"),
        *(f"Mixed_7{letter}" for letter in "abc"),
    }
    model.train()
    frozen = model.backbone.Conv2d_1a_3x3.bn
    before = frozen.running_mean.clone()
    image = torch.randn(2, 1, 299, 299)
    model(image, full_lengths(image))
    assert not frozen.training
    assert torch.equal(frozen.running_mean, before)


def test_from_scratch_all_weights_are_trained() -> None:
    assert all(p.requires_grad for p in make("inception_v3").parameters())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_local_weights_are_loaded(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file

    donor = make("mobilenet_v3")
    file = tmp_path / f"weights{suffix}"
    state = donor.backbone.state_dict()
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    model = make("mobilenet_v3", f"model.weights='{file}'")
    torch.nn.init.zeros_(model.backbone.conv_stem.weight)
    model.load_initial_weights()
    assert torch.equal(model.backbone.conv_stem.weight, donor.backbone.conv_stem.weight)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save({"x": torch.zeros(1)}, file)
    with pytest.raises(ModelError, match="does not fit this network"):
        make("mobilenet_v3", f"model.weights='{file}'").load_initial_weights()
    with pytest.raises(ModelError, match=r"model\.weights=.* does not exist"):
        make("mobilenet_v3", "model.weights=/nowhere.pt").load_initial_weights()


def test_a_failed_download_names_the_alternatives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = make_model("model=mobilenet_v3")
    with pytest.raises(ModelError, match=r"model\.pretrained=false .* model\.weights=FILE"):
        model.load_initial_weights()
