import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.audio import standardise
from emotion.audio.standardise import (
    Standardiser,
    fit_length,
    ms_to_samples,
    pad_waves,
    resample,
    trim_silence,
)
from emotion.config.build import build
from emotion.config.composition import compose
from emotion.errors import ConfigError
from tests.support.archive import voice

RATES = (16_000, 24_414, 44_100, 48_000, 96_000)
CS334 = Standardiser(24_414, duration_ms=2618)
SPEECH = Standardiser(16_000, max_duration_ms=6000, padding="zero", trim_db=40)

rates = st.sampled_from(RATES)


def test_the_two_presets_have_the_published_settings() -> None:
    for words, expected in (([], CS334), (["preprocessing=speech_16k"], SPEECH)):
        node = compose("train", words).settings.preprocessing
        assert build(node, "preprocessing") == expected
    assert CS334.length == ms_to_samples(2618, 24_414) == 63_916
    assert SPEECH.length is None


@pytest.mark.parametrize("padding", ["reflect", "zero"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", [1.0, 2.618, 5.0])
def test_every_clip_gets_the_exact_length(rate: int, seconds: float, padding: str) -> None:
    standardise = Standardiser(24_414, duration_ms=2618, padding=padding)  # type: ignore[arg-type]
    clip = standardise(voice(seconds, rate), rate)
    assert clip.shape == (63_916,)
    assert clip.dtype == np.float32
    assert np.isfinite(clip).all()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", [1, 2, 3, 50])
def test_a_clip_too_short_to_reflect_once_still_fills_its_length(rate: int, samples: int) -> None:
    clip = CS334(np.full(samples, 0.5, np.float32), rate)
    assert clip.shape == (63_916,)
    assert np.isfinite(clip).all()


def test_a_short_clip_is_mirrored_at_its_end_or_followed_by_silence() -> None:
    wave = voice(1.0, 24_414)
    mirrored = CS334(wave, 24_414)
    np.testing.assert_array_equal(mirrored[:24_414], wave)
    np.testing.assert_array_equal(mirrored[24_414 : 2 * 24_414 - 1], wave[-2::-1])
    silent = Standardiser(24_414, duration_ms=2618, padding="zero")(wave, 24_414)
    np.testing.assert_array_equal(silent[:24_414], wave)
    assert not silent[24_414:].any()


@given(st.integers(1, 40), st.integers(1, 200))
def test_reflection_repeats_forwards_and_backwards(size: int, length: int) -> None:
    wave = np.arange(1, size + 1, dtype=np.float32)
    period = max(1, 2 * size - 2)
    order = [min(i % period, period - i % period) for i in range(length)]
    np.testing.assert_array_equal(fit_length(wave, length, padding="reflect"), wave[order])


def test_a_long_clip_is_cut_without_a_resampling_artefact() -> None:
    wave = voice(5.0, 48_000)
    whole = resample(wave, 48_000, to_rate=24_414)
    np.testing.assert_allclose(CS334(wave, 48_000), whole[:63_916], atol=1e-6)


@settings(max_examples=30)
@given(rates, rates, st.integers(1, 3_000))
def test_resampled_length_is_exact(rate: int, to_rate: int, samples: int) -> None:
    wave = resample(np.ones(samples, np.float32), rate, to_rate=to_rate)
    assert len(wave) == math.ceil(samples * to_rate / rate)


@pytest.mark.parametrize("rate", RATES)
def test_resampling_keeps_a_tone_and_its_time(rate: int) -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate).astype(np.float32)
    expected = np.sin(2 * np.pi * 1_000 * np.arange(24_414) / 24_414)
    wave = resample(tone, rate, to_rate=24_414)
    np.testing.assert_allclose(wave[1_000:-1_000], expected[1_000:-1_000], atol=1e-3)


def test_frequencies_above_the_new_nyquist_limit_are_filtered_out() -> None:
    tone = np.sin(2 * np.pi * 20_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(resample(tone, 48_000, to_rate=24_414)[1_000:-1_000]).max() < 1e-4


@settings(max_examples=30)
@given(st.floats(0.01, 3.0), st.integers(0, 9), rates)
def test_trimming_does_not_depend_on_the_level(gain: float, seed: int, rate: int) -> None:
    sound = voice(0.3, rate, seed=seed)
    hush = 1e-4 * voice(0.5, rate, seed=seed + 1)
    wave = np.concatenate([hush, sound, hush])
    cut = trim_silence(wave, rate, below_db=40)
    assert len(sound) * 0.9 < len(cut) < len(sound) + 0.2 * rate
    quiet = trim_silence(wave * np.float32(gain), rate, below_db=40)
    np.testing.assert_array_equal(quiet, cut * np.float32(gain))


def test_a_speaker_eighteen_times_quieter_is_trimmed_equally() -> None:
    wave = np.pad(voice(1.0, 44_100), 30_000)
    assert len(SPEECH(wave / 18, 44_100)) == len(SPEECH(wave, 44_100)) < 1.2 * 16_000


def test_trimming_keeps_60_ms_on_either_side() -> None:
    tone = np.tile(np.float32([0.1, -0.1]), 1_600)  # whole frames of 20 ms
    cut = trim_silence(np.pad(tone, 16_000), 16_000, below_db=40)
    np.testing.assert_array_equal(cut, np.pad(tone, 960))


def test_a_silent_clip_is_not_trimmed() -> None:
    assert len(trim_silence(np.zeros(9_000, np.float32), 16_000, below_db=40)) == 9_000


@pytest.mark.parametrize("rate", RATES)
def test_a_clips_own_length_is_kept_up_to_the_limit(rate: int) -> None:
    assert len(SPEECH(voice(7.0, rate), rate)) == 96_000
    assert len(SPEECH(voice(2.0, rate), rate)) == 32_000
    assert len(Standardiser(16_000)(voice(7.0, rate), rate)) == 112_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_rate", 999),
        ("sample_rate", 200_000),
        ("sample_rate", None),
        ("sample_rate", float("nan")),
        ("duration_ms", 0),
        ("duration_ms", "2618"),
        ("duration_ms", True),
        ("duration_ms", float("nan")),
        ("duration_ms", float("inf")),
        ("max_duration_ms", -1),
        ("trim_db", 0),
        ("padding", "mirror"),
        ("storage", "int8"),
    ],
)
def test_an_impossible_setting_is_named_with_its_value(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"preprocessing\.{name}='?{value}'? "[:-1]):
        Standardiser(**({"sample_rate": 16_000} | {name: value}))  # type: ignore[arg-type]


