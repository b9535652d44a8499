"""A corpus of synthetic emotional speech: a source-filter voice, made from a seed.

The source is Rosenberg's glottal pulse (1971, type B) with jitter, shimmer, tremor and breath, its
spectral tilt the return phase of Fant, Liljencrants & Lin (1985); the filter is the cascade of
resonators of Klatt (1980), moved through the vowels of Peterson & Barney (1952) and through
consonants. What an emotion does to a voice follows Murray & Arnott (1993) and Burkhardt &
Sendlmeier (2000). Level is drawn independently of emotion, so that loudness gives nothing away.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import product
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt
import soundfile
from scipy import fft
from scipy.ndimage import uniform_filter1d

from emotion.errors import ConfigError, near
from emotion.labels import DEFAULT, KNOWN

Array = npt.NDArray[np.float64]


# fmt: off
@dataclass(frozen=True)
class Expression:
    """A departure from a speaker's neutral voice."""

    f0_st: float = 0        # mean pitch, semitones
    accent_st: float = 0    # height of the pitch accents, semitones
    final_st: float = 0     # pitch movement at the end of the sentence, semitones
    rate_pct: float = 0     # speaking rate, percent
    open_pct: float = 0     # open quotient of the glottal cycle, percentage points
    tilt_oct: float = 0     # corner of the spectral tilt, octaves; below 0: a duller voice
    breath_db: float = 0    # aspiration noise, dB
    rough_pct: float = 0    # jitter, percent of a period; shimmer is four times that
    tremor_st: float = 0    # trembling of the pitch, semitones
    tract_pct: float = 0    # all formants, percent; above 0: a smile shortens the tract
    jaw_pct: float = 0      # first formant, percent; above 0: a mouth opened wider


EXPRESSIONS = {
    "neutral": Expression(),
    "angry": Expression(f0_st=3, accent_st=3, final_st=-3, rate_pct=4, open_pct=-14, tilt_oct=1.2,
                        breath_db=-6, rough_pct=1, jaw_pct=14),
    "happy": Expression(f0_st=4.5, accent_st=4, final_st=3, rate_pct=4, tilt_oct=.4, tract_pct=6),
    "sad": Expression(f0_st=-2, accent_st=-2, final_st=-1, rate_pct=-6, open_pct=12, tilt_oct=-1.2,
                      breath_db=7, tract_pct=-2, jaw_pct=-8),
    "fear": Expression(f0_st=6.5, accent_st=-1, final_st=1, rate_pct=6, open_pct=8, breath_db=6,
                       rough_pct=.8, tremor_st=.7, tract_pct=2),
    "disgust": Expression(f0_st=-2, accent_st=.5, final_st=-3, rate_pct=-4, open_pct=-8,
                          rough_pct=2.5, tract_pct=-6, jaw_pct=10),
    "calm": Expression(f0_st=-1, accent_st=-1, rate_pct=-6, open_pct=5, tilt_oct=-.4),
    "surprise": Expression(f0_st=6, accent_st=5, final_st=6, open_pct=4, jaw_pct=8),
}
HABIT_SD = Expression(f0_st=.6, accent_st=.5, final_st=.6, rate_pct=2, open_pct=2, tilt_oct=.2,
                      breath_db=1, rough_pct=.15, tremor_st=.05, tract_pct=.8, jaw_pct=2)
"""How far two speakers differ in one emotion."""
MOOD_SD = Expression(f0_st=1.5, accent_st=1, final_st=1.5, rate_pct=5, open_pct=5, tilt_oct=.45,
                     breath_db=3, rough_pct=.35, tremor_st=.15, tract_pct=2, jaw_pct=5)
"""How far two clips of one speaker differ in one emotion."""


@dataclass(frozen=True)
class Phone:
    """A speech sound: the formants of a mean man, its length, and what excites the tract."""

    formants_hz: tuple[float, float, float]
    duration_ms: float
    voice: float = 1         # amplitude of the glottal source
    noise: float = 0         # amplitude of the frication
    noise_hz: float = 4000   # where the frication is strongest


