"""Synthetic sounds without speech, made from a seed: silence, noise and music."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave

RATE = 16_000
SECONDS = 4.0
SAMPLES = int(RATE * SECONDS)

Sound = npt.NDArray[np.float64]
Random = np.random.Generator


def make_sounds(seed: int, count: int) -> Iterator[tuple[str, Wave]]:
    """Yield kind and samples, (T,) float32 at 16 kHz, of `count` sounds.

    The kinds follow one another; peaks are 3 to 40 dB below full scale.
    """
    random = np.random.default_rng(seed)
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        sound = KINDS[kind](random)
        if kind != "silence":
            sound = sound / np.abs(sound).max() * 10 ** (-random.uniform(3, 40) / 20)
        yield kind, sound.astype(np.float32)


def silence(random: Random) -> Sound:
    """Return digital silence, or the noise of a quiet converter."""
    hiss: Sound = random.standard_normal(SAMPLES) * random.choice([0.0, 1e-4])
    return hiss


def coloured_noise(random: Random, power: float) -> Sound:
    """Return noise whose power falls as frequency to the power of `power`, above 20 Hz."""
    spectrum = np.fft.rfft(random.standard_normal(SAMPLES))
    hertz = np.maximum(np.arange(len(spectrum)) / SECONDS, 20)
    return np.fft.irfft(spectrum / hertz ** (power / 2), SAMPLES)


def hum(random: Random) -> Sound:
    """Return mains hum with its harmonics, and noise."""
    time = np.arange(SAMPLES) / RATE
    mains = random.choice([50, 60])
    tones = [np.sin(2 * np.pi * mains * n * time + random.uniform(0, 6)) / n for n in range(1, 9)]
    humming: Sound = np.sum(tones, axis=0) + 0.05 * random.standard_normal(SAMPLES)
    return humming


def clicks(random: Random) -> Sound:
    """Return clicks at random times."""
    sound = np.zeros(SAMPLES)
    decay = np.exp(-np.arange(200) / 20)
    for start in random.integers(0, SAMPLES - 200, random.integers(4, 40)):
        sound[start : start + 200] += random.standard_normal(200) * decay
    return sound


def tone(random: Random, note: float, length: int, *, fade_s: float) -> Sound:
    """Return a plucked tone with eight harmonics; `note` is a MIDI number."""
    time = np.arange(length) / RATE
    hertz = 440 * 2 ** ((note - 69) / 12)
    falloff = random.uniform(1, 2.5)
    harmonics = [
        np.sin(2 * np.pi * hertz * n * time + random.uniform(0, 6)) / n**falloff
        for n in range(1, 9)
        if hertz * n < RATE / 2
    ]
    plucked: Sound = np.sum(harmonics, axis=0) * np.minimum(1, time / 0.01) * np.exp(-time / fade_s)
    return plucked


def music(random: Random, *, chords: bool, melody: bool, drums: bool) -> Sound:
    """Return music: a chord every fourth beat, a note of the melody and a drum every beat."""
    sound = np.zeros(SAMPLES)
    beat = int(RATE * random.uniform(0.2, 0.5))
    root = random.uniform(45, 60)
    for count, start in enumerate(range(0, SAMPLES, beat)):
        rest = sound[start:]
        time = np.arange(len(rest)) / RATE
        if chords and count % 4 == 0:
            for step in random.choice([[0, 4, 7], [0, 3, 7], [5, 9, 12], [7, 11, 14]]):
                rest += tone(random, root + step, len(rest), fade_s=1.5)
        if melody:
            step = random.choice([0, 2, 4, 5, 7, 9, 11, 12])
            rest += tone(random, root + 12 + step, len(rest), fade_s=0.3)
        if drums and count % 2 == 0:
            fall = 50 * time + 20 * (1 - np.exp(-20 * time))
            rest += 2 * np.sin(2 * np.pi * fall) * np.exp(-12 * time)
        elif drums:
            rest += random.standard_normal(len(rest)) * np.exp(-18 * time)
        if drums:
            rest += 0.3 * random.standard_normal(len(rest)) * np.exp(-60 * time)
    return sound


KINDS: dict[str, Callable[[Random], Sound]] = {
    "silence": silence,
    "white noise": lambda random: coloured_noise(random, 0),
    "pink noise": lambda random: coloured_noise(random, 1),
    "brown noise": lambda random: coloured_noise(random, 2),
    "hum": hum,
    "clicks": clicks,
    "chords": lambda random: music(random, chords=True, melody=False, drums=False),
    "melody": lambda random: music(random, chords=False, melody=True, drums=False),
    "drums": lambda random: music(random, chords=False, melody=False, drums=True),
    "band": lambda random: music(random, chords=True, melody=True, drums=True),
}
