"""Readers of corpora and tables."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from emotion.cli.prepare import open_dataset
from emotion.config.composition import compose
from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.readers import PatternReader, Scan
from emotion.errors import ConfigError, CorpusError
from tests.conftest import build_dataset
from tests.support.archive import CLIPS, SKIPPED, write_clip


def scan_of(dataset: Dataset, corpus: str, root: Path | None = None) -> Scan:
    return dataset.readers[corpus].scan(root or dataset.root)


def rows_of(scan: Scan) -> dict[str, dict[str, Any]]:
    return {Path(str(row["path"])).stem: row for row in scan.rows}


def touch(root: Path, names: Iterator[str] | list[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def columns(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names or ("speaker", "sex", "emotion", "text", "intensity"))


@pytest.mark.parametrize("corpus", CLIPS)
def test_every_clip_and_no_other_file_is_a_row(cs334: Dataset, corpus: str) -> None:
    scan = scan_of(cs334, corpus)
    folder = str(scan.rows[0]["path"]).partition("/")[0]
    assert len(rows_of(scan)) == len(scan.rows) == CLIPS[corpus]
    by_name = {path: reason for path, reason in SKIPPED.items() if "LFS" not in reason}
    assert dict(scan.skipped) == {
        path: reason for path, reason in by_name.items() if path.startswith(folder)
    }
    for row in scan.rows:
        status = (cs334.root / str(row["path"])).stat()
        assert (row["size"], row["mtime_ns"]) == (status.st_size, status.st_mtime_ns)
        assert row["corpus"] == corpus


def test_crema_names(cs334: Dataset) -> None:
    rows = rows_of(scan_of(cs334, "crema_d"))
    assert columns(rows["1001_IEO_SAD_HI"]) == ("1001", "male", "sad", "IEO", "HI")
    assert columns(rows["1002_DFA_HAP_XX"]) == ("1002", "female", "happy", "DFA", "XX")
    assert columns(rows["1040_ITH_SAD_X"]) == ("1040", "male", "sad", "ITH", "X")
    codes = {name.split("_")[2]: row["emotion"] for name, row in rows.items()}
    assert codes == {
        "ANG": "angry",
        "DIS": "disgust",
        "FEA": "fear",
        "HAP": "happy",
        "NEU": "neutral",
        "SAD": "sad",
    }


def test_ravdess_names(cs334: Dataset) -> None:
    rows = rows_of(scan_of(cs334, "ravdess"))
    assert columns(rows["03-01-05-01-01-01-01"]) == ("01", "male", "angry", "01", "01")
    assert columns(rows["03-01-08-01-01-01-04"]) == ("04", "female", "surprise", "01", "01")


def test_savee_names_in_both_layouts(cs334: Dataset) -> None:
    scan = scan_of(cs334, "savee")
    rows = {str(row["path"]): row for row in scan.rows}
    assert columns(rows["Savee/DC_sa01.wav"]) == ("DC", "male", "sad", "sa01", "")
    assert columns(rows["Savee/JE/sa01.wav"]) == ("JE", "male", "sad", "sa01", "")
    assert columns(rows["Savee/KL_su01.wav"], "emotion", "text") == ("surprise", "su01")
    assert columns(rows["Savee/JE/a01.wav"], "emotion") == ("angry",)


def test_tess_names_in_any_folder(cs334: Dataset) -> None:
    rows = rows_of(scan_of(cs334, "tess"))
    assert columns(rows["OA_bite_neutral"]) == ("OAF", "female", "neutral", "bite", "")
    assert columns(rows["OAF_back_ps"]) == ("OAF", "female", "surprise", "back", "")
    assert columns(rows["YAF_back_ps"]) == ("YAF", "female", "surprise", "back", "")
    assert columns(rows["OAF_back_sad"], "emotion") == ("sad",)
    assert {row["speaker"] for row in rows.values()} == {"OAF", "YAF"}


def published_names() -> Iterator[str]:
    """Yield the names of three published corpora; CREMA-D's have no rule."""
    for actor, code, intensity, text, take in product(
        range(1, 25), range(1, 9), (1, 2), (1, 2), (1, 2)
    ):
        if (code, intensity) != (1, 2):  # neutral is never strong
            name = f"03-01-0{code}-0{intensity}-0{text}-0{take}-{actor:02}"
            yield f"Ravdess/Actor_{actor:02}/{name}.wav"
            yield f"Ravdess/audio_speech_actors_01-24/Actor_{actor:02}/{name}.wav"
    for speaker, code in product(("DC", "JE", "JK", "KL"), ("a", "d", "f", "h", "n", "sa", "su")):
        for number in range(1, 31 if code == "n" else 16):
            yield f"Savee/{speaker}_{code}{number:02}.wav"
    codes = ("angry", "disgust", "Fear", "happy", "neutral", "ps", "Sad")
    for speaker, code, word in product(("OAF", "YAF"), codes, range(200)):
        letters = chr(97 + word // 26) + chr(97 + word % 26)
        yield f"Tess/{speaker}_{code}/{speaker}_{letters}_{code.lower()}.wav"


def test_the_published_names_give_the_published_counts(cs334: Dataset, tmp_path: Path) -> None:
    touch(tmp_path, published_names())
    seven = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    counts = {
        "ravdess": dict.fromkeys([*seven, "calm"], 192) | {"neutral": 96},
        "savee": dict.fromkeys(seven, 60) | {"neutral": 120},
        "tess": dict.fromkeys(seven, 400),
    }
    for corpus, wanted in counts.items():
        scan = scan_of(cs334, corpus, tmp_path)
        assert Counter(row["emotion"] for row in scan.rows) == wanted
        assert len(scan.rows) == cs334.readers[corpus].published
        copies = 1_440 if corpus == "ravdess" else 0
        assert [reason[:16] for _, reason in scan.skipped] == ["is a second copy"] * copies


def test_the_crema_d_actors_are_43_women_and_48_men(cs334: Dataset, tmp_path: Path) -> None:
    touch(tmp_path, [f"Crema/{actor}_DFA_ANG_XX.wav" for actor in range(1001, 1092)])
    scan = scan_of(cs334, "crema_d", tmp_path)
    assert Counter(row["sex"] for row in scan.rows) == {"female": 43, "male": 48}


def test_suffixes_and_codes_may_be_in_any_case(cs334: Dataset, tmp_path: Path) -> None:
    touch(tmp_path, ["Crema/1001_dfa_ang_xx.WAV", "Crema/1002_DFA_HAP_XX.Wav"])
    scan = scan_of(cs334, "crema_d", tmp_path)
    assert [row["emotion"] for row in scan.rows] == ["angry", "happy"]
    assert not scan.skipped


def test_files_that_do_not_match_the_glob_are_ignored(cs334: Dataset) -> None:
    named = {path for path, _ in scan_of(cs334, "crema_d").skipped}
    assert not named & {"Crema/README.md", "Crema/.DS_Store"}


def test_a_missing_folder_is_named_with_the_settings_to_change(tmp_path: Path) -> None:
    dataset = build_dataset("dataset=tess", f"data_root={tmp_path}")
    with pytest.raises(
        CorpusError, match=rf"tess.*{tmp_path}/Tess does not exist.*data_root=.*dataset=synthetic"
    ):
        scan_of(dataset, "tess")


def test_a_folder_without_audio_names_the_glob(cs334: Dataset, tmp_path: Path) -> None:
    touch(tmp_path, ["Tess/README.md"])
    with pytest.raises(CorpusError, match=rf"tess: no file under {tmp_path}/Tess matches \*\.wav"):
        scan_of(cs334, "tess", tmp_path)


def test_a_broken_link_is_skipped_with_its_reason(cs334: Dataset, tmp_path: Path) -> None:
    touch(tmp_path, ["Tess/a/OAF_back_fear.wav"])
    (tmp_path / "Tess/a/OAF_bar_fear.wav").symlink_to("nowhere")
    scan = scan_of(cs334, "tess", tmp_path)
    assert set(rows_of(scan)) == {"OAF_back_fear"}
    assert scan.skipped == [("Tess/a/OAF_bar_fear.wav", "is a broken link")]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pattern": r"(?P<speaker>\d+)"}, r"has no group \(\?P<emotion>"),
        ({"pattern": r"(?P<emotion>[a-z+"}, "is not a valid regular expression"),
        ({"pattern": "(?P<emotion>a)", "rename": {"speaker": {"x": "y"}}}, "rename.*'speaker'"),
        (
            {"pattern": "(?P<emotion>a)", "require": {"channel": {"1": "is song"}}},
            "require.*'channel'",
        ),
    ],
)
def test_an_invalid_pattern_is_rejected_at_once(settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PatternReader(corpus="mine", **settings)


def test_links_to_folders_are_skipped_with_their_reason(tmp_path: Path) -> None:
    write_clip(tmp_path / "clips/happy/a.wav")
    write_clip(tmp_path / "elsewhere/sad/b.wav")
    (tmp_path / "clips/sad").symlink_to(tmp_path / "elsewhere/sad")
    (tmp_path / "clips/happy/again").symlink_to(tmp_path / "clips")
    scan = (
        build_dataset("dataset=folder", f"dataset.root={tmp_path}/clips")
        .readers["folder"]
        .scan(tmp_path / "clips")
    )
    assert [row["path"] for row in scan.rows] == ["happy/a.wav"]
    reason = "is a link to a folder, and such links are not followed"
    assert scan.skipped == [("happy/again", reason), ("sad", reason)]


def test_a_folder_without_permission_is_skipped_with_its_reason(as_a_user: Path) -> None:
    write_clip(as_a_user / "happy/a.wav")
    for name, mode in (("closed", 0o000), ("listed", 0o400)):
        write_clip(as_a_user / f"happy/{name}/b.wav")
        (as_a_user / f"happy/{name}").chmod(mode)
    try:
        dataset = build_dataset("dataset=folder", f"dataset.root={as_a_user}")
        scan = dataset.readers["folder"].scan(as_a_user)
    finally:
        for name in ("closed", "listed"):
            (as_a_user / f"happy/{name}").chmod(0o700)
    assert [row["path"] for row in scan.rows] == ["happy/a.wav"]
    assert scan.skipped == [
        ("happy/closed", "is a folder that cannot be opened (Permission denied)"),
        ("happy/listed/b.wav", "cannot be opened (Permission denied)"),
    ]


@pytest.mark.parametrize("name", ["../outside.wav", "{root}/outside.wav", "a/../../outside.wav"])
def test_a_table_may_name_clips_anywhere_and_nothing_is_written_there(
    tmp_path: Path, name: str
) -> None:
    write_clip(tmp_path / "outside.wav")
    (tmp_path / "tables/a").mkdir(parents=True)
    table = tmp_path / "tables/table.csv"
    table.write_text(f"path,emotion\n{name.format(root=tmp_path)},sad\n../table.csv,sad\n")
    words = ["dataset=csv", f"dataset.path={table}", f"output_root={tmp_path}/out"]
    before = set(tmp_path.rglob("*"))
    index, _ = open_dataset(compose("prepare", words).settings)
    assert list(index.table["path"]) == [name.format(root=tmp_path)]
    new = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "out") for path in new)
