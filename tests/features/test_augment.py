import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emotion.config.build import build
from emotion.config.composition import compose
from emotion.errors import ConfigError
from emotion.features.augment import (
    Augment,
    Mask,
    MixStyle,
    TimeShift,
    Warp,
    draw_spans,
    mix_pairs,
    resampled_frames,
    shift_time,
    warp,
)
from emotion.features.log_mel import LogMel
from tests.support.models import full_lengths

CPU = torch.device("cpu")


def augmented(step: torch.nn.Module, image: Tensor) -> Tensor:
    """Return images, (B, C, M, F), without padding, after a step of augmentation."""
    changed: Tensor = step(image, torch.full((len(image),), image.shape[-1]))[0]
    return changed


def images(batch: int = 16, bands: int = 64, frames: int = 128) -> Tensor:
    return torch.randn(batch, 1, bands, frames, generator=torch.Generator().manual_seed(0))


def runs(covered: Tensor) -> int:
    """Return the greatest length of an unbroken run of True, of (size,) bool."""
    longest = here = 0
    for value in covered.tolist():
        here = here + 1 if value else 0
        longest = max(longest, here)
    return longest


@settings(max_examples=30)
@given(st.lists(st.integers(-300, 300), min_size=4, max_size=4))
def test_shifting_turns_each_clip_round_by_its_own_steps(steps: list[int]) -> None:
    image = images(4)
    turned = shift_time(image, torch.tensor(steps))
    for before, after, step in zip(image, turned, steps, strict=True):
        assert torch.equal(after, before.roll(step, dims=-1))


def test_a_shift_in_frames_is_one_in_samples() -> None:
    """Rolled by k frames, what stays in order is a clip rolled by k hops of samples; what comes
    round the end is one rolled by k - F hops, since F frames are a hop longer than the clip. Only
    windows at an end or at the seam contain other samples.
    """
    features = LogMel(16_000, 1_000, n_mels=40, frames=101, n_fft=512)
    wave = 0.1 * torch.randn(2, features.samples, generator=torch.Generator().manual_seed(0))
    image, frames, hop = features(wave, full_lengths(wave)), features.columns, features.hop
    edge = features.n_fft // 2 // hop + 1
    for steps in (20, 30, -30):
        turned = shift_time(image, torch.tensor([steps, steps]))
        seam = steps % frames
        ordered, round_ = slice(seam + edge, -edge), slice(edge, seam - edge)
        if steps < 0:
            ordered, round_ = round_, ordered
        around = steps - frames if steps > 0 else steps + frames
        for inside, by in ((ordered, steps), (round_, around)):
            rolled = features(wave.roll(by * hop, dims=-1), full_lengths(wave))
            torch.testing.assert_close(turned[..., inside], rolled[..., inside], atol=0.01, rtol=0)


def test_a_time_shift_is_circular_and_of_at_most_its_share_either_way() -> None:
    torch.manual_seed(0)
    image = torch.arange(100.0).expand(400, 1, 2, 100)
    first = augmented(TimeShift(0.3), image)[:, 0, 0, 0]  # the frame that is first now
    steps = torch.where(first > 50, 100 - first, -first)
    assert (steps.min(), steps.max()) == (-30, 30)
    assert len(steps.unique()) == 61
    assert torch.equal(augmented(TimeShift(0.3), image).sort(dim=-1).values, image)


@pytest.mark.parametrize("axis", ["frequency", "time"])
def test_a_mask_covers_whole_bands_or_frames_with_the_clips_mean(axis: str) -> None:
    torch.manual_seed(0)
    image = images()
    masked = augmented(Mask(axis, count=2, max_fraction=0.1), image)
    changed = (masked != image)[:, 0]  # (B, M, F)
    across = changed.all(dim=2 if axis == "frequency" else 1)
    assert torch.equal(changed.any(dim=2 if axis == "frequency" else 1), across)
    for before, after, where in zip(image[:, 0], masked[:, 0], changed, strict=True):
        values = after[where]
        torch.testing.assert_close(values, before.mean().expand_as(values))
    assert len({tuple(row.tolist()) for row in across}) > 12, "each clip has a draw of its own"


