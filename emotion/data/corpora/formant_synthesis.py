"""Formant synthesis of speech: source-filter model (Fant 1960).

The source is Rosenberg's glottal pulse with jitter, shimmer, tremor and breath; its spectral tilt
is the return phase of Fant, Liljencrants & Lin (1985). The filter is Klatt's (1980) cascade, moved
through the vowels of Peterson & Barney (1952).
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import uniform_filter1d

Array = npt.NDArray[np.floating]


# fmt: off
@dataclass(frozen=True)
class Phone:
    """A speech sound of an average man: formants of the vocal tract and its excitation."""

    f1_hz: float
    f2_hz: float
    f3_hz: float
    length_ms: float
    voice: float = 1        # amplitude of the glottal source
    noise: float = 0        # amplitude of the frication
    noise_hz: float = 4000  # frequency of the strongest frication


VOWELS = (  # of heed, head, had, hod, hawed, who'd, hud, heard
    Phone(270, 2290, 3010, 100), Phone(530, 1840, 2480, 110), Phone(660, 1720, 2410, 130),
    Phone(730, 1090, 2440, 130), Phone(570, 840, 2410, 120), Phone(300, 870, 2240, 100),
    Phone(640, 1190, 2390, 100), Phone(490, 1350, 1690, 120),
)
CONSONANTS = (  # m n l, r w f, v z, s sh; the plosives b d, p t k: a closure and a burst
    [Phone(250, 1100, 2150, 70, .35)], [Phone(250, 1500, 2500, 60, .35)],
    [Phone(360, 1100, 2700, 60, .6)], [Phone(350, 1100, 1500, 60, .6)],
    [Phone(300, 700, 2200, 60, .6)], [Phone(320, 1100, 2200, 90, 0, .06, 6500)],
    [Phone(280, 1100, 2200, 60, .3, .04, 6000)], [Phone(280, 1500, 2500, 80, .25, .1, 5500)],
    [Phone(320, 1500, 2500, 100, 0, .18, 5500)], [Phone(320, 1800, 2500, 100, 0, .18, 3000)],
    [Phone(200, 900, 2200, 60, .1), Phone(300, 900, 2200, 10, .4, .08, 1000)],
    [Phone(200, 1600, 2600, 60, .1), Phone(300, 1600, 2600, 10, .4, .15, 4000)],
    [Phone(300, 900, 2200, 70, 0), Phone(400, 900, 2200, 25, 0, .12, 1200)],
    [Phone(300, 1600, 2600, 60, 0), Phone(400, 1600, 2600, 30, 0, .18, 4500)],
    [Phone(300, 1900, 2400, 60, 0), Phone(400, 1900, 2400, 35, 0, .2, 2200)],
)
# fmt: on


@dataclass(frozen=True)
class Voice:
    """Voice of a speaker in one clip; `rate`, `tract` and `jaw` are factors."""

    f0_hz: float
    accent_st: float
    final_st: float
    rate: float
    open_quotient: float
    tilt_hz: float
    breath_db: float
    rough: float
    tremor_st: float
    tract: float
    jaw: float
    gain_db: float


@dataclass(frozen=True)
class Controls:
    """Control tracks of the synthesiser, every 10 ms: (N,) each, the formants (N, 3)."""

    f0_hz: Array
    voice: Array
    noise: Array
    noise_hz: Array
    formants_hz: Array


HOP_MS = 10
SPEECH_DB = -25.0  # RMS of the speech against full scale, before the gains of speaker and clip


def random_sentence(rng: np.random.Generator) -> Array:
    """Return the phones of a sentence: the fields of `Phone` and the stress (0 to 1), (P, 8)."""
    phones: list[tuple[float, ...]] = []
    for syllable in range(rng.integers(6, 10)):
        stress = rng.uniform(0.6, 1.0) if syllable % 2 else rng.uniform(0.0, 0.3)
        phones += [(*astuple(p), 0.0) for p in CONSONANTS[rng.integers(len(CONSONANTS))]]
        phones += [(*astuple(VOWELS[rng.integers(len(VOWELS))]), stress)]
    return np.array(phones)


def synthesise(
    sentence: Array, voice: Voice, *, sample_rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a sentence, (P, 8) phones, spoken by a voice: (T,) within ±1."""
    controls = _controls(sentence, voice, rng)
    sources = _sources(controls, voice, sample_rate, rng)
    return _record(_filter(sources, controls, voice, sample_rate), voice, sample_rate, rng)


