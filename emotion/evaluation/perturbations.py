"""What a noisy place, a room, a codec and a microphone do to a clip, made without any download.

Every function takes a mono wave, (T,) float32 of finite samples, and returns a new one, (T,)
float32; only `pad_silence` returns more. Nothing but `clip_peaks` and `code_mu_law` bounds the
result, which may exceed full scale. The same seed at each strength gives the same noise, the same
talkers or the same room, so that a curve over strengths varies in nothing else.
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
from emotion.audio.standardise import active_span, fit_length, resample
from emotion.errors import ConfigError, near

Babble = Sequence[Wave] | npt.NDArray[np.float32]
"""Clips of other people at the wave's own rate: a list of (T,), or one array (N, T)."""

TALKERS = 6
"""How many voices make babble, where there are as many."""

ROOM_M3, DISTANCE_M = 60.0, 1.0
"""The room of `room_response` and how far the voice is from the microphone."""

MP3_RATES = (16_000, 22_050, 24_000)
"""The rates of MPEG-2 layer III, Hz, the kind of MP3 that has low bitrates."""

MP3_DELAY = 1105
"""What LAME (576) and a decoder (529) put in front, samples: lame.sourceforge.io/tech-FAQ.txt."""


def mix_at_snr(wave: Wave, noise: Wave, *, sample_rate: int, snr_db: float) -> Wave:
    """Return the clip, (T,), with noise, (T,), added at a signal-to-noise ratio in dB.

    The signal's power is that of the clip's active part (without the silence at its ends), the
    noise's that of all of it. A silent clip stays silent; silent noise changes nothing.
    """
    start, stop = active_span(wave, sample_rate)
    noise_power = _power(noise)
    if noise_power == 0:
        return wave.copy()
    gain = np.sqrt(_power(wave[start:stop]) / noise_power * 10 ** (-snr_db / 10))
    return wave + noise * np.float32(gain)


def add_white_noise(wave: Wave, sample_rate: int, *, snr_db: float, rng: Generator) -> Wave:
    """Return the clip in Gaussian white noise, as of a poor microphone amplifier."""
    noise = rng.standard_normal(len(wave), dtype=np.float32)
    return mix_at_snr(wave, noise, sample_rate=sample_rate, snr_db=snr_db)


def add_babble(
    wave: Wave, sample_rate: int, *, snr_db: float, rng: Generator, babble: Babble
) -> Wave:
    """Return the clip among up to `TALKERS` other voices, all equally loud.

    Each is one of the clips in `babble`, without the silence at its ends, begun anywhere and
    repeated as often as it takes. Give training clips: a test clip would speak against itself.

    Raises:
        ConfigError: there are no clips to mix.
    """
    if not len(babble):
        raise ConfigError("perturb=babble mixes other clips in, and got none. Pass training clips.")
    noise = np.zeros_like(wave)
    for number in rng.choice(len(babble), size=min(TALKERS, len(babble)), replace=False):
        start, stop = active_span(babble[number], sample_rate)
        voice = np.roll(babble[number][start:stop], rng.integers(stop - start))
        power = _power(voice)
        if power > 0:
            noise += np.resize(voice, len(wave)) / np.float32(np.sqrt(power))
    return mix_at_snr(wave, noise, sample_rate=sample_rate, snr_db=snr_db)


def band_limit(wave: Wave, sample_rate: int, *, high_hz: float = 3400.0) -> Wave:
    """Return the clip as a telephone passes it: 300 Hz to `high_hz`, by way of 8 kHz, no delay."""
    narrow = resample(wave, sample_rate, to_rate=8000)
    taps = firwin(255, [300.0, high_hz], pass_zero=False, fs=8000).astype(np.float32)
    narrow = fftconvolve(narrow, taps, mode="same")  # odd and symmetric: nothing moves
    return fit_length(resample(narrow, 8000, to_rate=sample_rate), len(wave), padding="zero")


