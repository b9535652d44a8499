"""How often is speech taken for none, and silence, noise or music for speech?"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.common import RESULTS, SCRATCH, grid, options, seconds_of
from benchmarks.sounds import KINDS, RATE, make_sounds
from emotion.audio.decode import Wave, decode
from emotion.audio.speech_detector import THRESHOLD, SpeechDetector
from emotion.config.composition import composed
from emotion.data.corpora.index import build_index

HEARD_S = 2.618
"""What preprocessing=cs334 keeps of a clip."""

SOUNDS, TUNING_SOUNDS = 100, 200


def draw_clips(data_root: str, count: int) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Return clips to choose the threshold on, and others to report, as many of each corpus."""
    with composed("prepare", ["dataset=cs334", f"data_root={data_root}"]) as config:
        index = build_index(config.build("dataset"), SCRATCH / "corpora" / "index")
    random = np.random.default_rng(0)
    tuning, reported = {}, {}
    for corpus, rows in index.table.groupby("corpus"):
        names = random.permutation(rows["path"].to_numpy())
        paths = [index.root / name for name in names[: 2 * count]]
        tuning[str(corpus)], reported[str(corpus)] = paths[:count], paths[count:]
    return tuning, reported


def share(gate: SpeechDetector, wave: Wave, rate: int) -> float:
    """Return the share of speech in what a model hears of a clip."""
    return gate.speech_share(wave[: int(HEARD_S * rate)], rate)


def clip_shares(gate: SpeechDetector, clips: dict[str, list[Path]]) -> dict[str, list[float]]:
    """Return the shares of speech in clips, by corpus."""
    return {
        corpus: [share(gate, *decode(path)) for path in paths] for corpus, paths in clips.items()
    }


def sound_shares(gate: SpeechDetector, seed: int, count: int) -> dict[str, list[float]]:
    """Return the shares of speech in sounds, by kind."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for kind, wave in make_sounds(seed, count):
        found[kind].append(share(gate, wave, RATE))
    return found


def rows(shares: dict[str, list[float]], *, speech: bool) -> list[list[str]]:
    """Return the lines of the page's table; the last one is of all."""
    everything: Sequence[float] = [value for values in shares.values() for value in values]
    lines = []
    for name, values in {**shares, "all": everything}.items():
        wrong = sum((value >= THRESHOLD) != speech for value in values)
        lines.append(
            [
                f"{'speech' if speech else 'no speech'}: {name}",
                str(len(values)),
                f"{wrong} ({wrong / len(values):.1%})",
                f"{min(values):.2f} to {max(values):.2f}",
            ]
        )
    return lines


def best_threshold(speech: Sequence[float], sounds: Sequence[float]) -> tuple[float, int]:
    """Return the middle of the widest range of thresholds with the fewest errors, and these."""
    edges = sorted({0.0, 1.0, *speech, *sounds})
    found = []
    for low, high in pairwise(edges):
        middle = (low + high) / 2
        errors = sum(value < middle for value in speech) + sum(value >= middle for value in sounds)
        found.append((errors, low - high, middle))
    errors, _, middle = min(found)
    return middle, errors


def main() -> None:
    """Choose the threshold on some clips, report the errors on others, and write the page."""
    chosen = options(clips=500)
    if not chosen.data_root:
        raise SystemExit("this benchmark needs the real corpora: data_root=FOLDER.")
    gate = SpeechDetector()
    tuning, reported = draw_clips(chosen.data_root, chosen.clips // 4)
    voices = [value for values in clip_shares(gate, tuning).values() for value in values]
    others = [value for values in sound_shares(gate, 1, TUNING_SOUNDS).values() for value in values]
    threshold, errors = best_threshold(voices, others)
    speech, sounds = clip_shares(gate, reported), sound_shares(gate, 2, SOUNDS)
    wave, rate = decode(next(iter(reported.values()))[0])
    milliseconds = min(seconds_of(lambda: share(gate, wave, rate)) for _ in range(20)) * 1000
    head = ["clips", "count", "wrong", "share of speech, least to most"]
    lines = [
        "# How often is speech taken for none, and silence, noise or music for speech?",
        "",
        f"Silero's network on the first {HEARD_S} s of each clip. A clip is speech where at least "
        f"{THRESHOLD:.0%} of its 32 ms frames are. On {len(voices)} other clips and {len(others)} "
        f"other sounds the best threshold is {threshold:.2f} ({errors} errors). "
        f"{milliseconds:.1f} ms a clip, one thread.",
        "",
        *grid(head, [*rows(speech, speech=True), *rows(sounds, speech=False)]),
        "",
        "The voices are acted, close to the microphone. The music has no singing, which is speech "
        "to the gate. benchmarks/sounds.py makes the sounds from seeds.",
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "speech_gate.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
