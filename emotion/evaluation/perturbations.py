"""Perturbations of a waveform: noise, babble, reverberation, codecs, level, clipping and silence.

Every function takes a mono wave, (T,) float32 of finite samples, and returns a new one, (T,)
float32; only `pad_silence` returns a longer one. Only `clip_peaks` and `code_mu_law` bound the
result, which may exceed full scale. The same seed at each strength gives the same noise, voices or
room, so that a curve over strengths varies in nothing else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import soundfile as sf
from numpy.random import Generator
from scipy.signal import fftconvolve, firwin

from emotion.audio.decode import Wave
from emotion.audio.standardise import fit_length, nonsilent_interval, resample
from emotion.errors import ConfigError, suggest
from emotion.utils.mp3 import encode_mp3

Babble = Sequence[Wave] | npt.NDArray[np.float32]
"""Clips of other speakers at the rate of the wave: a list of (T,), or one array (N, T)."""

BABBLE_VOICES = 6
"""Number of voices in babble, if there are as many clips."""

ROOM_M3, DISTANCE_M = 60.0, 1.0
"""Volume of the room of `room_response`, and distance from the voice to the microphone."""

MP3_RATES = (16_000, 22_050, 24_000)
"""Sample rates of MPEG-2 layer III, Hz, the variant of MP3 with low bitrates."""

MP3_DELAY = 1105
"""Samples that LAME (576) and a decoder (529) prepend: lame.sourceforge.io/tech-FAQ.txt."""


def mix_at_snr(wave: Wave, noise: Wave, *, sample_rate: int, snr_db: float) -> Wave:
    """Return the clip, (T,), with noise, (T,), added at a signal-to-noise ratio in dB.

    The power of the signal is that of the clip without the silence at its ends, the power of the
    noise that of all of it. A silent clip stays silent; silent noise changes nothing.
    """
    start, stop = nonsilent_interval(wave, sample_rate)
    if not (noise_power := _power(noise)):
        return wave.copy()
    gain = np.sqrt(_power(wave[start:stop]) / noise_power * 10 ** (-snr_db / 10))
    return wave + noise * np.float32(gain)


def add_white_noise(wave: Wave, sample_rate: int, *, snr_db: float, rng: Generator) -> Wave:
    """Return the clip with Gaussian white noise, as from a poor microphone amplifier."""
    noise = rng.standard_normal(len(wave), dtype=np.float32)
    return mix_at_snr(wave, noise, sample_rate=sample_rate, snr_db=snr_db)


def add_babble(
    wave: Wave, sample_rate: int, *, snr_db: float, rng: Generator, babble: Babble
) -> Wave:
    """Return the clip with up to `BABBLE_VOICES` other voices, all of the same level.

    Each is one of the clips in `babble`, without the silence at its ends, started at a random
    sample and repeated to the length of the clip. Pass training clips, since a test clip could be
    mixed with itself. An empty `babble` raises a ConfigError.
    """
    if not len(babble):
        raise ConfigError("perturb=babble needs other clips to mix in. Pass training clips.")
    noise = np.zeros_like(wave)
    for number in rng.choice(len(babble), size=min(BABBLE_VOICES, len(babble)), replace=False):
        start, stop = nonsilent_interval(babble[number], sample_rate)
        voice = np.roll(babble[number][start:stop], rng.integers(stop - start))
        if (power := _power(voice)) > 0:
            noise += np.resize(voice, len(wave)) / np.float32(np.sqrt(power))
    return mix_at_snr(wave, noise, sample_rate=sample_rate, snr_db=snr_db)


def band_limit(wave: Wave, sample_rate: int, *, high_hz: float = 3400.0) -> Wave:
    """Return the clip in telephone bandwidth: 300 Hz to `high_hz`, through 8 kHz, without delay."""
    narrow = resample(wave, sample_rate, to_rate=8000)
    taps = firwin(255, [300.0, high_hz], pass_zero=False, fs=8000).astype(np.float32)
    narrow = fftconvolve(narrow, taps, mode="same")  # odd and symmetric: no delay
    return fit_length(resample(narrow, 8000, to_rate=sample_rate), len(wave), padding="zero")


def code_mu_law(wave: Wave, sample_rate: int) -> Wave:
    """Return the clip after 8-bit µ-law (ITU-T G.711) at its own rate: quantisation only."""
    file = BytesIO()
    bounded = np.clip(wave, -1, 1)  # libsndfile reads beyond its table for higher levels
    sf.write(file, bounded, sample_rate, format="WAV", subtype="ULAW")
    return _decode(file.getvalue())


def code_mp3(wave: Wave, sample_rate: int, *, kbps: float) -> Wave:
    """Return the clip after MP3 at a constant bitrate, 16 to 160 kbit/s, aligned with the original.

    The codec runs at the highest of `MP3_RATES` that is not above the rate of the clip, else at
    the lowest.
    """
    rate = max((rate for rate in MP3_RATES if rate <= sample_rate), default=MP3_RATES[0])
    source = resample(wave, sample_rate, to_rate=rate)
    coded = _decode(encode_mp3(source, rate, kbps=kbps))
    if len(coded) > len(source):  # small frames have no tag that makes the decoder remove this
        coded = coded[MP3_DELAY:]
    coded = fit_length(coded, len(source), padding="zero")
    return fit_length(resample(coded, rate, to_rate=sample_rate), len(wave), padding="zero")


def reverberate(wave: Wave, sample_rate: int, *, rt60_s: float, rng: Generator) -> Wave:
    """Return the clip with the reverberation of a room: aligned with the original, as long."""
    out: Wave = fftconvolve(wave, room_response(rt60_s, sample_rate, rng=rng))[: len(wave)]
    return out


def room_response(rt60_s: float, sample_rate: int, *, rng: Generator) -> Wave:
    """Return the impulse response of a room, (R,) float32 of energy 1, R = `rt60_s` seconds.

    The direct path is at sample 0, then comes noise that decays by 60 dB in `rt60_s` (Polack,
    1988). The ratio of their energies is (critical distance / distance)², where the critical
    distance is 0.057 √(V / RT60) m (Kuttruff, Room Acoustics).
    """
    time = np.arange(max(2, round(rt60_s * sample_rate))) / sample_rate  # (R,) s
    response = rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60_s)
    response[0] = 0.0
    direct_to_reverberant = 0.057**2 * ROOM_M3 / (rt60_s * DISTANCE_M**2)
    response[0] = np.sqrt(direct_to_reverberant * np.sum(response**2))
    return (response / np.linalg.norm(response)).astype(np.float32)


def amplify(wave: Wave, gain_db: float) -> Wave:
    """Return the clip with its level changed by `gain_db`."""
    return wave * np.float32(10 ** (gain_db / 20))


def clip_peaks(wave: Wave, sample_rate: int, *, percent: float) -> Wave:
    """Return the clip clipped at the level that `percent` of its samples exceed, silence aside."""
    start, stop = nonsilent_interval(wave, sample_rate)
    limit = np.float32(np.quantile(np.abs(wave[start:stop]), 1 - percent / 100))
    return np.clip(wave, -limit, limit)


def pad_silence(wave: Wave, sample_rate: int, *, lead_ms: float = 0, tail_ms: float = 0) -> Wave:
    """Return the whole clip with digital silence before and after it, and so a longer one."""
    lead, tail = (round(sample_rate * pad_ms / 1000) for pad_ms in (lead_ms, tail_ms))
    return np.pad(wave, (lead, tail))


def shift(wave: Wave, sample_rate: int, *, by_ms: float) -> Wave:
    """Return the clip delayed by `by_ms` (below 0: advanced), as long, with zeros in the gap."""
    count = min(len(wave), round(sample_rate * abs(by_ms) / 1000))
    kept = len(wave) - count
    return np.pad(wave[:kept], (count, 0)) if by_ms > 0 else np.pad(wave[count:], (0, count))


def _power(wave: Wave) -> float:
    """Return the mean square of a wave, summed in double precision."""
    return float(np.mean(np.square(wave, dtype=np.float64)))


def _decode(content: bytes) -> Wave:
    """Return the wave of an audio file."""
    wave: Wave = sf.read(BytesIO(content), dtype="float32")[0]
    return wave


Apply = Callable[[Wave, int, float, Generator, Babble], Wave]
"""From a wave (T,), its rate in Hz, strength, randomness and other clips to the perturbed wave."""


@dataclass(frozen=True)
class Perturbation:
    """One kind of perturbation: name, unit of its strength, and strengths of a curve."""

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Apply

    def label(self, strength: float) -> str:
        """Return the name of one strength, such as "time shift -100 ms"."""
        return f"{self.name.replace('_', ' ')} {strength:g} {self.unit}"


_TABLE: tuple[tuple[str, str, tuple[float, ...], Apply], ...] = (
    (
        "white_noise",
        "dB SNR",
        (20, 10, 5, 0),
        lambda w, r, x, rng, _: add_white_noise(w, r, snr_db=x, rng=rng),
    ),
    (
        "babble",
        "dB SNR",
        (20, 10, 5, 0),
        lambda w, r, x, rng, babble: add_babble(w, r, snr_db=x, rng=rng, babble=babble),
    ),
    (
        "reverberation",
        "s RT60",
        (0.3, 0.6, 1.0),
        lambda w, r, x, rng, _: reverberate(w, r, rt60_s=x, rng=rng),
    ),
    ("telephone", "Hz", (3400,), lambda w, r, x, *_: band_limit(w, r, high_hz=x)),
    ("mu_law", "bit", (8,), lambda w, r, *_: code_mu_law(w, r)),
    ("mp3", "kbit/s", (64, 32, 24, 16), lambda w, r, x, *_: code_mp3(w, r, kbps=x)),
    ("gain", "dB", (-20, -10, 10), lambda w, _r, x, *_: amplify(w, x)),
    ("clipping", "%", (1, 5, 20), lambda w, r, x, *_: clip_peaks(w, r, percent=x)),
    ("leading_silence", "ms", (250, 500, 1000), lambda w, r, x, *_: pad_silence(w, r, lead_ms=x)),
    ("trailing_silence", "ms", (250, 500, 1000), lambda w, r, x, *_: pad_silence(w, r, tail_ms=x)),
    ("time_shift", "ms", (-300, -100, 100, 300), lambda w, r, x, *_: shift(w, r, by_ms=x)),
)
PERTURBATIONS: Mapping[str, Perturbation] = MappingProxyType(
    {r[0]: Perturbation(*r) for r in _TABLE}
)
"""Choices of `perturb=`, in the order of a report."""


def apply_perturbation(
    wave: Wave, *, name: str, strength: float, sample_rate: int, rng: Generator, babble: Babble = ()
) -> Wave:
    """Return the clip, (T,) float32, with one perturbation of `PERTURBATIONS`.

    Raises:
        ConfigError: the name is unknown, or it is babble and `babble` is empty.
    """
    return _find(name).apply(wave, sample_rate, strength, rng, babble)


def list_conditions(names: str | Iterable[str]) -> list[tuple[str, float]]:
    """Return the (name, strength) pairs of names or of `all`; raise ConfigError for others."""
    chosen = dict.fromkeys([names] if isinstance(names, str) else names)
    found = PERTURBATIONS if "all" in chosen else chosen
    return [(name, x) for name in found for x in _find(name).strengths]


def _find(name: str) -> Perturbation:
    if name not in PERTURBATIONS:
        raise ConfigError(f"perturb={name} is unknown.{suggest(name, ['all', *PERTURBATIONS])}")
    return PERTURBATIONS[name]