def code_mu_law(wave: Wave, sample_rate: int) -> Wave:
    """Return the clip after 8-bit µ-law (ITU-T G.711) at its own rate: the quantising alone."""
    bounded = np.clip(wave, -1, 1)  # libsndfile looks beyond its table for anything louder
    return _through_file(bounded, sample_rate, format="WAV", subtype="ULAW")


def code_mp3(wave: Wave, sample_rate: int, *, kbps: float) -> Wave:
    """Return the clip after MP3 at a constant bitrate, 16 to 160 kbit/s, in line with the original.

    It is coded at the highest of `MP3_RATES` that is not above its own, else at the lowest.
    """
    rate = max((rate for rate in MP3_RATES if rate <= sample_rate), default=MP3_RATES[0])
    source = resample(wave, sample_rate, to_rate=rate)
    level = (160 - kbps) / (160 - 8)  # libsndfile: 0 is MPEG-2's highest bitrate, 1 its lowest
    coded = _through_file(
        source, rate, format="MP3", compression_level=level, bitrate_mode="CONSTANT"
    )
    if len(coded) > len(source):  # small frames hold no tag that would have a decoder cut this
        coded = coded[MP3_DELAY:]
    coded = fit_length(coded, len(source), padding="zero")
    return fit_length(resample(coded, rate, to_rate=sample_rate), len(wave), padding="zero")


def reverberate(wave: Wave, sample_rate: int, *, rt60_s: float, rng: Generator) -> Wave:
    """Return the clip as heard in a room: in line with the original, cut at its end."""
    response = room_response(rt60_s, sample_rate, rng=rng)
    out: Wave = fftconvolve(wave, response)[: len(wave)]
    return out


def room_response(rt60_s: float, sample_rate: int, *, rng: Generator) -> Wave:
    """Return a room's impulse response, (R,) float32 of energy 1, R = `rt60_s` seconds.

    The direct path at sample 0, then noise that falls by 60 dB in `rt60_s` (Polack, 1988). Their
    energies stand as (critical distance / distance)², critical distance 0.057 √(V / RT60) m
    (Kuttruff, Room Acoustics): the longer the tail, the louder against the direct path.
    """
    time = np.arange(max(2, round(rt60_s * sample_rate))) / sample_rate  # (R,) s
    response = rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60_s)
    response[0] = 0.0
    direct_to_reverberant = 0.057**2 * ROOM_M3 / (rt60_s * DISTANCE_M**2)
    response[0] = np.sqrt(direct_to_reverberant * np.sum(response**2))
    return (response / np.linalg.norm(response)).astype(np.float32)


def amplify(wave: Wave, gain_db: float) -> Wave:
    """Return the clip louder or softer by `gain_db`."""
    return wave * np.float32(10 ** (gain_db / 20))


def clip_peaks(wave: Wave, sample_rate: int, *, percent: float) -> Wave:
    """Return the clip cut at the level that `percent` of its active part's samples exceed."""
    start, stop = active_span(wave, sample_rate)
    limit = np.float32(np.quantile(np.abs(wave[start:stop]), 1 - percent / 100))
    return np.clip(wave, -limit, limit)


def pad_silence(wave: Wave, sample_rate: int, *, lead_ms: float = 0, tail_ms: float = 0) -> Wave:
    """Return the whole clip between digital silence: longer than it was, nothing of it lost.

    Where a model wants one length, the caller cuts the end, as with any longer clip.
    """
    lead, tail = (round(sample_rate * pad_ms / 1000) for pad_ms in (lead_ms, tail_ms))
    return np.pad(wave, (lead, tail))


def shift(wave: Wave, sample_rate: int, *, by_ms: float) -> Wave:
    """Return the clip later (or, below 0, earlier), cut at the end it leaves by.

    The gap is filled with zeros, not with what left: a recorder started too early or too late.
    """
    count = min(len(wave), round(sample_rate * abs(by_ms) / 1000))
    kept = len(wave) - count
    return np.pad(wave[:kept], (count, 0)) if by_ms > 0 else np.pad(wave[count:], (0, count))