def _controls(sentence: Array, voice: Voice, rng: np.random.Generator) -> Controls:
    """Return the tracks of pitch, excitation and formants, smoothed by coarticulation."""
    length_ms = sentence[:, 3] * (0.85 + 0.3 * sentence[:, 7]) / voice.rate
    end_ms = np.cumsum(length_ms * rng.uniform(0.9, 1.1, len(sentence)))
    frames = np.diff(np.rint(end_ms / HOP_MS).astype(int), prepend=0)
    before, after = rng.integers(100, 300, size=2) // HOP_MS
    held = np.repeat(sentence, frames, axis=0)
    held = np.pad(held, ((before, after), (0, 0)), mode="edge")  # (P, 8) -> (N, 8)
    held[:before, 4:6] = held[-after:, 4:6] = 0
    quick, slow = uniform_filter1d(held, 3, axis=0), uniform_filter1d(held, 7, axis=0)
    stress = uniform_filter1d(slow[:, 7], 15)
    time = np.linspace(0, 1, len(held))
    pitch_st = voice.accent_st * (2 * stress - 0.3) + 1 - 2 * time
    pitch_st += voice.final_st * np.clip((time - 0.6) / 0.3, 0, 1)
    pitch_st += voice.tremor_st * np.sin(2 * np.pi * 0.006 * HOP_MS * np.arange(len(held)))  # 6 Hz
    f0_hz = voice.f0_hz * 2 ** (pitch_st / 12)
    accent_db, fall_db = rng.uniform((0, -2), (6, 8))  # independent of the emotion
    loudness = 10 ** ((accent_db * stress - fall_db * time) / 20)
    return Controls(
        f0_hz=f0_hz,
        voice=quick[:, 4] * loudness / np.sqrt(f0_hz / 150),  # equally loud at any pitch
        noise=quick[:, 5],
        noise_hz=held[:, 6],
        formants_hz=slow[:, :3] * voice.tract * np.array([voice.jaw, 1, 1]),
    )


def _sources(controls: Controls, voice: Voice, sample_rate: int, rng: np.random.Generator) -> Array:
    """Return the glottal source with its breath, and the noise of consonants: (2, T)."""
    hop = sample_rate * HOP_MS // 1000
    at = np.arange(len(controls.f0_hz) * hop)
    f0_hz, voiced, hissed = (
        np.interp(at, hop * np.arange(len(track)), track)  # (N,) -> (T,)
        for track in (controls.f0_hz, controls.voice, controls.noise)
    )
    turns = np.cumsum(f0_hz) / sample_rate
    closures = np.interp(np.arange(1, int(turns[-1]) + 1), turns, at)  # (K,), in samples
    closures += voice.rough * np.gradient(closures) * rng.standard_normal(len(closures))
    shimmer = 1 + 4 * voice.rough * rng.standard_normal(len(closures))
    turn = np.interp(at, closures, np.arange(len(closures)))
    cycle = turn.astype(int)
    phase, step = (turn - cycle).astype(np.float32), (f0_hz / sample_rate).astype(np.float32)
    pulses = _rosenberg(phase, step, voice.open_quotient) * shimmer[cycle]
    breath, frication = rng.standard_normal((2, len(at)), dtype=np.float32)
    breath *= 10 ** (voice.breath_db / 20)
    breath *= 0.5 + (phase > 1 - voice.open_quotient)  # more air passes the open glottis
    return np.stack([voiced * (pulses + breath), hissed * frication]).astype(np.float32)