@pytest.mark.parametrize(("size", "fraction"), [(128, 0.1), (64, 0.1), (100, 0.5), (9, 0.1)])
def test_one_span_is_unbroken_and_never_longer_than_its_share(size: int, fraction: float) -> None:
    torch.manual_seed(0)
    spans = draw_spans(3_000, size, count=1, max_fraction=fraction, device=CPU)
    lengths = spans.sum(dim=1)
    assert lengths.max() == int(fraction * size)
    assert lengths.min() == 0
    assert [runs(span) for span in spans[:200]] == lengths[:200].tolist()
    if fraction * size >= 1:
        assert spans.any(dim=0).all(), "every position is reached, including the ends"


def test_two_spans_cover_at_most_twice_the_share() -> None:
    torch.manual_seed(0)
    covered = draw_spans(3_000, 128, count=2, max_fraction=0.1, device=CPU).sum(dim=1)
    assert 18 <= covered.max() <= 24
    assert covered.float().mean() == pytest.approx(12 - 0.6, abs=0.5)


MAX_MEL = 2840.0  # of 8 kHz


def test_warping_by_one_changes_nothing() -> None:
    once = torch.ones(4)
    image = images(4)
    torch.testing.assert_close(
        warp(image, tempo=once, pitch=once, max_mel=MAX_MEL), image, atol=1e-3, rtol=0
    )


def test_a_faster_clip_ends_earlier_and_silence_follows() -> None:
    image = torch.ones(1, 1, 64, 100)
    fast = warp(image, tempo=torch.tensor([1.25]), pitch=torch.ones(1), max_mel=MAX_MEL)
    assert fast[..., :80].min() == pytest.approx(1)
    assert not fast[..., 81:].any()


def test_a_higher_voice_lies_in_the_band_of_its_frequencies() -> None:
    centres = torch.arange(1, 65) * MAX_MEL / 65  # mel
    hertz = 700 * (10 ** (centres / 2595) - 1)
    image = torch.zeros(1, 1, 64, 10)
    image[:, :, 20] = 1
    for factor in (0.8, 1.25):
        warped = warp(image, tempo=torch.ones(1), pitch=torch.tensor([factor]), max_mel=MAX_MEL)
        loudest = int(warped[0, 0, :, 5].argmax())
        nearest = int((hertz - factor * hertz[20]).abs().argmin())
        assert abs(loudest - nearest) <= 1


def test_every_clip_is_warped_by_a_draw_of_its_own() -> None:
    torch.manual_seed(0)
    warped = augmented(Warp(tempo=0.2, pitch=0, sample_rate=16_000), torch.ones(64, 1, 8, 100))
    ends = warped[:, 0, 0].gt(0).sum(dim=1)
    assert len(ends.unique()) > 10
    assert ends.min() >= 100 / 1.2


def test_mixing_takes_more_of_a_clip_than_of_its_partner() -> None:
    torch.manual_seed(0)
    image = images(8)
    mixed, partner, share = mix_pairs(image, alpha=0.4)
    assert 0.5 <= float(share) <= 1
    torch.testing.assert_close(mixed, share * image + (1 - share) * image[partner])


def test_styles_are_mixed_band_by_band_and_the_padding_stays() -> None:
    torch.manual_seed(0)
    image = images(8) * torch.rand(8, 1, 64, 1) * 4 + 5 * torch.randn(8, 1, 64, 1)
    image[::2, ..., 90:] = 0
    styled = MixStyle(alpha=0.4, chance=1)(image, torch.tensor([90, 128] * 4))[0]
    assert torch.equal(styled == 0, image == 0)
    means = image[1::2].mean(dim=-1), styled[1::2].mean(dim=-1)
    everyone = torch.stack([clip[..., clip.ne(0).any(dim=1)[0]].mean(dim=-1) for clip in image])
    assert not torch.allclose(*means, atol=0.1)
    assert (means[1] <= everyone.amax(dim=0) + 1e-4).all()
    assert (means[1] >= everyone.amin(dim=0) - 1e-4).all()