VOWELS = {
    "i": Phone((270, 2290, 3010), 100), "e": Phone((530, 1840, 2480), 110),
    "æ": Phone((660, 1720, 2410), 130), "a": Phone((730, 1090, 2440), 130),
    "o": Phone((570, 840, 2410), 120), "u": Phone((300, 870, 2240), 100),
    "ʌ": Phone((640, 1190, 2390), 100), "ɝ": Phone((490, 1350, 1690), 120),
}
CONSONANTS = {  # a plosive is a closure and a burst
    "m": (Phone((250, 1100, 2150), 70, .35),), "n": (Phone((250, 1500, 2500), 60, .35),),
    "l": (Phone((360, 1100, 2700), 60, .6),), "r": (Phone((350, 1100, 1500), 60, .6),),
    "w": (Phone((300, 700, 2200), 60, .6),), "f": (Phone((320, 1100, 2200), 90, 0, .1, 6500),),
    "v": (Phone((280, 1100, 2200), 60, .3, .05, 6000),),
    "z": (Phone((280, 1500, 2500), 80, .25, .15, 5500),),
    "s": (Phone((320, 1500, 2500), 100, 0, .3, 5500),),
    "ʃ": (Phone((320, 1800, 2500), 100, 0, .3, 3000),),
    "b": (Phone((200, 900, 2200), 60, .1), Phone((300, 900, 2200), 10, .4, .1, 1000)),
    "d": (Phone((200, 1600, 2600), 60, .1), Phone((300, 1600, 2600), 10, .4, .2, 4000)),
    "p": (Phone((300, 900, 2200), 70, 0), Phone((400, 900, 2200), 25, 0, .15, 1200)),
    "t": (Phone((300, 1600, 2600), 60, 0), Phone((400, 1600, 2600), 30, 0, .3, 4500)),
    "k": (Phone((300, 1900, 2400), 60, 0), Phone((400, 1900, 2400), 35, 0, .25, 2200)),
}
# fmt: on


@dataclass(frozen=True)
class Speaker:
    """A neutral voice; `tract`, `rate` and `open_quotient` are factors."""

    f0_hz: float
    accent_st: float
    rate: float
    open_quotient: float
    tilt_hz: float
    breath_db: float
    tract: float
    gain_db: float


@dataclass(frozen=True)
class Controls:
    """What the synthesiser is told every 10 ms: each (N,), `formants_hz` (N, 3)."""

    f0_hz: Array
    voice: Array
    noise: Array
    noise_hz: Array
    formants_hz: Array


HOP_MS = 10
SPEECH_DB = -25.0  # RMS of the speech against full scale, before the gain of speaker and clip
BANDWIDTHS_HZ = (70, 90, 140)  # of the moving formants
UPPER_FORMANTS_HZ = ((3500, 250), (4500, 300))  # frequency and bandwidth of the fixed ones
_SPEAKER, _HABIT, _SENTENCE, _CLIP = range(4)


def synthesise_corpus(
    folder: Path,
    *,
    seed: int = 0,
    speakers: int = 12,
    sentences: int = 20,
    emotions: Sequence[str] = DEFAULT,
    sample_rate: int = 16000,
    jobs: int = -1,
) -> None:
    """Write `speakers` × `sentences` × `emotions` clips as 16-bit WAV, like `S03_f_07_angry.wav`.

    The name holds speaker, sex, sentence and emotion; numbers start at 1, odd speakers are women.
    The bytes depend on the seed, not on `jobs`, and a smaller corpus is a part of a larger one.
    The folder appears when it is whole; one that exists is left as it is.

    Raises:
        ConfigError: an emotion that no voice here expresses.
    """
    for emotion in emotions:
        _check(emotion)
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        part = Path(temporary) / "clips"
        part.mkdir()
        joblib.Parallel(n_jobs=jobs)(
            joblib.delayed(_write_clips)(part, emotion, speaker, sentences, seed, sample_rate)
            for speaker, emotion in product(range(1, speakers + 1), emotions)
        )
        os.replace(part, folder)