def _rosenberg(phase: Array, step: Array, open_quotient: float) -> Array:
    """Return the derivative of the glottal flow at a phase of 0 to 1, (T,) -> (T,).

    Type B of Rosenberg (1971): closed, then a flow that rises as 3x²-2x³ over two thirds of the
    open phase and falls as 1-x² over the last third. Its step, of height 1 at the closure, is
    band-limited by the polynomial of Välimäki & Huovilainen (2007); `step` is a sample's phase.
    """
    x = np.maximum(1 - (1 - phase) / open_quotient, 0)  # 0 to 1 while open
    flow = np.where(x < 2 / 3, 2.25 * x * (1 - 1.5 * x), 2 - 3 * x)
    since, until = np.maximum(1 - phase / step, 0), np.maximum(1 - (1 - phase) / step, 0)
    smooth: Array = flow + (until**2 - since**2) / 2
    return smooth


def _filter(sources: Array, controls: Controls, voice: Voice, sample_rate: int) -> Array:
    """Return the sources filtered by the vocal tract, (2, T) -> (T',).

    Overlapping Hann-weighted frames of 20 ms are multiplied by the response of the tract.
    """
    hop = sample_rate * HOP_MS // 1000
    halves = sources.reshape(2, -1, hop)
    frames = np.concatenate([halves[:, :-1], halves[:, 1:]], axis=2)  # (2, N-1, 2 hop)
    frames *= np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    hz = np.arange(2 * hop + 1) * sample_rate / (4 * hop)
    upper_hz = np.array([[3500, 4500]]) * voice.tract
    fixed = _resonances(upper_hz, (250, 300), hz, sample_rate)
    fixed /= 1 + 1j * hz / voice.tilt_hz
    spectrum = fft.rfft(frames[0], 4 * hop) * fixed.astype(np.complex64)  # (N-1, F)
    spectrum *= _resonances(controls.formants_hz[1:], (70, 90, 140), hz, sample_rate)
    noisy = controls.noise[1:] > 1e-6
    octaves = np.log2((hz + 1) / controls.noise_hz[1:][noisy, None])
    spectrum[noisy] += fft.rfft(frames[1, noisy], 4 * hop) * np.exp(-2 * octaves**2)
    quarters = fft.irfft(spectrum).reshape(-1, 4, hop)
    speech = np.zeros((len(quarters) + 3, hop), dtype=np.float32)
    for index in range(4):
        speech[index : index + len(quarters)] += quarters[:, index]
    return speech.ravel()


def _resonances(
    formants_hz: Array, bandwidths_hz: Sequence[float], hz: Array, sample_rate: int
) -> npt.NDArray[np.complex64]:
    """Return the response of Klatt's (1980) resonators in cascade, (N, K) and (F,) -> (N, F)."""
    delay = np.exp(-2j * np.pi * hz / sample_rate).astype(np.complex64)
    radii = np.exp(-np.pi * np.array(bandwidths_hz) / sample_rate)
    b = (2 * radii * np.cos(2 * np.pi * formants_hz / sample_rate)).astype(np.float32)
    c = -(radii**2).astype(np.float32)
    response: npt.NDArray[np.complex64] = np.prod(1 - b - c, axis=1)[:, None].astype(np.complex64)
    for index in range(len(radii)):
        response = response / (1 - c[index] * delay**2 - b[:, index, None] * delay)
    return response


def _record(
    speech: Array, voice: Voice, sample_rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return the recorded speech: with random gain control, noise and level."""
    envelope = uniform_filter1d(np.abs(speech), sample_rate // 20)
    speech = speech / (envelope + 0.05 * envelope.max()) ** rng.uniform(0.4, 1.0)
    loud = np.abs(speech) > 0.01 * np.abs(speech).max()
    speech /= np.sqrt(np.mean(speech[loud] ** 2))
    room = rng.standard_normal(len(speech), dtype=np.float32)
    speech += 10 ** (rng.uniform(-46, -34) / 20) * room
    speech *= 10 ** ((SPEECH_DB + voice.gain_db) / 20)
    clip: npt.NDArray[np.float32] = speech.clip(-1, 1).astype(np.float32)
    return clip
