"""Index of the real clips under EMOTION_DATA_ROOT."""

from collections import Counter
from pathlib import Path

import pytest

from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.index import Index, build_index, open_clips
from emotion.data.labels import DEFAULT_LABELS
from tests.conftest import build_dataset

pytestmark = pytest.mark.corpora


@pytest.fixture(scope="module")
def dataset(real_root: Path) -> Dataset:
    if any(real_root.glob("Crema/1001_*")):
        pytest.skip("the counts below are of the archive without the test speakers of EVAR")
    return build_dataset("dataset=cs334", f"data_root={real_root}")


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(dataset, tmp_path_factory.mktemp("index"))


def test_all_files_are_indexed(whole: Index) -> None:
    assert Counter(whole.table["corpus"]) == {
        "crema_d": 5_890, "ravdess": 1_200, "savee": 360, "tess": 1_064
    }  # fmt: skip
    speakers = whole.table.groupby("corpus")["speaker"].nunique().to_dict()
    assert speakers == {"crema_d": 72, "ravdess": 20, "savee": 3, "tess": 2}
    assert len(whole.skipped) == 0


def test_six_classes_hold_7997_clips(whole: Index) -> None:
    six = whole.table[whole.table["emotion"].isin(DEFAULT_LABELS)]
    assert len(six) == 7_997
    assert set(whole.table["emotion"]) - set(DEFAULT_LABELS) == {"calm", "surprise"}


def test_headers_show_the_known_irregularities(whole: Index) -> None:
    table = whole.table.set_index("path")
    assert set(table["sample_rate"]) == {16_000, 24_414, 44_100, 48_000, 96_000}
    assert list(table.index[table["sample_rate"] == 96_000]) == ["Tess/OAF_Fear/OAF_food_fear.wav"]
    assert (table["channels"] == 2).sum() == 5
    assert {Path(path).name for path in table.index[table["container"] == "AIFF"]} == {
        "YAF_germ_angry.wav", "YAF_neat_fear.wav"
    }  # fmt: skip
    bite = table[table["text"].eq("bite") & table["emotion"].eq("neutral")]
    assert set(bite["speaker"]) <= {"OAF", "YAF"}


@pytest.mark.slow
def test_silence_and_conflicts_leave_7992(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tiny = Standardiser(8_000, duration_ms=20)
    index, _ = open_clips(dataset, tiny, cache_dir=tmp_path_factory.mktemp("cache"))
    assert len(index.table) == 7_992
    reasons = dict(index.skipped.itertuples(index=False))
    left_out = {Path(path).stem: why for path, why in reasons.items() if "class" not in why}
    assert left_out.pop("1076_MTI_SAD_XX") == "is silent"
    assert {name: why.split(",")[0].split("/")[-1] for name, why in left_out.items()} == {
        "1006_TIE_HAP_XX": "1006_TIE_NEU_XX.wav",
        "1006_TIE_NEU_XX": "1006_TIE_HAP_XX.wav",
        "1013_WSI_DIS_XX": "1013_WSI_SAD_XX.wav",
        "1013_WSI_SAD_XX": "1013_WSI_DIS_XX.wav",
    }