def synthesise_clip(
    emotion: str, *, speaker: int = 1, sentence: int = 1, seed: int = 0, sample_rate: int = 16000
) -> npt.NDArray[np.float32]:
    """Return one clip of the corpus, (T,) within ±1.

    Raises:
        ConfigError: an emotion that no voice here expresses.
    """
    _check(emotion)
    rng = _rng(seed, _CLIP, speaker, sentence, emotion=emotion)
    voice = _speaker(seed, speaker)
    mood = _mood(emotion, habit=_rng(seed, _HABIT, speaker, 0, emotion=emotion), rng=rng)
    controls = _controls(_sentence(seed, sentence), voice, mood, rng)
    sources = _sources(controls, voice, mood, sample_rate, rng)
    return _record(_filter(sources, controls, voice, mood, sample_rate), voice, rng)


def _check(emotion: str) -> None:
    if emotion not in EXPRESSIONS:
        raise ConfigError(f"no synthetic voice is {emotion!r}.{near(emotion, EXPRESSIONS)}")


def _write_clips(
    folder: Path, emotion: str, speaker: int, sentences: int, seed: int, sample_rate: int
) -> None:
    for sentence in range(1, sentences + 1):
        clip = synthesise_clip(
            emotion, speaker=speaker, sentence=sentence, seed=seed, sample_rate=sample_rate
        )
        name = f"S{speaker:02d}_{_sex(speaker)}_{sentence:02d}_{emotion}.wav"
        soundfile.write(folder / name, clip, sample_rate, subtype="PCM_16")


def _sex(speaker: int) -> str:
    return "f" if speaker % 2 else "m"


def _rng(seed: int, *key: int, emotion: str = "neutral") -> np.random.Generator:
    return np.random.default_rng([seed, *key, KNOWN.index(emotion)])


def _speaker(seed: int, speaker: int) -> Speaker:
    rng = _rng(seed, _SPEAKER, speaker, 0)
    woman = _sex(speaker) == "f"
    return Speaker(
        f0_hz=rng.uniform(180, 220) if woman else rng.uniform(100, 125),
        accent_st=rng.uniform(3.0, 4.5),
        rate=rng.uniform(0.93, 1.07),
        open_quotient=rng.uniform(0.58, 0.68),
        tilt_hz=rng.uniform(1300, 1900),
        breath_db=rng.uniform(-24, -20) + (2 if woman else 0),
        tract=rng.uniform(1.11, 1.20) if woman else rng.uniform(0.95, 1.04),
        gain_db=rng.uniform(-3.5, 3.5),
    )


def _sentence(seed: int, sentence: int) -> list[tuple[Phone, float]]:
    """Return the phones of a sentence, each with its stress (0 to 1)."""
    rng = _rng(seed, _SENTENCE, sentence, 0)
    onsets, nuclei = list(CONSONANTS.values()), list(VOWELS.values())
    phones: list[tuple[Phone, float]] = []
    for syllable in range(rng.integers(6, 10)):
        stress = rng.uniform(0.6, 1.0) if syllable % 2 else rng.uniform(0.0, 0.3)
        phones += [(phone, 0.0) for phone in onsets[rng.integers(len(onsets))]]
        phones += [(nuclei[rng.integers(len(nuclei))], stress)]
    return phones


def _mood(emotion: str, *, habit: np.random.Generator, rng: np.random.Generator) -> Expression:
    """Return the expression of one clip: the emotion, as strong and as pure as it came out."""
    values = np.array(astuple(EXPRESSIONS[emotion]), dtype=float)
    values *= np.clip(habit.normal(1, 0.15) * rng.normal(1, 0.3), 0.2, 1.8)
    values += np.array(astuple(HABIT_SD)) * habit.standard_normal(len(values))
    values += np.array(astuple(MOOD_SD)) * rng.standard_normal(len(values))
    return Expression(*values.tolist())


