"""The convolutional-recurrent network hears clips of any length, and nothing of their padding."""

import pytest
import torch
from torch import Tensor

from emotion.config.composition import composed
from emotion.data.batch import Batch
from emotion.errors import ConfigError
from emotion.features.augment import top_of_bands, warp
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.models.crnn import CRNN, change_pitch, change_speed

LENGTHS = (16_000, 40_000, 61_000)


def make(*overrides: str, **training: float) -> CRNN:
    with composed("train", ["experiment=best", *overrides]) as config:
        torch.manual_seed(0)
        model = build_model(config, **training)
    assert isinstance(model, CRNN)
    model.set_normalisation(-30, 20)
    return model


def waves(*lengths: int) -> Tensor:
    """Return clips of some samples each, zero behind them."""
    wave = torch.randn(len(lengths), max(lengths), generator=torch.Generator().manual_seed(0))
    for clip, own in zip(wave, lengths, strict=True):
        clip[own:] = 0
    return wave


def trained(model: CRNN) -> CRNN:
    """Return the model after its batch norm has seen a few clips."""
    with torch.no_grad():
        for _ in range(3):
            model(waves(*LENGTHS))
    return model.eval()


def test_it_is_small() -> None:
    assert sum(parameter.numel() for parameter in make().parameters()) < 3_000_000


@pytest.mark.parametrize("normalise", ["level", "band", "train"])
@pytest.mark.parametrize("heard", ["model.speeds=[1.0] model.pitches=[1.0]", ""])
def test_padding_changes_no_logit(normalise: str, heard: str) -> None:
    model = trained(make(f"model.normalise={normalise}", *heard.split()))
    together = waves(*LENGTHS)
    with torch.no_grad():
        beside = model(together)
        for place, length in enumerate(LENGTHS):
            alone = model(together[place : place + 1, :length])
            torch.testing.assert_close(alone, beside[place : place + 1], atol=1e-4, rtol=1e-4)
            padded = model(torch.nn.functional.pad(together[place : place + 1], (0, 3_000)))
            torch.testing.assert_close(padded, alone, atol=1e-4, rtol=1e-4)


def test_cut_and_whole_padding_give_the_same_embedding() -> None:
    model = trained(make())
    with torch.no_grad():
        image = model.image(waves(16_000, 30_000))
        assert image.shape[-1] < 130  # of 251
        whole = torch.nn.functional.pad(image, (0, 100))
        torch.testing.assert_close(model.embed(image), model.embed(whole), atol=1e-5, rtol=1e-4)


def test_silence_has_logits_too() -> None:
    with torch.no_grad():
        assert trained(make())(torch.zeros(2, 16_000)).isfinite().all()


@pytest.mark.parametrize("normalise", ["level", "band", "train"])
def test_image_is_zero_in_the_padding_and_only_there(normalise: str) -> None:
    model = make(f"model.normalise={normalise}").eval()
    image = model.image(waves(16_000, 40_000))
    assert image.shape[:3] == (2, 1, 64)
    heard = image[0].ne(0).any(dim=(0, 1))
    assert 60 <= int(heard.sum()) <= 66
    assert heard[: int(heard.sum())].all()


@pytest.mark.parametrize("normalise", ["level", "band", "train"])
def test_augmented_clips_keep_their_padding(normalise: str) -> None:
    model = make(f"model.normalise={normalise}").train()
    torch.manual_seed(3)
    image = model.image(waves(16_000, 61_000).repeat(8, 1))
    heard = image.ne(0).any(dim=1).any(dim=1)[::2].sum(dim=1)
    assert heard.max() <= 66 / 0.85 + 1
    assert heard.min() < heard.max()


@pytest.mark.parametrize(("normalise", "same"), [("level", True), ("band", True), ("train", False)])
def test_how_loud_a_clip_is_changes_an_answer_only_where_it_is_said(
    normalise: str, same: bool
) -> None:
    model = trained(make(f"model.normalise={normalise}"))
    clip = waves(16_000, 40_000)
    with torch.no_grad():
        assert torch.allclose(model(clip), model(clip / 10), atol=1e-3) is same


def test_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ConfigError, match="band or level or train"):
        make("model.normalise=clip")


def test_speed_shortens_time_alone() -> None:
    image = torch.randn(1, 2, 64, 100)
    assert change_speed(image, 1.25).shape == (1, 2, 64, 80)
    assert change_speed(image, 1.0) is image


def test_pitch_moves_bands_alone_as_the_warp_of_training_does() -> None:
    top = top_of_bands(16_000)
    image = torch.randn(2, 1, 64, 100)
    image[..., 90:] = 0
    one = torch.ones(2)
    for pitch in (0.9, 1.1):
        higher = change_pitch(image, pitch, mel_top=top)
        warped = warp(image, tempo=one, pitch=one * pitch, mel_top=top)
        torch.testing.assert_close(higher, warped, atol=1e-3, rtol=1e-3)
        assert bool((higher[..., 90:] == 0).all())
    assert change_pitch(image, 1.0, mel_top=top) is image


def test_an_answer_is_the_mean_of_its_hearings_an_epochs_figure_is_one() -> None:
    model = trained(make("model.speeds=[0.9,1.1]", "model.pitches=[0.93,1.07]"))
    image = model.image(waves(*LENGTHS))
    with torch.no_grad():
        each = [
            model.embed(
                change_pitch(change_speed(image, speed), pitch, mel_top=top_of_bands(16_000))
            )
            for speed in (0.9, 1.1)
            for pitch in (0.93, 1.07)
        ]
        torch.testing.assert_close(model.embed_tta(image), torch.stack(each).mean(dim=0))
        _, logits = model.predict_step(batch(model), 0)
        torch.testing.assert_close(logits, model.head(model.embed_tta(image)))


@pytest.mark.parametrize("key", ["speeds", "pitches"])
@pytest.mark.parametrize("value", ["[]", "[0.0,1.0]"])
def test_hearings_that_cannot_be_are_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{key}=.* must be factors above 0"):
        make(f"model.{key}={value}")


def batch(model: EmotionClassifier) -> Batch:
    wave = waves(*LENGTHS)
    return Batch(wave, torch.tensor(LENGTHS), torch.arange(3), torch.arange(3))


def test_mixup_of_a_clip_with_itself_is_the_plain_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = []
    for mixup in (0.0, 0.5):
        model = make("~model.augment", "model.dropout=0", mixup=mixup, label_smoothing=0.1)
        monkeypatch.setattr(model, "log", lambda *_, **__: None)
        monkeypatch.setattr(torch, "randperm", lambda size, **_: torch.arange(size))
        losses.append(model.training_step(batch(model), 0))
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)


def test_validation_is_never_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(make(mixup=0.5))
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    with torch.no_grad():
        first, second = (model.step(batch(model), "val") for _ in range(2))
    assert torch.equal(first, second)


def test_a_negative_mixup_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.mixup=-1 must be at least 0"):
        make(mixup=-1)
