"""The command `stats`: all clips are described, and what is irregular is named."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from emotion.config.composition import composed
from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.statistics import describe_dataset, find_irregular, suggest_standard
from emotion.utils.tables import read_table
from tests.support.archive import AIFF, CLIPS, CONFLICT, SILENT, STEREO


def describe(root: Path, folder: Path, *overrides: str) -> str:
    given = ["dataset=cs334", f"data_root={root}", f"cache_dir={folder}/cache", *overrides]
    with composed("stats", given) as config:
        return describe_dataset(config, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stats")


@pytest.fixture(scope="module")
def text(archive: Path, folder: Path) -> str:
    return describe(archive, folder)


@pytest.fixture(scope="module")
def table(text: str, folder: Path) -> pd.DataFrame:
    return read_table(folder / "stats.csv", {"clips": "int64"})


@pytest.mark.parametrize("rate", ["16,000", "24,414", "44,100", "48,000", "96,000"])
def test_every_sample_rate_is_shown(text: str, rate: str) -> None:
    assert rate in text


def test_irregular_clips_are_named(text: str) -> None:
    lines = [line.strip() for line in text.splitlines()]
    first, second = CONFLICT
    assert lines[lines.index("silent, left out (1):") + 1] == SILENT
    assert f"{first} (happy) = {second} (neutral)" in lines
    assert lines[lines.index("stereo, averaged to mono, left = right in all (1):") + 1] == STEREO
    assert all(f"{path} is AIFF" in lines for path in AIFF)
    assert "Tess/OAF_neutral/OA_bite_neutral.wav as speaker OAF (its name says OA)" in lines
    repeated = "Ravdess/Actor_01/03-01-05-01-01-01-01.wav (angry) = "
    assert any(line.startswith(repeated) for line in lines)


def test_skipped_files_are_said_with_their_reason(text: str) -> None:
    for reason in ("Git LFS pointer", "hidden file", "song, not speech", "second copy", "surprise"):
        assert reason in text


def test_clips_that_are_left_out_are_counted(table: pd.DataFrame) -> None:
    decoded = sum(CLIPS.values()) - 1  # one is a pointer
    for what in ("emotion", "sample_rate", "channels", "container", "sex"):
        counts = table[(table["what"] == what) & (table["corpus"] == "all")]
        assert counts["clips"].sum() == decoded, what
    surprise = table[(table["what"] == "emotion") & (table["value"] == "surprise")]
    assert set(surprise["corpus"]) == {"ravdess", "savee", "tess", "all"}


def test_every_speaker_of_a_corpus_is_counted_once(table: pd.DataFrame) -> None:
    speakers = table[table["what"] == "speaker"]
    assert not speakers.duplicated(["corpus", "value"]).any()
    assert set(speakers["value"][speakers["corpus"] == "tess"]) == {"OAF", "YAF"}


def test_pictures_are_written(text: str, folder: Path) -> None:
    for name in ("lengths", "levels", "labels"):
        assert name in text
        content = (folder / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000


def test_text_is_plain(text: str) -> None:
    assert "\x1b" not in text


def test_suggestion_is_what_train_takes(text: str) -> None:
    line = next(line for line in text.splitlines() if "preprocessing.sample_rate=" in line)
    with composed("train", line.split()) as config:
        standardiser = config.build("preprocessing")
        assert standardiser.sample_rate == 16_000
        assert standardiser.duration_ms == config["model.features.duration_ms"]


def test_rate_is_the_lowest_usual_one_and_length_spares_95_percent() -> None:
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


def test_stereo_whose_channels_differ_is_not_called_alike(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.array([[0.1, 0.2]] * 100), 16_000)
    clips = pd.DataFrame(
        [["a.wav", "x", "1", "sad", 16_000, 2, "WAV", "hash", -20.0]],
        columns=[
            "path", "corpus", "speaker", "emotion", "sample_rate", "channels", "container",
            "audio_hash", "loudest_db",
        ],
    )  # fmt: skip
    (finding,) = find_irregular(clips, tmp_path, [])
    assert (finding.what, finding.said) == ("stereo", "stereo, averaged to mono, left = right in 0")


def test_long_lists_are_cut_in_the_text_only(cs334: Dataset) -> None:
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


@pytest.mark.slow
@pytest.mark.corpora
def test_real_corpora_show_their_known_irregularities(real_root: Path, tmp_path: Path) -> None:
    text = describe(real_root, tmp_path)
    for known in (
        "16,000", "24,414", "44,100", "48,000", "96,000 Hz among 24,414 Hz",
        "1076_MTI_SAD_XX.wav", "averaged to mono, left = right in all (5)",
        "YAF_germ_angry.wav is AIFF", "YAF_neat_fear.wav is AIFF",
        "OA_bite_neutral.wav as speaker OAF", "1006_TIE_HAP_XX.wav (happy) = ",
        "1013_WSI_DIS_XX.wav (disgust) = ",
    ):  # fmt: skip
        assert known in text
