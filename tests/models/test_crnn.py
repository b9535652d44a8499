"""The convolutional-recurrent network takes clips of any length; padding changes no logit."""

import pytest
import torch
from torch import Tensor

from emotion.data.batch import Batch
from emotion.errors import ConfigError
from emotion.features.augment import max_mel, resampled_frames, warp
from emotion.models.crnn import CRNN, change_pitch, change_speed
from tests.support.models import make_model, padded_noise

LENGTHS = (16_000, 40_000, 61_000)
NORMALISATIONS = ["level", "band", "train"]


def make(*overrides: str, **training: float) -> CRNN:
    model = make_model("experiment=best", *overrides, **training)
    assert isinstance(model, CRNN)
    model.set_normalisation(-30, 20)
    return model


def trained(model: CRNN) -> CRNN:
    """Return the model after its batch norm has seen a few clips."""
    with torch.no_grad():
        for _ in range(3):
            model(*padded_noise(*LENGTHS))
    return model.eval()


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_it_is_small() -> None:
    assert sum(parameter.numel() for parameter in make().parameters()) < 3_000_000


@pytest.mark.parametrize("normalise", NORMALISATIONS)
@pytest.mark.parametrize("tta", ["model.speeds=[1.0] model.pitches=[1.0]", ""])
def test_padding_changes_no_logit(normalise: str, tta: str) -> None:
    model = trained(make(f"model.normalise={normalise}", *tta.split()))
    waves, lengths = padded_noise(*LENGTHS)
    with torch.no_grad():
        together = model(waves, lengths)
        for wave, length, expected in zip(waves, lengths, together, strict=True):
            close(model(wave[None, :length], length[None])[0], expected)
            padded = torch.nn.functional.pad(wave[None], (0, 3_000))
            close(model(padded, length[None])[0], expected)


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_digital_silence_at_the_end_of_a_clip_counts(normalise: str) -> None:
    model = trained(make(f"model.normalise={normalise}"))
    waves, lengths = padded_noise(*LENGTHS)
    silent_end = lengths + torch.tensor([9_000, 0, 0])
    with torch.no_grad():
        together = model(waves, silent_end)
        close(model(waves[:1, :25_000], silent_end[:1]), together[:1])
        assert (together[0] - model(waves, lengths)[0]).abs().max() > 1e-3
        close(together[1:], model(waves, lengths)[1:])


def test_cached_features_and_waves_have_the_same_frames() -> None:
    model = make().eval()
    waves, lengths = padded_noise(16_000, 30_000)
    image, frames = model.image(waves, lengths)
    cached, cached_frames = model.image(model.features(waves, lengths), lengths)
    assert torch.equal(frames, cached_frames)
    assert frames.tolist() == [63, 118]
    torch.testing.assert_close(image, cached)


def test_cut_and_whole_padding_give_the_same_embedding() -> None:
    model = trained(make())
    with torch.no_grad():
        image, frames = model.image(*padded_noise(16_000, 30_000))
        assert image.shape[-1] == 118  # of 251
        whole = torch.nn.functional.pad(image, (0, 100))
        close(model.embed(image, frames), model.embed(whole, frames))


def test_values_in_the_padding_of_an_image_are_ignored() -> None:
    model = trained(make())
    with torch.no_grad():
        image, frames = model.image(*padded_noise(16_000, 30_000))
        changed = image.clone()
        changed[0, ..., 63:] = 9
        close(model.embed(changed, frames), model.embed(image, frames))


