"""Perturbations have the strength that they are asked for, and keep length and alignment."""

import numpy as np
import pytest

from emotion.audio.decode import Wave
from emotion.errors import ConfigError
from emotion.evaluation.perturbations import (
    PERTURBATIONS,
    Babble,
    amplify,
    apply_perturbation,
    band_limit,
    clip_peaks,
    code_mp3,
    code_mu_law,
    list_conditions,
    pad_silence,
    room_response,
    shift,
)

RATES = (16_000, 24_414, 48_000)
KINDS = ("voice", "short", "silent", "clipped", "loud", "single")
LONGER = ("leading_silence", "trailing_silence")
SNRS = [pair for pair in list_conditions("all") if pair[0] in ("white_noise", "babble")]


def noise(sample_rate: int, *, seconds: float, seed: int = 0) -> Wave:
    """Return white noise at about -20 dB."""
    count = round(sample_rate * seconds)
    return np.float32(0.1) * np.random.default_rng(seed).standard_normal(count, dtype=np.float32)


def clip_of(kind: str, sample_rate: int) -> Wave:
    wave = noise(sample_rate, seconds=0.2)
    match kind:
        case "short":
            return wave[: round(0.02 * sample_rate)]
        case "silent":
            return np.zeros_like(wave)
        case "clipped":
            return np.clip(wave * 50, -1, 1)
        case "loud":
            return wave * 50
        case "single":
            return wave[:1]
    return wave


def babble_of(sample_rate: int) -> list[Wave]:
    """Return eight voices of different lengths and levels, one of them silent."""
    voices = [noise(sample_rate, seconds=0.2 + 0.05 * n, seed=n) * n for n in range(8)]
    return [np.pad(voice, 1000) for voice in voices]


def perturb(
    wave: Wave, name: str, strength: float, *, sample_rate: int, seed: int = 0, babble: Babble = ()
) -> Wave:
    rng = np.random.default_rng(seed)
    return apply_perturbation(
        wave, name=name, strength=strength, sample_rate=sample_rate, rng=rng, babble=babble
    )


def level_db(wave: Wave) -> float:
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))


def band_level_db(wave: Wave, sample_rate: int, *, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    return float(10 * np.log10(power[(frequency >= low_hz) & (frequency < high_hz)].mean()))


def lag_of(wave: Wave, reference: Wave) -> int:
    """Return the delay of a wave in samples, relative to its reference."""
    size = 2 * len(wave)
    product = np.fft.rfft(wave, size) * np.conj(np.fft.rfft(reference, size))
    peak = int(np.argmax(np.fft.irfft(product, size)))
    return peak if peak < len(wave) else peak - size


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PERTURBATIONS)
def test_every_clip_comes_back_finite_and_as_long(name: str, kind: str, sample_rate: int) -> None:
    wave = clip_of(kind, sample_rate)
    before = wave.copy()
    for strength in PERTURBATIONS[name].strengths:
        out = perturb(wave, name, strength, sample_rate=sample_rate, babble=babble_of(sample_rate))
        added = round(sample_rate * strength / 1000) if name in LONGER else 0
        assert out.shape == (len(wave) + added,)
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert not np.shares_memory(out, wave)
        if kind == "silent":
            assert np.abs(out).max() < 1e-4
    np.testing.assert_array_equal(wave, before)