def test_a_share_that_no_beta_distribution_draws_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"style\.alpha=0 must be above 0"):
        MixStyle(alpha=0)


def test_styles_are_mixed_in_a_share_of_the_clips() -> None:
    torch.manual_seed(0)
    image = images(256, bands=4, frames=8) + torch.randn(256, 1, 1, 1)
    changed = (augmented(MixStyle(chance=0.5), image) - image).abs().amax(dim=(1, 2, 3)) > 1e-4
    assert 0.35 < changed.float().mean() < 0.65


def test_a_mask_of_zeros_covers_with_zeros() -> None:
    torch.manual_seed(0)
    image = images()
    masked = augmented(Mask("time", fill="zero"), image)
    assert not masked[masked != image].any()
    assert (masked != image).any()
    with pytest.raises(ConfigError, match="mean or zero, not 'median'"):
        Mask("time", fill="median")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "step",
    [
        TimeShift(0),
        Mask("time", max_fraction=0),
        Mask("frequency", max_fraction=0),
        Mask("time", count=0),
        Augment(),
        Augment(time_shift=None, time_mask=None),
    ],
    ids=str,
)
def test_a_step_of_nothing_changes_nothing(step: torch.nn.Module) -> None:
    assert torch.equal(augmented(step, images()), images())


def test_steps_are_applied_one_after_another_and_none_is_left_out() -> None:
    augment = Augment(time_shift=TimeShift(0.3), frequency_mask=None, time_mask=Mask("time"))
    assert list(augment.steps) == ["time_shift", "time_mask"]
    torch.manual_seed(5)
    both = augmented(augment, images())
    torch.manual_seed(5)
    assert torch.equal(augmented(Mask("time"), augmented(TimeShift(0.3), images())), both)


def test_every_call_draws_anew_and_a_seed_repeats_it() -> None:
    augment = Augment(time_shift=TimeShift(), frequency_mask=Mask("frequency"))
    torch.manual_seed(1)
    first, second = augmented(augment, images()), augmented(augment, images())
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(augmented(augment, images()), first)


def test_the_default_is_that_of_the_reference() -> None:
    steps = build(compose("train", []).settings.model["augment"], "model.augment").steps
    assert steps["time_shift"].max_fraction == 0.3
    for axis in ("frequency", "time"):
        mask = steps[f"{axis}_mask"]
        assert (mask.count, mask.max_fraction, mask.dim) == (2, 0.1, -2 if axis[0] == "f" else -1)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=rf"time_shift\.max_fraction={share} must lie between"):
        TimeShift(share)
    with pytest.raises(ConfigError, match=rf"time_mask\.max_fraction={share} must lie between"):
        Mask("time", max_fraction=share)
    with pytest.raises(ConfigError, match="frequency or time, not 'mel'"):
        Mask("mel")


@pytest.mark.parametrize("speed", [0.85, 0.9, 1.0, 1.1, 1.15])
def test_frames_of_a_resampled_clip_are_those_that_are_not_zero(speed: float) -> None:
    image = torch.zeros(1, 1, 8, 120)
    for frames in range(1, 100):
        image[..., :frames] = 1
        tempo = torch.tensor([speed])
        warped = warp(image, tempo=tempo, pitch=torch.ones(1), max_mel=MAX_MEL)
        counted = resampled_frames(torch.tensor([frames]), tempo, size=120)
        assert int((warped[0, 0, 0] > 1e-3).sum()) == int(counted)


def test_steps_that_move_frames_return_their_new_number() -> None:
    torch.manual_seed(0)
    frames = torch.tensor([60, 100])
    image = torch.ones(2, 1, 8, 100)
    assert not torch.equal(Warp(tempo=0.3, sample_rate=16_000)(image, frames)[1], frames)
    assert TimeShift(0.3)(image, frames)[1].tolist() == [100, 100]
    assert torch.equal(Mask("time")(image, frames)[1], frames)