def _controls(
    sentence: Sequence[tuple[Phone, float]], voice: Speaker, mood: Expression, rng: np.random.Generator
) -> Controls:
    """Return the movements of pitch, excitation and formants, smoothed by coarticulation."""
    table = np.array(
        [(*p.formants_hz, p.voice, p.noise, p.noise_hz, stress) for p, stress in sentence]
    )
    rate = voice.rate * (1 + mood.rate_pct / 100)
    length_ms = [phone.duration_ms * (0.85 + 0.3 * stress) for phone, stress in sentence]
    length_ms *= rng.uniform(0.9, 1.1, len(table)) / rate
    frames = np.diff(np.rint(np.cumsum(length_ms) / HOP_MS).astype(int), prepend=0)
    before, after = rng.integers(100, 300, size=2) // HOP_MS
    held = np.pad(np.repeat(table, frames, axis=0), ((before, after), (0, 0)), mode="edge")
    held[:before, 3:5] = held[len(held) - after :, 3:5] = 0
    quick, slow = uniform_filter1d(held, 3, axis=0), uniform_filter1d(held, 7, axis=0)
    stress = uniform_filter1d(slow[:, 6], 15)
    time = np.linspace(0, 1, len(held))  # (N,)
    trembling = np.sin(2 * np.pi * (6 * HOP_MS / 1000 * np.arange(len(held)) + rng.uniform()))
    pitch_st = mood.f0_st + (voice.accent_st + mood.accent_st) * (2 * stress - 0.3) + 1 - 2 * time
    pitch_st += (mood.final_st - 1) * np.clip((time - 0.6) / 0.3, 0, 1) + mood.tremor_st * trembling
    tract = voice.tract * (1 + mood.tract_pct / 100) * np.array([1 + mood.jaw_pct / 100, 1, 1])
    return Controls(
        f0_hz=voice.f0_hz * 2 ** (pitch_st / 12),
        voice=quick[:, 3] * 10 ** ((3 * stress - 3 * time) / 20),
        noise=quick[:, 4],
        noise_hz=held[:, 5],
        formants_hz=slow[:, :3] * tract,
    )


def _sources(
    controls: Controls,
    voice: Speaker,
    mood: Expression,
    sample_rate: int,
    rng: np.random.Generator,
) -> Array:
    """Return the glottal source with its breath, and the noise of consonants: (2, T)."""
    hop = sample_rate * HOP_MS // 1000
    at = np.arange(len(controls.f0_hz) * hop)
    rough = max(0.4 + mood.rough_pct, 0.1) / 100

    def samples(track: Array) -> Array:
        return np.interp(at / hop, np.arange(len(track)), track)  # (N,) -> (T,)

    turns = np.cumsum(samples(controls.f0_hz)) / sample_rate
    closures = np.interp(np.arange(1, int(turns[-1]) + 1), turns, at)  # (K,)
    closures += rough * np.gradient(closures) * rng.standard_normal(len(closures))
    shimmer = 1 + 4 * rough * rng.standard_normal(len(closures))
    phase = np.interp(at, closures, np.arange(len(closures)))
    open_quotient = np.clip(voice.open_quotient + mood.open_pct / 100, 0.35, 0.95)
    pulses = rosenberg_derivative(phase, open_quotient) * shimmer[phase.astype(int)]
    breath = 10 ** ((voice.breath_db + mood.breath_db) / 20) * rng.standard_normal(len(at))
    breath *= 0.5 + (phase % 1 > 1 - open_quotient)
    frication = samples(controls.noise) * rng.standard_normal(len(at))
    return np.stack([samples(controls.voice) * (pulses + breath), frication])