def _power(wave: Wave) -> float:
    """Return the mean square of a wave, summed in double precision."""
    return float(np.mean(np.square(wave, dtype=np.float64)))


def _through_file(wave: Wave, sample_rate: int, **coding: str | float) -> Wave:
    """Return a wave written to a file in memory, and read back."""
    file = BytesIO()
    sf.write(file, wave, sample_rate, **coding)
    file.seek(0)
    coded: Wave = sf.read(file, dtype="float32")[0]
    return coded


Apply = Callable[[Wave, int, float, Generator, Babble], Wave]
"""Wave (T,), its rate in Hz, strength, randomness and other clips to the perturbed wave."""


@dataclass(frozen=True)
class Perturbation:
    """One curve of a report: a name, the unit of its axis, and the strengths along it."""

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Apply

    def label(self, strength: float) -> str:
        """Return one strength in words, such as "time shift -100 ms"."""
        return f"{self.name.replace('_', ' ')} {strength:g} {self.unit}"


_TABLE = (
    Perturbation(
        "white_noise",
        "dB SNR",
        (20, 10, 5, 0),
        lambda w, sr, x, rng, _: add_white_noise(w, sr, snr_db=x, rng=rng),
    ),
    Perturbation(
        "babble",
        "dB SNR",
        (20, 10, 5, 0),
        lambda w, sr, x, rng, babble: add_babble(w, sr, snr_db=x, rng=rng, babble=babble),
    ),
    Perturbation(
        "reverberation",
        "s RT60",
        (0.3, 0.6, 1.0),
        lambda w, sr, x, rng, _: reverberate(w, sr, rt60_s=x, rng=rng),
    ),
    Perturbation("telephone", "Hz", (3400,), lambda w, sr, x, *_: band_limit(w, sr, high_hz=x)),
    Perturbation("mu_law", "bit", (8,), lambda w, sr, *_: code_mu_law(w, sr)),
    Perturbation("mp3", "kbit/s", (64, 32, 24, 16), lambda w, sr, x, *_: code_mp3(w, sr, kbps=x)),
    Perturbation("gain", "dB", (-20, -10, 10), lambda w, _sr, x, *_: amplify(w, x)),
    Perturbation("clipping", "%", (1, 5, 20), lambda w, sr, x, *_: clip_peaks(w, sr, percent=x)),
    Perturbation(
        "leading_silence",
        "ms",
        (250, 500, 1000),
        lambda w, sr, x, *_: pad_silence(w, sr, lead_ms=x),
    ),
    Perturbation(
        "trailing_silence",
        "ms",
        (250, 500, 1000),
        lambda w, sr, x, *_: pad_silence(w, sr, tail_ms=x),
    ),
    Perturbation(
        "time_shift", "ms", (-300, -100, 100, 300), lambda w, sr, x, *_: shift(w, sr, by_ms=x)
    ),
)
PERTURBATIONS: Mapping[str, Perturbation] = MappingProxyType({p.name: p for p in _TABLE})
"""What `perturb=` can name, in the order of a report."""


def apply_perturbation(
    wave: Wave,
    *,
    name: str,
    strength: float,
    sample_rate: int,
    rng: Generator,
    babble: Babble = (),
) -> Wave:
    """Return the clip, (T,) float32, under one perturbation of `PERTURBATIONS`.

    Raises:
        ConfigError: the name is unknown, or `babble` is wanted and empty.
    """
    return _find(name).apply(wave, sample_rate, strength, rng, babble)


def expand(names: str | Iterable[str]) -> list[tuple[str, float]]:
    """Return the (name, strength) pairs of one name, of several, or of "all".

    Raises:
        ConfigError: a name is unknown.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    if "all" in wanted:
        wanted = list(PERTURBATIONS)
    return [(name, x) for name in dict.fromkeys(wanted) for x in _find(name).strengths]


def _find(name: str) -> Perturbation:
    if name not in PERTURBATIONS:
        raise ConfigError(f"perturb={name} is unknown.{near(name, ['all', *PERTURBATIONS])}")
    return PERTURBATIONS[name]
