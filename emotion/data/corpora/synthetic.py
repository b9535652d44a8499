"""Synthetic corpus of emotional speech, generated from a seed.

The effect of an emotion on the voice follows Murray & Arnott (1993) and Burkhardt & Sendlmeier
(2000). The level does not depend on the emotion.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt
import soundfile

from emotion.data.corpora.formant_synthesis import Array, Voice, random_sentence, synthesise
from emotion.data.labels import DEFAULT_LABELS, KNOWN_LABELS
from emotion.errors import ConfigError, suggest


# fmt: off
@dataclass(frozen=True)
class Expression:
    """Differences from a speaker's neutral voice."""

    f0_st: float = 0        # mean pitch, semitones
    accent_st: float = 0    # height of the pitch accents, semitones
    final_st: float = 0     # pitch movement at the end of the sentence, semitones
    rate_pct: float = 0     # speaking rate, percent
    open_pct: float = 0     # open quotient of the glottal cycle, percentage points
    tilt_oct: float = 0     # corner of the spectral tilt, octaves; below 0: duller
    breath_db: float = 0    # aspiration noise, dB
    rough_pct: float = 0    # jitter, percent of a period; shimmer is four times that
    tremor_st: float = 0    # tremor of the pitch, semitones
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
HABIT_SD = Expression(f0_st=.5, accent_st=.5, final_st=.5, rate_pct=2, open_pct=2, tilt_oct=.15,
                      breath_db=1, rough_pct=.15, tremor_st=.05, tract_pct=.7, jaw_pct=2)
MOOD_SD = Expression(f0_st=1.7, accent_st=1.2, final_st=1.6, rate_pct=5, open_pct=5, tilt_oct=.5,
                     breath_db=3.5, rough_pct=.4, tremor_st=.2, tract_pct=2.2, jaw_pct=6)
HABIT_STRENGTH_SD, MOOD_STRENGTH_SD = .15, .3
"""Standard deviations, within an emotion, between speakers (habit) and a speaker's clips (mood)."""
# fmt: on

_SPEAKER, _HABIT, _SENTENCE, _CLIP = range(4)  # streams of random numbers


def synthesise_corpus(
    folder: Path,
    *,
    seed: int = 0,
    speakers: int = 30,
    sentences: int = 8,
    emotions: Sequence[str] = DEFAULT_LABELS,
    sample_rate: int = 16000,
    jobs: int = -1,
) -> None:
    """Write `speakers` × `sentences` × `emotions` clips as 16-bit WAV, like `S03_f_07_angry.wav`.

    The name contains speaker, sex, sentence and emotion; numbers start at 1, odd speakers are
    women. The bytes depend on the seed, not on `jobs`, and a smaller corpus is a part of a larger
    one. Existing clips are overwritten. An unknown emotion raises ConfigError.
    """
    for emotion in emotions:
        _check(emotion)
    folder = folder.absolute()  # reused processes may have another current folder
    folder.mkdir(parents=True, exist_ok=True)
    joblib.Parallel(n_jobs=jobs)(
        joblib.delayed(_write_clips)(folder, emotion, speaker, sentences, seed, sample_rate)
        for speaker, emotion in itertools.product(range(1, speakers + 1), emotions)
    )


def synthesise_clip(
    emotion: str, *, speaker: int = 1, sentence: int = 1, seed: int = 0, sample_rate: int = 16000
) -> npt.NDArray[np.float32]:
    """Return one clip of the corpus, (T,) within ±1; ConfigError for an unknown emotion."""
    _check(emotion)
    rng = _rng(seed, _CLIP, speaker=speaker, sentence=sentence, emotion=emotion)
    voice = _voice(seed, speaker, emotion, rng)
    return synthesise(_sentence(seed, sentence), voice, sample_rate=sample_rate, rng=rng)


def _check(emotion: str) -> None:
    if emotion not in EXPRESSIONS:
        raise ConfigError(
            f"the synthetic voices have no emotion {emotion!r}.{suggest(emotion, EXPRESSIONS)}"
        )


def _write_clips(
    folder: Path, emotion: str, speaker: int, sentences: int, seed: int, sample_rate: int
) -> None:
    for sentence in range(1, sentences + 1):
        clip = synthesise_clip(
            emotion, speaker=speaker, sentence=sentence, seed=seed, sample_rate=sample_rate
        )
        name = f"S{speaker:02d}_{_sex(speaker)}_{sentence:02d}_{emotion}.wav"
        with (folder / name).open("wb") as file:  # libsndfile hides the cause of a failed open
            soundfile.write(file, clip, sample_rate, format="WAV", subtype="PCM_16")


def _rng(
    seed: int, stream: int, *, speaker: int = 0, sentence: int = 0, emotion: str = "neutral"
) -> np.random.Generator:
    return np.random.default_rng([seed, stream, speaker, sentence, KNOWN_LABELS.index(emotion)])


def _sex(speaker: int) -> str:
    return "f" if speaker % 2 else "m"


def _voice(seed: int, speaker: int, emotion: str, rng: np.random.Generator) -> Voice:
    own, woman = _rng(seed, _SPEAKER, speaker=speaker), _sex(speaker) == "f"
    mood = _mood(emotion, _rng(seed, _HABIT, speaker=speaker, emotion=emotion), rng)
    f0_hz = own.uniform(180, 220) if woman else own.uniform(100, 125)
    tract = own.uniform(1.11, 1.20) if woman else own.uniform(0.95, 1.04)
    return Voice(
        f0_hz=f0_hz * 2 ** (mood.f0_st / 12),
        accent_st=own.uniform(3.0, 4.5) + mood.accent_st,
        final_st=mood.final_st - 1,
        rate=own.uniform(0.93, 1.07) * (1 + mood.rate_pct / 100),
        open_quotient=min(max(own.uniform(0.58, 0.68) + mood.open_pct / 100, 0.35), 0.95),
        tilt_hz=own.uniform(1300, 1900) * 2**mood.tilt_oct,
        breath_db=own.uniform(-24, -20) + 2 * woman + mood.breath_db,
        rough=max(0.4 + mood.rough_pct, 0.1) / 100,
        tremor_st=mood.tremor_st,
        tract=tract * (1 + mood.tract_pct / 100),
        jaw=1 + mood.jaw_pct / 100,
        gain_db=own.uniform(-3, 3) + rng.uniform(-3, 3),
    )


def _mood(emotion: str, habit: np.random.Generator, rng: np.random.Generator) -> Expression:
    """Return the expression of one clip: the emotion with random strength and variation."""
    values = np.array(astuple(EXPRESSIONS[emotion]), dtype=float)
    strength = habit.normal(1, HABIT_STRENGTH_SD) * rng.normal(1, MOOD_STRENGTH_SD)
    values *= np.clip(strength, 0.2, 1.8)
    values += np.array(astuple(HABIT_SD)) * habit.standard_normal(len(values))
    values += np.array(astuple(MOOD_SD)) * rng.standard_normal(len(values))
    return Expression(*values.tolist())


@functools.lru_cache(maxsize=256)
def _sentence(seed: int, sentence: int) -> Array:
    return random_sentence(_rng(seed, _SENTENCE, sentence=sentence))
