"""Formant synthesis: sentences, and the effect of a voice on the clip."""

from dataclasses import astuple, replace

import numpy as np
import pytest

from emotion.data.corpora.formant_synthesis import VOWELS, Voice, random_sentence, synthesise

RATE = 16_000
VOICE = Voice(
    f0_hz=120,
    accent_st=0,
    final_st=0,
    rate=1,
    open_quotient=0.6,
    tilt_hz=1500,
    breath_db=-30,
    rough=0.002,
    tremor_st=0,
    tract=1,
    jaw=1,
    gain_db=0,
)


def say(voice: Voice, *, seed: int = 0) -> np.ndarray:
    sentence = random_sentence(np.random.default_rng(5))
    return synthesise(sentence, voice, sample_rate=RATE, rng=np.random.default_rng(seed))


def power(wave: np.ndarray) -> np.ndarray:
    """Return the power at every whole frequency in Hz."""
    return np.abs(np.fft.rfft(wave, RATE)) ** 2


def test_a_sentence_has_six_to_nine_syllables_with_stress_on_every_second_vowel() -> None:
    for seed in range(5):
        sentence = random_sentence(np.random.default_rng(seed))
        vowels = sentence[[tuple(row[:3]) in {astuple(v)[:3] for v in VOWELS} for row in sentence]]
        assert 6 <= len(vowels) <= 9
        assert vowels[1::2, 7].min() > vowels[::2, 7].max()


def test_equal_seeds_give_equal_clips_within_full_scale() -> None:
    first, again, other = say(VOICE), say(VOICE), say(VOICE, seed=1)
    assert np.array_equal(first, again)
    assert np.abs(first).max() <= 1
    assert not np.array_equal(first[:100], other[:100])


def test_a_faster_voice_gives_a_shorter_clip() -> None:
    assert len(say(replace(VOICE, rate=1.5))) < 0.85 * len(say(VOICE))


def test_the_fundamental_is_the_pitch_of_the_voice() -> None:
    for f0_hz in (100, 200):
        spectrum = power(say(replace(VOICE, f0_hz=f0_hz, accent_st=0.01)))
        peak_hz = 60 + spectrum[60:280].argmax()
        assert peak_hz == pytest.approx(f0_hz, rel=0.15)


def test_a_duller_voice_has_less_power_at_high_frequencies() -> None:
    bright, dull = (power(say(replace(VOICE, tilt_hz=hz))) for hz in (3000, 500))
    assert dull[2000:4000].sum() / dull.sum() < 0.5 * bright[2000:4000].sum() / bright.sum()
