"""Datasets of corpora, folders and tables."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import corpora_dataset, folder_dataset, table_dataset
from emotion.data.corpora.index import Index, build_index, open_clips
from emotion.data.corpora.readers import MEASURED, TABLE_COLUMNS, PatternReader
from emotion.data.speakers import speaker_ids
from emotion.errors import ConfigError, CorpusError
from tests.conftest import build_dataset
from tests.support.archive import write_clip

TABLE = """\
path,emotion,speaker,mood
a.wav,angry,01,tense
b.wav,sad,NA,
sub/c.wav,angry,,calm
d.wav,,01,
e.wav,sad,01,
a.wav,sad,02,
"""


def by_path(index: Index) -> dict[str, dict[str, Any]]:
    return {str(row["path"]): row for row in index.table.to_dict("records")}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with a table and its clips."""
    root = tmp_path / "mine"
    for seed, name in enumerate(("a.wav", "b.wav", "sub/c.wav", "d.wav")):
        write_clip(root / name, seed=seed)
    (root / "clips.csv").write_text(TABLE)
    return root


def index_table(path: Path, tmp_path: Path, **more: Any) -> Index:
    return build_index(
        table_dataset(path=str(path), root=None, labels=None, **more), tmp_path / "index"
    )


def test_a_table_keeps_the_text_of_its_cells(recordings: Path, tmp_path: Path) -> None:
    index = index_table(recordings / "clips.csv", tmp_path)
    rows = by_path(index)
    assert {path: row["speaker"] for path, row in rows.items()} == {
        "a.wav": "01", "b.wav": "NA", "sub/c.wav": "unknown"
    }  # fmt: skip
    assert index.labels == ("sad", "angry")
    assert {row["corpus"] for row in rows.values()} == {"csv"}


def test_other_columns_of_a_table_are_kept(recordings: Path, tmp_path: Path) -> None:
    row = by_path(index_table(recordings / "clips.csv", tmp_path))["a.wav"]
    assert (row["mood"], row["sample_rate"], row["frames"]) == ("tense", 16_000, 4_000)


@pytest.mark.parametrize("column", ["size", "sample_rate", "row", "audio_hash", "level_db"])
def test_a_column_that_the_index_fills_itself_is_refused_by_name(
    recordings: Path, tmp_path: Path, column: str
) -> None:
    (recordings / "clips.csv").write_text(f"path,emotion,{column}\na.wav,sad,1\n")
    with pytest.raises(CorpusError, match=rf"clips\.csv has a column '{column}'.*Rename"):
        index_table(recordings / "clips.csv", tmp_path)


def test_every_column_that_the_index_fills_is_refused_in_tables(
    recordings: Path, tmp_path: Path
) -> None:
    dataset = table_dataset(path=str(recordings / "clips.csv"), root=None, labels=None)
    index, _ = open_clips(dataset, Standardiser(8_000, duration_ms=100), cache_dir=tmp_path)
    assert set(index.table) - {"mood", *TABLE_COLUMNS} <= set(MEASURED)


def test_codes_of_a_table_are_mapped_to_labels(recordings: Path, tmp_path: Path) -> None:
    (recordings / "clips.csv").write_text("path,emotion\na.wav,01\nb.wav,ANG \nd.wav,x\n")
    emotions: Any = {1: "neutral", "ang": "angry"}  # {01: neutral, ang: angry} in YAML
    index = index_table(recordings / "clips.csv", tmp_path, emotions=emotions)
    assert index.labels == ("angry", "neutral")
    assert dict(index.skipped.itertuples(index=False)) == {
        "d.wav": "has the unknown emotion code 'x'"
    }


def test_invisible_differences_make_no_new_speakers_and_labels(
    recordings: Path, tmp_path: Path
) -> None:
    rows = "a.wav,angry,1001\nb.wav,Angry,1001\xa0\nsub/c.wav,angry ,1001 \nd.wav,sad,1002\n"
    (recordings / "clips.csv").write_text(f"path,emotion,speaker\n{rows}")
    index = index_table(recordings / "clips.csv", tmp_path)
    assert list(index.table["speaker"]) == ["1001", "1001", "1002", "1001"]
    assert index.labels == ("sad", "angry")
    assert [note.partition(":")[0] for note in index.notes] == ["emotion", "speaker"]


