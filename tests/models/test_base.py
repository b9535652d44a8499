"""All models: normalisation, augmentation, loss, weights of other runs, checkpoints."""

import pytest
import torch
from torch import Tensor

from emotion.data.batch import Batch
from emotion.errors import ConfigError, ModelError
from emotion.models.base import EmotionClassifier
from tests.support.models import full_lengths, make_model

SAMPLES = 63_916


def test_waves_and_their_spectrograms_give_the_same_logits() -> None:
    model = make_model("model=cnn").eval()
    wave = torch.randn(3, SAMPLES)
    length = full_lengths(wave)
    with torch.no_grad():
        assert torch.equal(model(wave, length), model(model.features(wave, length), length))


def test_a_neighbour_in_the_batch_changes_nothing() -> None:
    model = make_model("model=cnn").eval()
    model.set_normalisation(-40, 20)
    quiet, loud = torch.randn(1, SAMPLES) * 0.001, torch.randn(1, SAMPLES)
    with torch.no_grad():
        alone = model(quiet, full_lengths(quiet))
        both = torch.cat([quiet, loud])
        beside = model(both, full_lengths(both))[:1]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_augmentation_happens_in_training_only() -> None:
    model = make_model("model=cnn")
    x = torch.randn(2, 1, 128, 128)
    for training in (False, True):
        model.train(training)
        (first, _), (second, _) = (model.image(x, full_lengths(x)) for _ in range(2))
        assert torch.equal(first, second) is not training


def test_loss_weights_rare_classes_more_in_training() -> None:
    model = make_model("model=cnn")
    model.set_class_weights(torch.tensor([10, 10, 10, 10, 10, 50]))
    assert model.class_weights[0] == pytest.approx(5 * float(model.class_weights[5]))
    assert float(model.class_weights.mean()) == pytest.approx(1)


def masked(name: str) -> EmotionClassifier:
    """Return a model with four rows, two of a corpus without the last two classes."""
    model = make_model(f"model={name}").train()
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


def test_label_mask_applies_to_the_loss_in_training_only() -> None:
    model = masked("cnn").eval()
    logits = torch.randn(4, 6)
    assert torch.equal(model.hide_unknown(logits, torch.arange(4)), logits)
    assert "known" not in model.state_dict()


def test_a_mixed_pair_has_the_label_masks_of_both_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    model = masked("cnn")
    model.mixup = 0.3
    seen: list[tuple[Tensor, Tensor]] = []

    def record(logits: Tensor, target: Tensor) -> Tensor:
        seen.append((logits.isinf().any(dim=1), target))
        return logits[:, 0].mean()

    monkeypatch.setattr(model, "criterion", record)
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    target = torch.tensor([4, 5, 0, 1])
    batch = Batch(torch.randn(4, 1, 128, 128), torch.full((4,), SAMPLES), target, torch.arange(4))
    model.training_step(batch, 0)
    (own, first), (partner, second) = seen
    assert own.tolist() == [False, False, True, True]
    assert first.tolist() == target.tolist()
    assert [bool(hidden) for hidden in partner] == [int(label) < 4 for label in second]


def test_init_from_keeps_the_body_and_resets_a_head_for_other_labels() -> None:
    donor, heir = make_model("model=cnn"), make_model("model=cnn", "dataset.labels=[calm,angry]")
    donor.set_normalisation(-33, 11)
    torch.nn.init.ones_(donor.head.weight)  # type: ignore[arg-type]
    heir.take_weights(donor.state_dict(), donor.labels)
    assert torch.equal(heir.blocks[0].weight, donor.blocks[0].weight)
    assert float(heir.mean) == -33
    assert heir.head.weight.shape == (2, 64)
    with pytest.raises(ModelError, match="does not fit"):
        make_model("model=mobilenet_v3").take_weights(donor.state_dict(), donor.labels)


def test_checkpoint_of_other_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="init_from=RUN"):
        make_model("model=cnn").on_load_checkpoint({"labels": ["calm", "angry"]})


def test_predict_step_gives_rows_and_logits() -> None:
    model = make_model("model=cnn").eval()
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


def test_a_negative_mixup_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.mixup=-1 must be at least 0"):
        make_model("model=cnn", mixup=-1)


def test_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ConfigError, match="train or clip"):
        make_model("model=cnn", "model.normalise=band")


def test_training_metrics_continue_from_a_checkpoint() -> None:
    model, checkpoint = make_model("model=cnn"), {}
    x = torch.randn(4, 1, 128, 128)
    batch = Batch(x, full_lengths(x), torch.tensor([0, 1, 2, 3]), torch.arange(4))
    model.training_step(batch, 0)
    model.on_save_checkpoint(checkpoint)
    resumed = make_model("model=cnn")
    resumed.on_load_checkpoint(checkpoint)
    assert resumed.train_metrics.confusion.confmat.sum() == 4
    assert resumed.val_metrics.confusion.confmat.sum() == 0


def test_metrics_are_in_no_state_dict() -> None:
    assert not [name for name in make_model("model=cnn").state_dict() if "metrics" in name]