def rosenberg_derivative(phase: Array, open_quotient: float) -> Array:
    """Return the derivative of the glottal flow at a phase in cycles, (T,) -> (T,).

    Type B of Rosenberg (1971): closed first, then a flow that rises as 3x²-2x³ over two thirds of
    the open phase and falls as 1-x² over the last. The step at the closure is band-limited by the
    polynomial of Välimäki & Huovilainen (2007).
    """
    step = np.gradient(phase) + 1e-9
    turn = phase % 1
    x = (turn - 1 + open_quotient) / open_quotient  # 0 to 1 while open
    rise = np.where(x > 0, 9 * x * (1 - 1.5 * x), 0)
    flow = np.where(x < 2 / 3, rise, -6 * (3 * x - 2))
    after, before = np.clip(1 - turn / step, 0, 1), np.clip(1 - (1 - turn) / step, 0, 1)
    return (flow + 3 * (before**2 - after**2)) / 6


def _filter(
    sources: Array,
    controls: Controls,
    voice: Speaker,
    mood: Expression,
    sample_rate: int,
) -> Array:
    """Send the two sources through the moving vocal tract: (2, T) -> (T,).

    Each 20 ms of Hann-weighted source is multiplied with its frame's response; the frames overlap.
    """
    hop = sample_rate * HOP_MS // 1000
    frames = sources.reshape(2, -1, hop)
    frames = np.concatenate([frames[:, :-1], frames[:, 1:]], axis=2)  # (2, N-1, 2 hop)
    frames *= np.hanning(2 * hop + 1)[:-1]
    glottal, frication = fft.rfft(frames.astype(np.float32), 4 * hop)  # (N-1, F) each
    hz = np.linspace(0, sample_rate / 2, 2 * hop + 1)
    delay = np.exp(-2j * np.pi * hz / sample_rate)
    tilt = 1 / (1 + 1j * hz / (voice.tilt_hz * 2**mood.tilt_oct))
    for upper_hz, bandwidth_hz in UPPER_FORMANTS_HZ:
        scaled_hz = np.array([[upper_hz * voice.tract]])
        tilt = tilt * resonance(scaled_hz, bandwidth_hz, delay, sample_rate)[0]
    glottal *= tilt.astype(np.complex64)
    delay = delay.astype(np.complex64)
    for column, bandwidth_hz in enumerate(BANDWIDTHS_HZ):
        formant_hz = controls.formants_hz[1:, column, None]
        glottal *= resonance(formant_hz, bandwidth_hz, delay, sample_rate)
    octaves = np.log2((hz + 50) / controls.noise_hz[1:, None])
    frication *= np.exp(-2 * octaves**2)
    pieces = fft.irfft(glottal + frication).reshape(-1, 4, hop)
    speech = np.zeros((len(pieces) + 3, hop))
    for part in range(4):
        speech[part : part + len(pieces)] += pieces[:, part]
    return speech.ravel()


def resonance(
    formant_hz: Array, bandwidth_hz: float, delay: npt.NDArray[np.complexfloating], sample_rate: int
) -> npt.NDArray[np.complexfloating]:
    """Return the response of Klatt's (1980) resonator, (N, 1) and z⁻¹ (F,) -> (N, F)."""
    c = -np.exp(-2 * np.pi * bandwidth_hz / sample_rate)
    b = 2 * np.exp(-np.pi * bandwidth_hz / sample_rate) * np.cos(2 * np.pi * formant_hz / sample_rate)
    return ((1 - b - c) / (1 - b * delay - c * delay**2)).astype(np.complex64)


def _record(speech: Array, voice: Speaker, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the speech as a microphone hears it: at some level, with some noise."""
    envelope = uniform_filter1d(np.abs(speech), len(speech) // 40)
    envelope += 0.05 * envelope.max()
    speech = speech / envelope ** rng.uniform(0.2, 0.9)
    loud = speech[np.abs(speech) > 0.01 * np.abs(speech).max()]
    speech = speech / np.sqrt(np.mean(loud**2))
    speech += 10 ** (rng.uniform(-46, -34) / 20) * rng.standard_normal(len(speech))
    gain_db = SPEECH_DB + voice.gain_db + rng.uniform(-3, 3)
    return np.clip(speech * 10 ** (gain_db / 20), -1, 1).astype(np.float32)