def test_labels_and_clips_may_differ_in_case_and_encoding(recordings: Path, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Colère")
    rows = f"a.wav,{decomposed}\nb.wav,SAD\n"
    (recordings / "clips.csv").write_text(f"path,emotion\n{rows}")
    table = str(recordings / "clips.csv")
    dataset = table_dataset(path=table, root=None, labels=["colère", "sad"])
    index = build_index(dataset, tmp_path / "index")
    assert list(index.table["emotion"]) == ["colère", "sad"]


def test_paths_of_a_table_are_found_in_any_unicode_form_and_with_backslashes(
    recordings: Path, tmp_path: Path
) -> None:
    decomposed = unicodedata.normalize("NFD", "é/ü.wav")
    write_clip(recordings / decomposed, seed=9)
    (recordings / "clips.csv").write_text("path,emotion\né/ü.wav,sad\nsub\\c.wav,angry\n")
    index = index_table(recordings / "clips.csv", tmp_path)
    assert list(index.table["path"]) == [decomposed, "sub/c.wav"], "as on disk"


def test_a_folder_of_a_mac_has_the_label_that_is_typed(tmp_path: Path) -> None:
    for seed, name in enumerate(("colère/Zoë_1.wav", "triste/Zoë_2.wav")):
        write_clip(tmp_path / "own" / unicodedata.normalize("NFD", name), seed=seed)
    root = str(tmp_path / "own")
    dataset = folder_dataset(root=root, speaker=r"\w+(?=_)", labels=["Colère", "triste"])
    index = build_index(dataset, tmp_path / "index")
    assert [*index.table["emotion"]] == ["colère", "triste"]
    assert set(index.table["speaker"]) == {"Zoë"}


def test_two_files_with_one_name_in_two_unicode_forms_are_not_two_clips(tmp_path: Path) -> None:
    for seed, form in enumerate(("NFC", "NFD")):
        write_clip(tmp_path / "own/sad" / unicodedata.normalize(form, "é.wav"), seed=seed)
    dataset = folder_dataset(root=str(tmp_path / "own"), speaker=None, labels=None)
    index = build_index(dataset, tmp_path / "index")
    assert len(index.table) == 1
    assert "in another Unicode form" in index.skipped["reason"][0]


def test_lines_without_a_usable_clip_are_skipped_with_their_reason(
    recordings: Path, tmp_path: Path
) -> None:
    index = index_table(recordings / "clips.csv", tmp_path)
    assert dict(index.skipped.itertuples(index=False)) == {
        "d.wav": "has no emotion in the table",
        "e.wav": "is not there",
        "a.wav": "is repeated in the table; its first line is used",
    }


def test_a_tables_paths_may_be_relative_to_another_root(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "apart.csv").write_text((recordings / "clips.csv").read_text())
    dataset = build_dataset(
        "dataset=csv", f"dataset.path={tmp_path}/apart.csv", f"dataset.root={recordings}"
    )
    assert "sub/c.wav" in by_path(build_index(dataset, tmp_path / "index"))


def test_a_table_written_by_a_spreadsheet_is_read(recordings: Path, tmp_path: Path) -> None:
    lines = "path,emotion,speaker\na.wav,froh,007\nb.wav,froh,010\n"
    (recordings / "clips.csv").write_text(lines, encoding="utf-8-sig")
    index = index_table(recordings / "clips.csv", tmp_path)
    assert index.labels == ("froh",)
    assert list(index.table["speaker"]) == ["007", "010"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,emotion\na.wav,sad\n", "has no column 'path', only file, emotion"),
        ("path,label\na.wav,sad\n", "has no column 'emotion'"),
        ("path,emotion\nz.wav,sad\n", r"none of the 1 lines .*\(z\.wav is not there\)"),
        ("", "is not a CSV table"),
        ('path,emotion\n"a.wav,sad\n', "not a CSV table"),
        (b"\x00\xff\xfe", "has no column 'path'"),
    ],
)  # fmt: skip
def test_an_unusable_table_is_rejected_with_the_reason(
    recordings: Path, tmp_path: Path, content: str | bytes, message: str
) -> None:
    data = content.encode() if isinstance(content, str) else content
    (recordings / "clips.csv").write_bytes(data)
    with pytest.raises(CorpusError, match=message):
        index_table(recordings / "clips.csv", tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"table '.*none\.csv' does not exist.*dataset\.path="):
        index_table(tmp_path / "none.csv", tmp_path)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    names = (
        "Happy/spk01_x.wav",
        "Happy/deep/SPK02.flac",
        "sad/spk01_y.ogg",
        "sad/z.wav",
        "loose.wav",
    )
    for seed, name in enumerate(names):
        write_clip(root / name, seed=seed)
    return root