def test_rounding_as_in_training_is_that_of_the_caches_storage() -> None:
    wave = voice(0.5, 44_100)
    plain = SPEECH(wave, 44_100)
    rounded = SPEECH.as_in_training(wave, 44_100)
    assert 0 < np.abs(rounded - plain).max() <= np.abs(plain).max() / 32_767
    exact = Standardiser(16_000, storage="float32")
    np.testing.assert_array_equal(exact.as_in_training(wave, 44_100), exact(wave, 44_100))


def test_a_padded_batch_is_zero_after_each_wave() -> None:
    batch, lengths = pad_waves([np.ones(3, np.float32), np.ones(1, np.float32)])
    np.testing.assert_array_equal(batch, [[1, 1, 1], [1, 0, 0]])
    assert lengths.tolist() == [3, 1]


@pytest.mark.parametrize("rate", [96_000, 44_100, 16_001])
def test_a_long_clip_is_resampled_in_blocks_without_seams(
    rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = voice(3.0, rate)
    whole = resample(wave, rate, to_rate=24_414)
    monkeypatch.setattr(standardise, "BLOCK_SAMPLES", 10_000)
    parts = resample(wave, rate, to_rate=24_414)
    assert len(parts) == len(whole)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_a_clip_of_a_whole_number_of_blocks_keeps_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = voice(2.5, 16_000)
    whole = resample(wave, 16_000, to_rate=24_414)
    monkeypatch.setattr(standardise, "BLOCK_SAMPLES", len(wave) // 2)
    np.testing.assert_allclose(resample(wave, 16_000, to_rate=24_414), whole, atol=1e-6)


def test_levels_of_a_long_clip_are_those_of_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = voice(2.345, 44_100)
    whole = standardise.frame_levels_db(wave, 44_100)
    monkeypatch.setattr(standardise, "BLOCK_SAMPLES", 5_000)
    np.testing.assert_allclose(standardise.frame_levels_db(wave, 44_100), whole, atol=1e-5)