@pytest.mark.parametrize(("name", "strength"), list_conditions("all"))
def test_a_seed_decides_the_result(name: str, strength: float) -> None:
    wave, voices = clip_of("voice", 16_000), babble_of(16_000)
    first, again, other = (
        perturb(wave, name, strength, sample_rate=16_000, seed=seed, babble=voices)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    random = name in ("white_noise", "babble", "reverberation")
    assert np.array_equal(first, other) is not random


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(("name", "snr_db"), SNRS)
def test_snr_holds_over_the_active_part(name: str, snr_db: float, sample_rate: int) -> None:
    voice = noise(sample_rate, seconds=0.6, seed=9)
    wave = np.pad(voice, (sample_rate // 2, sample_rate))
    out = perturb(wave, name, snr_db, sample_rate=sample_rate, babble=babble_of(sample_rate))
    assert level_db(voice) - level_db(out - wave) == pytest.approx(snr_db, abs=0.2)


def test_babble_voices_are_the_same_at_every_snr() -> None:
    wave, voices = clip_of("voice", 16_000), babble_of(16_000)
    quiet, loud = (
        perturb(wave, "babble", snr_db, sample_rate=16_000, babble=voices) - wave
        for snr_db in (20, 0)
    )
    np.testing.assert_allclose(quiet * 10, loud, atol=1e-5)


def test_babble_takes_an_array_or_a_single_clip() -> None:
    wave = clip_of("voice", 16_000)
    voices = np.stack([noise(16_000, seconds=0.2, seed=n) for n in range(3)])
    listed = perturb(wave, "babble", 5, sample_rate=16_000, babble=list(voices))
    stacked = perturb(wave, "babble", 5, sample_rate=16_000, babble=voices)
    np.testing.assert_array_equal(listed, stacked)
    alone = perturb(wave, "babble", 5, sample_rate=16_000, babble=voices[:1])
    assert level_db(wave) - level_db(alone - wave) == pytest.approx(5, abs=0.2)


def test_babble_without_clips_is_refused() -> None:
    with pytest.raises(ConfigError, match="Pass training clips"):
        perturb(clip_of("voice", 16_000), "babble", 5, sample_rate=16_000)


@pytest.mark.parametrize("sample_rate", [8_000, *RATES])
def test_telephone_passes_300_to_3400_hz_only(sample_rate: int) -> None:
    wave = noise(sample_rate, seconds=1)
    out = band_limit(wave, sample_rate)

    def change_db(low_hz: float, high_hz: float) -> float:
        levels = [
            band_level_db(x, sample_rate, low_hz=low_hz, high_hz=high_hz) for x in (out, wave)
        ]
        return levels[0] - levels[1]

    assert change_db(450, 3250) == pytest.approx(0, abs=0.2)
    assert change_db(0, 200) < -40
    assert change_db(3600, sample_rate / 2) < -40
    assert lag_of(out, wave) == 0


def test_mu_law_adds_the_quantisation_noise_of_8_bits() -> None:
    wave = noise(16_000, seconds=1)
    out = code_mu_law(wave, 16_000)
    assert level_db(wave) - level_db(out - wave) == pytest.approx(37.5, abs=2)  # ITU-T G.711: 38 dB
    loud = np.array([-9, -1, 1, 9], dtype=np.float32)
    assert np.abs(code_mu_law(loud, 16_000)).min() > 0.95


@pytest.mark.parametrize("kbps", PERTURBATIONS["mp3"].strengths)
@pytest.mark.parametrize("sample_rate", [8_000, 22_050, *RATES])
def test_mp3_is_aligned_with_the_original(sample_rate: int, kbps: float) -> None:
    wave = band_limit(noise(sample_rate, seconds=0.7), sample_rate)
    assert abs(lag_of(code_mp3(wave, sample_rate, kbps=kbps), wave)) <= 1


def test_mp3_error_grows_at_lower_bitrates() -> None:
    wave = band_limit(noise(16_000, seconds=1), 16_000)
    errors = [level_db(code_mp3(wave, 16_000, kbps=kbps) - wave) for kbps in (64, 32, 24, 16)]
    assert errors == sorted(errors)
    assert errors[0] < level_db(wave) - 10


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("rt60_s", PERTURBATIONS["reverberation"].strengths)
def test_room_decays_by_60_db_in_rt60(rt60_s: float, sample_rate: int) -> None:
    response = room_response(rt60_s, sample_rate, rng=np.random.default_rng(0))
    decay_db = 10 * np.log10(np.cumsum(response[::-1].astype(float) ** 2)[::-1])
    fitted = np.flatnonzero((decay_db < -10) & (decay_db > -35))
    slope = np.polyfit(fitted / sample_rate, decay_db[fitted], 1)[0]  # dB a second
    assert -60 / slope == pytest.approx(rt60_s, rel=0.15)
    assert np.argmax(np.abs(response)) == 0
    assert np.linalg.norm(response) == pytest.approx(1, abs=1e-4)


def test_reverberation_keeps_the_onset_and_about_the_level() -> None:
    wave = np.pad(noise(16_000, seconds=2), (1600, 0))
    out = perturb(wave, "reverberation", 0.6, sample_rate=16_000)
    assert np.abs(out[:1600]).max() < 1e-4
    assert lag_of(out, wave) == 0
    assert level_db(out) == pytest.approx(level_db(wave), abs=1.5)


@pytest.mark.parametrize("gain_db", PERTURBATIONS["gain"].strengths)
def test_gain_is_exact(gain_db: float) -> None:
    wave = clip_of("voice", 16_000)
    np.testing.assert_allclose(amplify(wave, gain_db), wave * 10 ** (gain_db / 20), rtol=1e-6)


@pytest.mark.parametrize("percent", PERTURBATIONS["clipping"].strengths)
def test_clipping_cuts_that_percentage_of_the_active_part(percent: float) -> None:
    voice = noise(16_000, seconds=1)
    out = clip_peaks(np.pad(voice, 16_000), 16_000, percent=percent)[16_000:32_000]
    cut = np.abs(out) == np.abs(out).max()
    assert 100 * cut.mean() == pytest.approx(percent, abs=0.1)
    np.testing.assert_array_equal(out[~cut], voice[~cut])


def test_silence_is_added_around_the_whole_clip() -> None:
    wave = clip_of("voice", 16_000)
    out = pad_silence(wave, 16_000, lead_ms=250, tail_ms=500)
    np.testing.assert_array_equal(out[4000:-8000], wave)
    assert not out[:4000].any()
    assert not out[-8000:].any()


def test_shift_fills_with_zeros() -> None:
    wave = clip_of("voice", 16_000)
    late, early = (shift(wave, 16_000, by_ms=by_ms) for by_ms in (100, -100))
    np.testing.assert_array_equal(late[1600:], wave[:-1600])
    np.testing.assert_array_equal(early[:-1600], wave[1600:])
    assert not late[:1600].any()
    assert not early[-1600:].any()


def test_every_strength_is_listed_once() -> None:
    pairs = list_conditions("all")
    assert pairs == [(p.name, x) for p in PERTURBATIONS.values() for x in p.strengths]
    assert list_conditions(["gain", "all"]) == pairs
    assert list_conditions(["gain", "telephone", "gain"]) == list_conditions(
        "gain"
    ) + list_conditions("telephone")
    assert list_conditions("reverberation") == [
        ("reverberation", 0.3),
        ("reverberation", 0.6),
        ("reverberation", 1.0),
    ]


def test_labels_are_unique() -> None:
    labels = [PERTURBATIONS[name].label(strength) for name, strength in list_conditions("all")]
    assert len(set(labels)) == len(labels)
    assert "white noise 20 dB SNR" in labels


def test_an_error_suggests_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"perturb=bable is unknown\. Did you mean babble"):
        list_conditions(["gain", "bable"])
    with pytest.raises(ConfigError, match="Did you mean white_noise"):
        perturb(clip_of("voice", 16_000), "whitenoise", 5, sample_rate=16_000)