def test_a_folder_per_class_with_the_speaker_in_the_file_name(
    folders: Path, tmp_path: Path
) -> None:
    dataset = build_dataset(
        "dataset=folder", f"dataset.root={folders}", r"dataset.speaker='spk\d+'"
    )
    index = build_index(dataset, tmp_path / "index")
    assert {path: (row["emotion"], row["speaker"]) for path, row in by_path(index).items()} == {
        "Happy/deep/SPK02.flac": ("happy", "SPK02"),
        "Happy/spk01_x.wav": ("happy", "spk01"),
        "sad/spk01_y.ogg": ("sad", "spk01"),
        "sad/z.wav": ("sad", "unknown"),
    }
    assert index.labels == ("sad", "happy")
    assert list(index.skipped["path"]) == ["loose.wav"]


def test_a_speaker_may_be_a_named_part_of_the_expression(folders: Path, tmp_path: Path) -> None:
    dataset = folder_dataset(root=str(folders), speaker=r"spk(?P<speaker>\d+)", labels=None)
    rows = by_path(build_index(dataset, tmp_path / "index"))
    assert [row["speaker"] for row in rows.values()] == ["02", "01", "01", "unknown"]


def test_a_folder_without_a_speaker_pattern_has_one_speaker(folders: Path, tmp_path: Path) -> None:
    dataset = folder_dataset(root=str(folders), speaker=None, labels=None)
    assert set(build_index(dataset, tmp_path / "index").table["speaker"]) == {"unknown"}


def test_the_case_of_class_names_does_not_matter(folders: Path, tmp_path: Path) -> None:
    dataset = folder_dataset(root=str(folders), speaker=None, labels=["Sad", "HAPPY"])
    index = build_index(dataset, tmp_path / "index")
    assert index.labels == ("sad", "happy")
    assert set(index.table["emotion"]) == {"sad", "happy"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: folder_dataset(root=None, speaker=None, labels=None), r"dataset\.root=FOLDER"),
        (
            lambda: folder_dataset(root="x", speaker="spk(", labels=None),
            "is not a valid regular expression",
        ),
        (lambda: table_dataset(path=None, root=None, labels=None), r"dataset\.path=FILE"),
        (lambda: corpora_dataset(root="x", readers={}, labels=None), r"dataset\.corpora is empty"),
        (lambda: build_dataset("dataset=cs334", "dataset.corpora=[tes]"), "Did you mean tess"),
        (lambda: build_dataset("dataset=cs334", "dataset.labels=[sad]"), "fewer than two classes"),
        (
            lambda: build_dataset("dataset=cs334", "dataset.labels=[sad,fear,sad]"),
            "sad more than once",
        ),
        (
            lambda: build_dataset("dataset=cs334", "dataset.labels=[sad,Sad ]"),
            "sad, Sad more than once",
        ),
        (
            lambda: table_dataset(path="x", root=None, labels=["a", False]),
            r"dataset\.labels contains False",
        ),
        (
            lambda: table_dataset(path="x", root=None, labels=None, emotions={"a": "x", "A": "y"}),
            r"dataset\.emotions has 'a' for x and 'A' for y",
        ),
    ],
)
def test_an_invalid_dataset_is_rejected_with_the_setting_to_change(call: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_reader_may_have_the_speakers_of_another_corpus(tmp_path: Path) -> None:
    for seed, name in enumerate(("speech/01_sad.wav", "song/01_sad.wav", "other/01_sad.wav")):
        write_clip(tmp_path / name, seed=seed)
    pattern = r"(?P<speaker>\d+)_(?P<emotion>\w+)\.wav$"
    readers = {
        name: PatternReader(corpus=name, folder=name, pattern=pattern, speakers_of=of)
        for name, of in (("speech", None), ("song", "Speech"), ("other", None))
    }
    dataset = corpora_dataset(root=str(tmp_path), readers=readers, labels=None)
    table = build_index(dataset, tmp_path / "index").table
    assert list(speaker_ids(table)) == ["other/01", "speech/01", "speech/01"]


def test_corpora_can_be_selected(archive: Path, tmp_path: Path) -> None:
    dataset = build_dataset("dataset=cs334", f"data_root={archive}", "dataset.corpora=[tess,savee]")
    assert set(dataset.licences) == {"tess", "savee"}
    table = build_index(dataset, tmp_path / "index").table
    assert set(table["corpus"]) == {"savee", "tess"}
    assert list(table["path"]) == sorted(table["path"])
