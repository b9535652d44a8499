"""Statistics of a dataset: irregular clips are named, and a standardisation is suggested."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf

from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.statistics import find_irregular, suggest_standard


def test_the_lowest_usual_rate_and_a_duration_for_95_percent_of_the_clips_are_suggested() -> None:
    clips = pd.DataFrame(
        {
            "corpus": ["a"] * 100 + ["b"] * 100,
            "sample_rate": [44_100] * 100 + [24_000] * 98 + [8_000] * 2,
            "seconds": np.linspace(0.01, 2.0, 200),
        }
    )
    standard = suggest_standard(clips)
    assert (standard.sample_rate, standard.duration_ms, standard.clips) == (24_000, 1_910, 200)
    assert any("2 clips of a lower rate" in reason for reason in standard.reasons)


def test_different_stereo_channels_are_not_reported_as_equal(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.array([[0.1, 0.2]] * 100), 16_000)
    clips = pd.DataFrame(
        [["a.wav", "x", "1", "sad", 16_000, 2, "WAV", "hash", -20.0]],
        columns=[
            "path", "corpus", "speaker", "emotion", "sample_rate", "channels", "container",
            "audio_hash", "loudest_db",
        ],
    )  # fmt: skip
    (finding,) = find_irregular(clips, tmp_path, [])
    assert (finding.kind, finding.title) == (
        "stereo",
        "stereo, averaged to mono, left = right in 0",
    )


def test_long_lists_are_shortened_in_the_text_only(cs334: Dataset) -> None:
    clips = pd.DataFrame(
        {
            "path": [f"{number}.wav" for number in range(9)],
            "corpus": "x",
            "speaker": "1",
            "emotion": "sad",
            "sample_rate": 16_000,
            "channels": 1,
            "container": "FLAC",
            "audio_hash": [str(number) for number in range(9)],
            "loudest_db": -20.0,
        }
    )
    (finding,) = find_irregular(clips, cs334.root, cs334.readers.values())
    assert len(finding.clips) == 9
    assert str(finding).endswith("and 3 more in stats.csv")


def test_stats_import_no_torch() -> None:
    script = "import sys, emotion.data.corpora.statistics; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
