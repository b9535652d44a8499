"""The command `stats`: prints and writes tables and plots, and names irregular clips."""

from pathlib import Path

import pandas as pd
import pytest

from emotion.cli.stats import describe_dataset
from emotion.config.build import build
from emotion.config.composition import compose
from emotion.utils.tables import read_table
from tests.support.archive import AIFF, CLIPS, CONFLICT, SILENT, STEREO


def describe_archive(root: Path, folder: Path, *overrides: str) -> str:
    given = ["dataset=cs334", f"data_root={root}", f"cache_dir={folder}/cache", *overrides]
    return describe_dataset(compose("stats", given).settings, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stats")


@pytest.fixture(scope="module")
def text(archive: Path, folder: Path) -> str:
    return describe_archive(archive, folder)


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
    assert "Tess/OAF_neutral/OA_bite_neutral.wav as speaker OAF (OA in its name)" in lines
    repeated = "Ravdess/Actor_01/03-01-05-01-01-01-01.wav (angry) = "
    assert any(line.startswith(repeated) for line in lines)


def test_skipped_files_are_listed_with_their_reason(text: str) -> None:
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


def test_plots_are_written(text: str, folder: Path) -> None:
    for name in ("lengths", "levels", "labels"):
        assert name in text
        content = (folder / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000


def test_output_has_no_terminal_codes(text: str) -> None:
    assert "\x1b" not in text


def test_suggestion_is_what_train_takes(text: str) -> None:
    line = next(line for line in text.splitlines() if "preprocessing.sample_rate=" in line)
    config = compose("train", line.split())
    standardiser = build(config.settings.preprocessing, "preprocessing")
    assert standardiser.sample_rate == 16_000
    assert standardiser.duration_ms == config.settings.model["features"]["duration_ms"]


@pytest.mark.slow
@pytest.mark.corpora
def test_real_corpora_show_their_known_irregularities(real_root: Path, tmp_path: Path) -> None:
    text = describe_archive(real_root, tmp_path)
    for known in (
        "16,000", "24,414", "44,100", "48,000", "96,000 Hz among 24,414 Hz",
        "1076_MTI_SAD_XX.wav", "averaged to mono, left = right in all (5)",
        "YAF_germ_angry.wav is AIFF", "YAF_neat_fear.wav is AIFF",
        "OA_bite_neutral.wav as speaker OAF", "1006_TIE_HAP_XX.wav (happy) = ",
        "1013_WSI_DIS_XX.wav (disgust) = ",
    ):  # fmt: skip
        assert known in text
