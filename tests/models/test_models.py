"""Every model takes waves and cached spectrograms, learns, and keeps its promises."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from emotion.config.composition import composed
from emotion.data.batch import Batch
from emotion.errors import ModelError
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.models.losses import smoothed_cross_entropy
from emotion.models.timm_backbone import TimmClassifier

CONF = Path(__file__).parent.parent.parent / "conf" / "model"
MODELS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "base")
SMALL = ("cnn", "crnn", "egemaps", "reslstm")
ENCODERS = ("hubert", "wav2vec2", "wavlm")
SHAPES = {
    "cnn": (1, 128, 128),
    "mobilenet_v3": (3, 224, 224),
    "efficientnet_v2_b0": (3, 192, 192),
    "efficientnet_v2_b1": (3, 192, 192),
    "inception_v3": (3, 299, 299),
}
SAMPLES = 63_916


def make(name: str, *overrides: str) -> EmotionClassifier:
    from_scratch = [] if name in SMALL else ["model.pretrained=false"]
    rate = ["preprocessing=speech_16k"] if name in ENCODERS else []
    with composed("train", [f"model={name}", *rate, *from_scratch, *overrides]) as config:
        torch.manual_seed(0)
        return build_model(
            config,
            optimizer=config.build("trainer.optimizer"),
            schedule=config.build("trainer.schedule"),
        )


def seen_by(network: torch.nn.Module, run: Callable[[], object]) -> tuple[int, ...]:
    """Return the shape of one clip that reaches a network."""
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
    network = getattr(model, "backbone", None) or model.blocks
    with torch.no_grad():
        shape = seen_by(network, lambda: model(torch.randn(1, round(rate * 2.618))))
    assert shape == SHAPES[name]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SMALL else pytest.mark.slow) for name in MODELS]
)
def test_every_model_overfits_eight_clips(name: str) -> None:
    model = make(name, "++model.augment=null")
    generator = torch.Generator().manual_seed(1)
    shape = (8, 1, model.features.rows, model.features.columns)
    image = torch.randn(shape, generator=generator) * 20 - 40
    target = torch.arange(8) % len(model.labels)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(60):
        logits = model(image)
        if bool((logits.argmax(1) == target).all()):
            return
        loss = torch.nn.functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"{name} still errs on eight clips after 60 steps")


def test_waves_and_their_spectrograms_give_the_same_logits() -> None:
    model = make("cnn").eval()
    wave = torch.randn(3, SAMPLES)
    with torch.no_grad():
        assert torch.equal(model(wave), model(model.features(wave)))


def test_a_neighbour_in_the_batch_changes_nothing() -> None:
    model = make("cnn").eval()
    model.set_normalisation(-40, 20)
    quiet, loud = torch.randn(1, SAMPLES) * 0.001, torch.randn(1, SAMPLES)
    with torch.no_grad():
        alone, beside = model(quiet), model(torch.cat([quiet, loud]))[:1]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_augmentation_happens_in_training_only() -> None:
    model = make("cnn")
    image = torch.randn(2, 1, 128, 128)
    model.eval()
    assert torch.equal(model.image(image), model.image(image))
    model.train()
    assert not torch.equal(model.image(image), model.image(image))


def test_loss_weighs_rare_classes_more_in_training() -> None:
    model = make("cnn")
    model.set_class_weights(torch.tensor([10, 10, 10, 10, 10, 50]))
    assert model.class_weights[0] == pytest.approx(5 * float(model.class_weights[5]))
    assert float(model.class_weights.mean()) == pytest.approx(1)


def masked(name: str) -> EmotionClassifier:
    """Return a model two of whose four rows are of a corpus that lacks the last two classes."""
    model = make(name).train()
    model.label_smoothing = 0.1
    known = torch.ones(4, 6, dtype=torch.bool)
    known[2:, 4:] = False
    model.set_label_mask(known)
    return model


@pytest.mark.parametrize("name", ["cnn", "egemaps"])
def test_a_class_that_a_corpus_lacks_is_not_unlearned_from_it(name: str) -> None:
    model = masked(name)
    logits = torch.randn(4, 6, requires_grad=True)
    hidden = model.hide_unknown(logits, torch.arange(4))
    model.criterion(hidden, torch.tensor([0, 5, 0, 3])).backward()
    assert logits.grad is not None
    assert bool((logits.grad[2:, 4:] == 0).all())
    assert bool((logits.grad[:2] != 0).any(dim=0).all())
    assert bool(logits.grad.isfinite().all())


def test_label_mask_is_of_the_loss_in_training_alone() -> None:
    model = masked("cnn").eval()
    logits = torch.randn(4, 6)
    assert torch.equal(model.hide_unknown(logits, torch.arange(4)), logits)
    assert "known" not in model.state_dict()


def test_a_mixed_pair_is_judged_by_each_ones_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    model = masked("cnn")
    model.mixup = 0.3
    seen: list[tuple[Tensor, Tensor]] = []

    def watch(logits: Tensor, target: Tensor) -> Tensor:
        seen.append((logits.isinf().any(dim=1), target))
        return logits[:, 0].mean()

    monkeypatch.setattr(model, "criterion", watch)
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    target = torch.tensor([4, 5, 0, 1])
    batch = Batch(torch.randn(4, 1, 128, 128), torch.full((4,), SAMPLES), target, torch.arange(4))
    model.step(batch, "train")
    (own, first), (theirs, second) = seen
    assert own.tolist() == [False, False, True, True]
    assert first.tolist() == target.tolist()
    assert [bool(hidden) for hidden in theirs] == [int(label) < 4 for label in second]


def test_smoothing_without_a_hidden_class_is_that_of_pytorch() -> None:
    logits, target, weights = torch.randn(5, 6), torch.tensor([0, 1, 2, 3, 5]), torch.rand(6)
    ours = smoothed_cross_entropy(logits, target, weights=weights, smoothing=0.2)
    theirs = torch.nn.functional.cross_entropy(logits, target, weight=weights, label_smoothing=0.2)
    torch.testing.assert_close(ours, theirs)


def test_smoothing_passes_over_hidden_classes() -> None:
    logits, target = torch.randn(3, 4), torch.tensor([0, 1, 2])
    hidden = torch.cat([logits, torch.full((3, 2), float("-inf"))], dim=1)
    ours, theirs = (
        smoothed_cross_entropy(x, target, weights=torch.ones(x.shape[1]), smoothing=0.2)
        for x in (hidden, logits)
    )
    torch.testing.assert_close(ours, theirs)


def test_frozen_blocks_stay_as_they_were(tmp_path: Path) -> None:
    donor = make("inception_v3")
    assert isinstance(donor, TimmClassifier)
    file = tmp_path / "weights.pt"
    torch.save(donor.backbone.state_dict(), file)
    model = make("inception_v3", f"model.weights='{file}'")
    assert isinstance(model, TimmClassifier)
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
    model(torch.randn(2, 1, 299, 299))
    assert not frozen.training
    assert torch.equal(frozen.running_mean, before)


def test_from_scratch_everything_learns() -> None:
    assert all(p.requires_grad for p in make("inception_v3").parameters())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_local_weights_are_loaded(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file

    donor = make("mobilenet_v3")
    assert isinstance(donor, TimmClassifier)
    file = tmp_path / f"weights{suffix}"
    state = donor.backbone.state_dict()
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    model = make("mobilenet_v3", f"model.weights='{file}'")
    assert isinstance(model, TimmClassifier)
    torch.nn.init.zeros_(model.backbone.conv_stem.weight)
    model.load_initial_weights()
    assert torch.equal(model.backbone.conv_stem.weight, donor.backbone.conv_stem.weight)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save({"x": torch.zeros(1)}, file)
    with pytest.raises(ModelError, match="does not fit this network"):
        make("mobilenet_v3", f"model.weights='{file}'").load_initial_weights()
    with pytest.raises(ModelError, match="there is no file"):
        make("mobilenet_v3", "model.weights=/nowhere.pt").load_initial_weights()


def test_hub_out_of_reach_names_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with composed("train", ["model=mobilenet_v3"]) as config:
        model = build_model(config)
    with pytest.raises(ModelError, match=r"model\.pretrained=false .* model\.weights=FILE"):
        model.load_initial_weights()


def test_init_from_keeps_the_body_and_renews_the_head_of_other_labels() -> None:
    donor, heir = make("cnn"), make("cnn", "dataset.labels=[calm,angry]")
    donor.set_normalisation(-33, 11)
    torch.nn.init.ones_(donor.head.weight)  # type: ignore[arg-type]
    heir.take_weights(donor.state_dict(), donor.labels)
    assert torch.equal(heir.blocks[0].weight, donor.blocks[0].weight)
    assert float(heir.mean) == -33
    assert heir.head.weight.shape == (2, 64)
    with pytest.raises(ModelError, match="does not fit"):
        make("mobilenet_v3").take_weights(donor.state_dict(), donor.labels)


def test_checkpoint_of_other_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="init_from=RUN"):
        make("cnn").on_load_checkpoint({"labels": ["calm", "angry"]})


def test_any_module_is_a_model_by_a_yaml(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(
        "# @package _global_\ndefaults: [/model/base@model, _self_]\nmodel:\n"
        "  _target_: emotion.models.any_module.ModuleClassifier\n  channels: 3\n"
        "  network:\n    _target_: torchvision.models.resnet18\n    num_classes: 6\n"
    )
    with composed("train", [f"hydra.searchpath=[file://{tmp_path}]", "model=tiny"]) as config:
        model = build_model(config)
    with torch.no_grad():
        logits: Tensor = model.eval()(torch.randn(2, SAMPLES))
    assert logits.shape == (2, 6)


def test_predict_step_gives_rows_and_logits() -> None:
    model = make("cnn").eval()
    batch = Batch(
        torch.randn(2, SAMPLES),
        torch.full((2,), SAMPLES),
        torch.tensor([0, 1]),
        torch.tensor([5, 7]),
    )
    with torch.no_grad():
        rows, logits = model.predict_step(batch, 0)
    assert rows.tolist() == [5, 7]
    assert logits.shape == (2, 6)
