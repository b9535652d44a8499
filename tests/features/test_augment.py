import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emotion.config import composed
from emotion.errors import ConfigError
from emotion.features.augment import Augment, Mask, TimeShift, draw_spans, shift_time

CPU = torch.device("cpu")


def images(batch: int = 16, bands: int = 64, frames: int = 128) -> Tensor:
    return torch.randn(batch, 1, bands, frames, generator=torch.Generator().manual_seed(0))


def runs(covered: Tensor) -> int:
    """Return the greatest length of an unbroken run of True, of (size,) bool."""
    longest = here = 0
    for place in covered.tolist():
        here = here + 1 if place else 0
        longest = max(longest, here)
    return longest


@settings(max_examples=30)
@given(st.lists(st.integers(-300, 300), min_size=4, max_size=4))
def test_shifting_turns_each_clip_round_by_its_own_steps(steps: list[int]) -> None:
    image = images(4)
    turned = shift_time(image, torch.tensor(steps))
    for before, after, step in zip(image, turned, steps, strict=True):
        assert torch.equal(after, before.roll(step, dims=-1))


def test_a_time_shift_is_circular_and_of_at_most_its_share_either_way() -> None:
    torch.manual_seed(0)
    image = torch.arange(100.0).expand(400, 1, 2, 100)
    first = TimeShift(0.3)(image)[:, 0, 0, 0]  # the frame that stands first now
    steps = torch.where(first > 50, 100 - first, -first)
    assert (steps.min(), steps.max()) == (-30, 30)
    assert len(steps.unique()) == 61
    assert torch.equal(TimeShift(0.3)(image).sort(dim=-1).values, image)


@pytest.mark.parametrize("axis", ["frequency", "time"])
def test_a_mask_covers_whole_bands_or_frames_with_the_clips_mean(axis: str) -> None:
    torch.manual_seed(0)
    image = images()
    masked = Mask(axis, count=2, max_fraction=0.1)(image)
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
        assert spans.any(dim=0).all(), "every place is reached, the ends too"


def test_two_spans_cover_at_most_twice_the_share() -> None:
    torch.manual_seed(0)
    covered = draw_spans(3_000, 128, count=2, max_fraction=0.1, device=CPU).sum(dim=1)
    assert 18 <= covered.max() <= 24
    assert covered.float().mean() == pytest.approx(12 - 0.6, abs=0.5)


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
    assert torch.equal(step(images()), images())


def test_steps_are_applied_one_after_another_and_none_is_left_out() -> None:
    augment = Augment(time_shift=TimeShift(0.3), frequency_mask=None, time_mask=Mask("time"))
    assert list(augment.steps) == ["time_shift", "time_mask"]
    torch.manual_seed(5)
    both = augment(images())
    torch.manual_seed(5)
    assert torch.equal(Mask("time")(TimeShift(0.3)(images())), both)


def test_every_call_draws_anew_and_a_seed_repeats_it() -> None:
    augment = Augment(time_shift=TimeShift(), frequency_mask=Mask("frequency"))
    torch.manual_seed(1)
    first, second = augment(images()), augment(images())
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(augment(images()), first)


def test_the_default_is_the_references() -> None:
    with composed("train", []) as config:
        steps = config.build("model.augment").steps
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