def test_silence_has_logits_too() -> None:
    with torch.no_grad():
        logits = trained(make())(torch.zeros(2, 16_000), torch.tensor([16_000, 1]))
    assert logits.isfinite().all()


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_image_is_zero_in_the_padding_and_only_there(normalise: str) -> None:
    model = make(f"model.normalise={normalise}").eval()
    image, frames = model.image(*padded_noise(16_000, 40_000))
    assert image.shape[:3] == (2, 1, 64)
    for clip, count in zip(image, frames.tolist(), strict=True):
        assert clip[..., :count].ne(0).any(dim=(0, 1)).all()
        assert not clip[..., count:].any()


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_augmented_clips_keep_their_padding(normalise: str) -> None:
    model = make(f"model.normalise={normalise}").train()
    torch.manual_seed(3)
    waves, lengths = padded_noise(16_000, 61_000)
    image, frames = model.image(waves.repeat(8, 1), lengths.repeat(8))
    position = torch.arange(image.shape[-1])
    assert not image[position.expand_as(image) >= frames[:, None, None, None]].any()
    assert frames[::2].max() <= 63 / 0.85 + 1
    assert frames[::2].min() < frames[::2].max()


@pytest.mark.parametrize(("normalise", "same"), [("level", True), ("band", True), ("train", False)])
def test_the_recording_level_changes_logits_only_without_own_normalisation(
    normalise: str, same: bool
) -> None:
    model = trained(make(f"model.normalise={normalise}"))
    waves, lengths = padded_noise(16_000, 40_000)
    with torch.no_grad():
        logits, quieter = model(waves, lengths), model(waves / 10, lengths)
    assert torch.allclose(logits, quieter, atol=1e-3) is same


def test_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ConfigError, match="band or level or train"):
        make("model.normalise=clip")


def test_speed_shortens_time_alone() -> None:
    image = torch.randn(1, 2, 64, 100)
    assert change_speed(image, 1.25).shape == (1, 2, 64, 80)
    assert change_speed(image, 1.0) is image


def test_pitch_moves_bands_alone_as_the_warp_of_training_does() -> None:
    top = max_mel(16_000)
    image = torch.randn(2, 1, 64, 100)
    image[..., 90:] = 0
    one = torch.ones(2)
    for pitch in (0.9, 1.1):
        higher = change_pitch(image, pitch, max_mel=top)
        warped = warp(image, tempo=one, pitch=one * pitch, max_mel=top)
        torch.testing.assert_close(higher, warped, atol=1e-3, rtol=1e-3)
        assert bool((higher[..., 90:] == 0).all())
    assert change_pitch(image, 1.0, max_mel=top) is image


def test_predictions_average_all_speeds_and_pitches() -> None:
    model = trained(make("model.speeds=[0.9,1.1]", "model.pitches=[0.93,1.07]"))
    image, frames = model.image(*padded_noise(*LENGTHS))
    embeddings = []
    with torch.no_grad():
        for speed in (0.9, 1.1):
            played = change_speed(image, speed)
            count = resampled_frames(frames, speed, size=played.shape[-1])
            for pitch in (0.93, 1.07):
                changed = change_pitch(played, pitch, max_mel=max_mel(16_000))
                embeddings.append(model.embed(changed, count))
        mean = torch.stack(embeddings).mean(dim=0)
        torch.testing.assert_close(model.embed_tta(image, frames), mean)
        _, logits = model.predict_step(batch(), 0)
        torch.testing.assert_close(logits, model.head(mean))


@pytest.mark.parametrize("key", ["speeds", "pitches"])
@pytest.mark.parametrize("value", ["[]", "[0.0,1.0]"])
def test_factors_outside_their_range_are_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{key}=.* must be factors above 0"):
        make(f"model.{key}={value}")


def batch() -> Batch:
    return Batch(*padded_noise(*LENGTHS), torch.arange(3), torch.arange(3))


def test_mixup_of_a_clip_with_itself_equals_the_plain_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = []
    for mixup in (0.0, 0.5):
        model = make("~model.augment", "model.dropout=0", mixup=mixup, label_smoothing=0.1)
        monkeypatch.setattr(model, "log", lambda *_, **__: None)
        monkeypatch.setattr(torch, "randperm", lambda size, **_: torch.arange(size))
        losses.append(model.training_step(batch(), 0))
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)


def test_validation_is_never_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(make(mixup=0.5))
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    with torch.no_grad():
        first, second = (model.step(batch(), model.val_metrics) for _ in range(2))
    assert torch.equal(first, second)
