"""Error rates of the speech detector on speech and on silence, noise and music."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.common import markdown_table, open_index, parse_options, time_call, write_page
from benchmarks.sounds import KINDS, RATE, make_sounds
from emotion.audio.decode import Wave, decode
from emotion.audio.speech_detector import MIN_SPEECH_FRACTION, SpeechDetector

CLIP_S = 2.618
"""Seconds of a clip that preprocessing=cs334 keeps."""

SOUNDS, TUNING_SOUNDS = 100, 200

Paths = dict[str, list[Path]]
Fractions = dict[str, list[float]]


def draw_paths(data_root: str, count: int) -> tuple[Paths, Paths]:
    """Return clips to choose the threshold by and others to report, `count` of each corpus."""
    index = open_index("dataset=cs334", f"data_root={data_root}")
    random = np.random.default_rng(0)
    tuning, reported = {}, {}
    for corpus, rows in index.table.groupby("corpus"):
        names = random.permutation(rows["path"].to_numpy())
        paths = [index.root / name for name in names[: 2 * count]]
        tuning[str(corpus)], reported[str(corpus)] = paths[:count], paths[count:]
    return tuning, reported


def speech_fraction(detector: SpeechDetector, wave: Wave, rate: int) -> float:
    """Return the fraction of speech in the part of a clip that a model receives."""
    return detector.speech_fraction(wave[: int(CLIP_S * rate)], rate)


def clip_fractions(detector: SpeechDetector, clips: Paths) -> Fractions:
    """Return the fractions of speech in clips, by corpus."""
    return {
        corpus: [speech_fraction(detector, *decode(path)) for path in paths]
        for corpus, paths in clips.items()
    }


def sound_fractions(detector: SpeechDetector, seed: int, count: int) -> Fractions:
    """Return the fractions of speech in synthetic sounds, by kind."""
    fractions: Fractions = {kind: [] for kind in KINDS}
    for kind, wave in make_sounds(seed, count):
        fractions[kind].append(speech_fraction(detector, wave, RATE))
    return fractions


def flatten(fractions: Fractions) -> list[float]:
    """Return the fractions of all kinds in one list."""
    return [value for values in fractions.values() for value in values]


def table_rows(fractions: Fractions, *, speech: bool) -> list[list[str]]:
    """Return the rows of the page's table; the last one counts all kinds together."""
    rows = []
    for name, values in {**fractions, "all": flatten(fractions)}.items():
        wrong = sum((value >= MIN_SPEECH_FRACTION) != speech for value in values)
        rows.append(
            [
                f"{'speech' if speech else 'no speech'}: {name}",
                str(len(values)),
                f"{wrong} ({wrong / len(values):.1%})",
                f"{min(values):.2f} to {max(values):.2f}",
            ]
        )
    return rows


def best_threshold(speech: Sequence[float], sounds: Sequence[float]) -> tuple[float, int]:
    """Return the threshold with the fewest errors, and their number.

    It is the middle of the widest range of thresholds with that number.
    """
    edges = sorted({0.0, 1.0, *speech, *sounds})
    candidates = []
    for low, high in pairwise(edges):
        middle = (low + high) / 2
        errors = sum(value < middle for value in speech) + sum(value >= middle for value in sounds)
        candidates.append((errors, low - high, middle))
    errors, _, middle = min(candidates)
    return middle, errors


def main() -> None:
    """Choose a threshold on one set of clips, report the errors on another, and write the page."""
    options = parse_options(clips=500)
    if not options.data_root:
        raise SystemExit("This benchmark needs the real corpora: set data_root=FOLDER.")
    detector = SpeechDetector()
    tuning, reported = draw_paths(options.data_root, options.clips // 4)
    tuning_speech = flatten(clip_fractions(detector, tuning))
    tuning_sounds = flatten(sound_fractions(detector, 1, TUNING_SOUNDS))
    threshold, errors = best_threshold(tuning_speech, tuning_sounds)
    speech, sounds = clip_fractions(detector, reported), sound_fractions(detector, 2, SOUNDS)
    wave, rate = decode(next(iter(reported.values()))[0])
    seconds = min(time_call(lambda: speech_fraction(detector, wave, rate)) for _ in range(20))
    write_page(
        "speech_gate",
        [
            "# Error rates of the speech detector",
            "",
            f"Silero's network on the first {CLIP_S} s of each clip. A clip counts as speech where "
            f"at least {MIN_SPEECH_FRACTION:.0%} of its 32 ms frames do. On {len(tuning_speech)} "
            f"other clips and {len(tuning_sounds)} other sounds the best threshold is "
            f"{threshold:.2f} ({errors} errors). {1000 * seconds:.1f} ms per clip on one thread.",
            "",
            *markdown_table(
                ["clips", "count", "errors", "fraction of speech, minimum to maximum"],
                [*table_rows(speech, speech=True), *table_rows(sounds, speech=False)],
            ),
            "",
            "The speech is acted and recorded close to the microphone. The music has no singing, "
            "which the detector counts as speech. benchmarks/sounds.py makes the sounds from "
            "seeds.",
        ],
    )


if __name__ == "__main__":
    main()
