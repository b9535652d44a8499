"""Index: rows, headers and unusable clips."""

import math
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from emotion.audio import decode as decoding
from emotion.audio.clip_statistics import measure_clip
from emotion.audio.decode import Header, decode, read_header
from emotion.audio.mono import OPPOSITE_PHASE
from emotion.audio.quantise import dequantise, quantise
from emotion.audio.standardise import Standardiser
from emotion.data.corpora import headers as header_cache
from emotion.data.corpora.dataset import Dataset, table_dataset
from emotion.data.corpora.index import (
    Index,
    build_index,
    found_labels,
    open_clips,
    select_clips,
    summarise_skipped,
)
from emotion.data.corpora.readers import PatternReader
from emotion.data.corpora.statistics import compute_statistics
from emotion.data.waveform_cache import WaveformCache
from emotion.errors import AudioError, CorpusError
from tests.conftest import build_dataset
from tests.support.archive import AIFF, CLIPS, CONFLICT, SILENT, SKIPPED, STEREO, voice, write_clip
from tests.support.compressed import hum, mp3

SHORT = Standardiser(8_000, duration_ms=100)
COMMON = "sad,angry,disgust,fear,happy,neutral"
SIX_CLASSES = {"crema_d": 19, "ravdess": 9, "savee": 9, "tess": 7}
"""Clips of the tiny archive in the six common classes, without silence and conflicts."""

Opened = tuple[Index, Index, WaveformCache]


@pytest.fixture(scope="module")
def opened(cs334: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Index of the tiny archive, its usable clips, and its cache."""
    cache_dir = tmp_path_factory.mktemp("cache")
    clips, cache = open_clips(cs334, SHORT, cache_dir=cache_dir)
    return build_index(cs334, cache_dir / "index"), clips, cache


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose headers are read from here on."""
    names: list[str] = []

    def counted(path: Path) -> Header:
        names.append(path.name)
        return read_header(path)

    monkeypatch.setattr(decoding, "read_header", counted)
    return names


def test_every_usable_file_is_a_row_sorted_by_path(
    opened: Opened,
) -> None:
    everything = opened[0]
    assert Counter(everything.table["corpus"]) == CLIPS | {"crema_d": CLIPS["crema_d"] - 1}
    assert list(everything.table["path"]) == sorted(set(everything.table["path"]))
    assert dict(everything.skipped.itertuples(index=False)) == SKIPPED


def test_the_index_has_the_properties_of_the_headers(opened: Opened) -> None:
    table = opened[0].table.set_index("path")
    assert Counter(table["sample_rate"]) == {
        16_000: 22, 48_000: 17, 44_100: 12, 24_414: 8, 96_000: 1
    }  # fmt: skip
    assert list(table.index[table["channels"] == 2]) == [STEREO]
    assert tuple(table.index[table["container"] == "AIFF"]) == AIFF
    assert (table["frames"] / table["sample_rate"] - 0.25).abs().max() < 1e-4


def test_headers_are_opened_once(cs334: Dataset, tmp_path: Path, headers: list[str]) -> None:
    first = build_index(cs334, tmp_path)
    assert len(headers) == len(first.table) + 1
    headers.clear()
    second = build_index(cs334, tmp_path)
    assert headers == ["1007_DFA_ANG_XX.wav"], "only files that could not be read before"
    pd.testing.assert_frame_equal(second.table, first.table, check_dtype=False)
    pd.testing.assert_frame_equal(second.skipped, first.skipped)


def test_only_new_and_changed_files_are_opened(
    archive: Path, tmp_path: Path, headers: list[str]
) -> None:
    root = Path(shutil.copytree(archive / "Tess", tmp_path / "a" / "Tess")).parent
    dataset = build_dataset("dataset=tess", f"data_root={root}")
    build_index(dataset, tmp_path)
    headers.clear()
    write_clip(root / "Tess/OAF_Sad/OAF_new_sad.wav")
    write_clip(root / "Tess/OAF_Sad/OAF_back_sad.wav", 0.5)
    (root / "Tess/OAF_Fear/OAF_back_fear.wav").unlink()
    table = build_index(dataset, tmp_path).table.set_index("path")
    assert sorted(headers) == ["OAF_back_sad.wav", "OAF_new_sad.wav"]
    assert table["frames"]["Tess/OAF_Sad/OAF_back_sad.wav"] == 8_000
    assert "Tess/OAF_Fear/OAF_back_fear.wav" not in table.index


@pytest.fixture
def tess(archive: Path, tmp_path: Path) -> Dataset:
    """The corpus TESS in a folder of its own."""
    shutil.copytree(archive / "Tess", tmp_path / "clips" / "Tess")
    return build_dataset("dataset=tess", f"data_root={tmp_path}/clips")


def replace_within(path: Path, changed: Callable[[bytes], bytes]) -> None:
    """Change the bytes of a file, which keeps its size and modification time."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(changed(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert path.stat().st_mtime_ns == status.st_mtime_ns


@pytest.mark.parametrize("edge", ["first", "last"])
def test_other_bytes_of_the_same_size_and_time_give_another_index_and_cache(
    tess: Dataset, tmp_path: Path, headers: list[str], edge: str
) -> None:
    path = "Tess/OAF_Sad/OAF_back_sad.wav"
    write_clip(tess.root / path, 10.0)  # longer than what is compared

    def changed(content: bytes) -> bytes:
        louder = bytes(byte ^ 0x20 for byte in content[-200:])
        if edge == "last":
            return content[:-200] + louder
        return content[:44] + louder + content[244:]

    before, cache = open_clips(tess, SHORT, cache_dir=tmp_path)
    headers.clear()
    replace_within(tess.root / path, changed)
    after, renewed = open_clips(tess, SHORT, cache_dir=tmp_path)
    assert headers == ["OAF_back_sad.wav"]
    assert renewed.key != cache.key
    hashes = [clips.table.set_index("path")["audio_hash"] for clips in (before, after)]
    assert list(hashes[0].index[hashes[0] != hashes[1]]) == [path]
    assert after.fingerprint != before.fingerprint


def test_a_changed_status_of_the_same_bytes_keeps_index_and_cache(
    tess: Dataset, tmp_path: Path, headers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, cache = open_clips(tess, SHORT, cache_dir=tmp_path)
    for path in before.table["path"]:
        (tess.root / path).chmod(0o600)
    headers.clear()
    after, same = open_clips(tess, SHORT, cache_dir=tmp_path)
    assert headers == []
    assert same.key == cache.key
    assert after.fingerprint == before.fingerprint
    monkeypatch.setattr(header_cache, "edge_hash", None)  # a call would raise
    build_index(tess, tmp_path / "index")


def test_a_changed_status_needs_no_write_to_a_read_only_cache(
    cs334: Dataset, as_a_user: Path
) -> None:
    for seed, name in enumerate(("OAF_back_sad.wav", "YAF_back_sad.wav")):
        write_clip(as_a_user / "clips/Tess" / name, seed=seed)
    readers = {"tess": cs334.readers["tess"]}
    dataset, folder = replace(cs334, root=as_a_user / "clips", readers=readers), as_a_user / "index"
    before = build_index(dataset, folder)
    for path in before.table["path"]:
        (dataset.root / path).chmod(0o600)
    for file in folder.iterdir():
        file.chmod(0o400)
    folder.chmod(0o500)
    pd.testing.assert_frame_equal(build_index(dataset, folder).table, before.table)
    write_clip(dataset.root / "Tess/OAF_new_sad.wav")
    with pytest.raises(PermissionError):
        build_index(dataset, folder)


def test_a_file_that_could_not_be_opened_is_read_again(
    cs334: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path) -> Header:
        if path.name == "DC_a01.wav":
            raise AudioError("cannot be opened (Permission denied)")
        return read_header(path)

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "read_header", forbidden)
        assert "Savee/DC_a01.wav" in set(build_index(cs334, tmp_path).skipped["path"])
    assert "Savee/DC_a01.wav" in set(build_index(cs334, tmp_path).table["path"])


def test_a_file_that_changes_while_its_header_is_read_is_named_and_read_again(
    cs334: Dataset, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(archive, tmp_path / "clips"))
    dataset = replace(cs334, root=root)

    def replacing(path: Path) -> Header:
        if path.name == "DC_a01.wav":
            write_clip(path, 0.5, seed=77)
        return read_header(path)

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "read_header", replacing)
        skipped = dict(build_index(dataset, tmp_path / "i").skipped.itertuples(index=False))
    assert skipped["Savee/DC_a01.wav"] == "changed while it was read"
    table = build_index(dataset, tmp_path / "i").table.set_index("path")
    assert table["frames"]["Savee/DC_a01.wav"] == 8_000


def test_a_broken_link_is_skipped_with_its_reason(tmp_path: Path) -> None:
    write_clip(tmp_path / "Tess/OAF_back_sad.wav")
    (tmp_path / "Tess/OAF_bar_sad.wav").symlink_to("nowhere")
    index = build_index(build_dataset("dataset=tess", f"data_root={tmp_path}"), tmp_path / "i")
    assert list(index.skipped.itertuples(index=False, name=None)) == [
        ("Tess/OAF_bar_sad.wav", "is a broken link")
    ]


def test_a_clip_count_far_from_the_published_one_is_noted(
    opened: Opened,
) -> None:
    assert opened[0].notes == (
        "crema_d: 23 clips here, 7,442 were published",
        "ravdess: 17 clips here, 1,440 were published",
        "savee: 12 clips here, 480 were published",
        "tess: 9 clips here, 2,800 were published",
    )


def test_a_clip_count_near_the_published_one_is_not_noted(cs334: Dataset, tmp_path: Path) -> None:
    reader = replace(cs334.readers["tess"], published=9)  # type: ignore[type-var]
    assert build_index(replace(cs334, readers={"tess": reader}), tmp_path).notes == ()


def test_unusable_clips_are_left_out_with_their_reason(
    opened: Opened,
) -> None:
    whole, clips, _ = opened
    reasons = dict(clips.skipped.itertuples(index=False))
    first, second = CONFLICT
    assert reasons[first] == f"is the same recording as {second}, with another label"
    assert reasons[second] == f"is the same recording as {first}, with another label"
    assert reasons[SILENT] == "is silent"
    assert (
        reasons["Savee/DC_su01.wav"] == "is of the class surprise, which dataset.labels leaves out"
    )
    assert Counter(clips.table["corpus"]) == SIX_CLASSES
    assert sorted([*clips.table["path"], *reasons]) == sorted([*whole.table["path"], *SKIPPED])


def test_a_repeated_recording_with_one_label_is_kept(
    opened: Opened,
) -> None:
    twins = opened[1].table.groupby("audio_hash")["path"].agg(list)
    assert [pair for pair in twins if len(pair) > 1] == [
        [f"Ravdess/Actor_01/03-01-05-01-01-0{take}-01.wav" for take in (1, 2)]
    ]


def test_rows_point_at_their_own_samples(opened: Opened) -> None:
    _, clips, cache = opened
    assert list(cache.index["path"].iloc[clips.table["row"]]) == list(clips.table["path"])


@pytest.mark.parametrize(
    ("labels", "counts"),
    [
        (f"{COMMON},calm,surprise", SIX_CLASSES | {"ravdess": 17, "savee": 12, "tess": 9}),
        (f"{COMMON},surprise", SIX_CLASSES | {"ravdess": 13, "savee": 12, "tess": 9}),
        (COMMON, SIX_CLASSES),
        ("neutral,angry", {"crema_d": 10, "ravdess": 9, "savee": 6, "tess": 2}),
    ],
)
def test_labels_choose_the_classes_and_their_ids(
    archive: Path, opened: Opened, labels: str, counts: dict[str, int]
) -> None:
    dataset = build_dataset("dataset=cs334", f"data_root={archive}", f"dataset.labels=[{labels}]")
    whole, _, cache = opened
    clips = select_clips(replace(whole, labels=dataset.labels or ()), cache)
    assert clips.labels == tuple(labels.split(","))
    assert Counter(clips.table["corpus"]) == counts


def test_the_default_classes_have_fixed_ids(opened: Opened) -> None:
    assert opened[1].labels == ("sad", "angry", "disgust", "fear", "happy", "neutral")


def test_labels_without_clips_are_rejected_with_the_existing_ones(
    opened: Opened,
) -> None:
    whole, _, cache = opened
    message = r"to the classes joy, rage; the corpus has sad, angry.*dataset\.labels=\[sad,"
    with pytest.raises(CorpusError, match=message):
        select_clips(replace(whole, labels=("joy", "rage")), cache)


def test_found_labels_come_in_their_usual_order_then_by_name() -> None:
    assert found_labels(["zest", "surprise", "fear", "sad", "awe"]) == (
        "sad", "fear", "surprise", "awe", "zest"
    )  # fmt: skip


def test_the_fingerprint_depends_on_clips_and_labels_not_on_the_root(
    archive: Path, opened: Opened, tmp_path: Path
) -> None:
    shutil.copytree(archive, tmp_path / "moved")
    dataset = build_dataset("dataset=cs334", f"data_root={tmp_path}/moved")
    whole = build_index(dataset, tmp_path)
    assert whole.fingerprint == opened[0].fingerprint
    table = whole.table.copy()
    table.loc[0, "emotion"] = "calm"
    assert replace(whole, table=table).fingerprint != whole.fingerprint
    assert replace(whole, table=whole.table[1:]).fingerprint != whole.fingerprint


@pytest.mark.parametrize("before", [(), ("OAF_back_sad.wav",)], ids=["fresh", "known"])
def test_a_corpus_without_one_usable_clip_is_an_error(
    tmp_path: Path, before: tuple[str, ...]
) -> None:
    dataset = build_dataset("dataset=tess", f"data_root={tmp_path}")
    for name in before:
        write_clip(tmp_path / "Tess" / name)
        build_index(dataset, tmp_path / "index")
        (tmp_path / "Tess" / name).unlink()
    write_clip(tmp_path / "Tess/what.wav")
    with pytest.raises(CorpusError, match=r"none of the 1 files .*Tess/what\.wav has a name"):
        build_index(dataset, tmp_path / "index")


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ((r"(?P<emotion>sad)", r"x(?P<emotion>sad)"), "b: no file matches the pattern"),
        ((r"(?P<emotion>sad)", r"(?P<emotion>sad)"), r"sad\.wav is a clip of both a and b"),
    ],
)
def test_two_corpora_whose_roots_replace_each_other_are_refused(
    tmp_path: Path, patterns: tuple[str, str], message: str
) -> None:
    write_clip(tmp_path / "sad.wav")
    readers = {
        name: PatternReader(corpus=name, pattern=pattern)
        for name, pattern in zip("ab", patterns, strict=True)
    }
    dataset = Dataset(root=tmp_path, readers=readers, labels=None)
    with pytest.raises(CorpusError, match=f"{message}.*below one root, here {tmp_path}.*`folder`"):
        build_index(dataset, tmp_path / "index")


def test_skipped_files_are_summarised_by_reason() -> None:
    skipped = pd.DataFrame(
        [("a", "is silent"), *((f"b{n}", "is song") for n in range(4))], columns=["path", "reason"]
    )
    assert summarise_skipped(skipped) == [
        "left out: 4 files, each is song, such as b0",
        "left out: a is silent",
    ]


def test_missing_clips_are_generated_once_and_an_interrupted_run_leaves_no_root(
    cs334: Dataset, archive: Path, tmp_path: Path
) -> None:
    calls: list[Path] = []

    def generate(folder: Path) -> None:
        calls.append(folder)
        if len(calls) == 1:
            raise KeyboardInterrupt
        shutil.copytree(archive / "Tess", folder / "Tess", dirs_exist_ok=True)

    readers = {"tess": cs334.readers["tess"]}
    dataset = replace(cs334, root=tmp_path / "clips", readers=readers, generate=generate)
    with pytest.raises(KeyboardInterrupt):
        build_index(dataset, tmp_path / "index")
    assert not dataset.root.exists()
    for _ in range(2):
        assert len(build_index(dataset, tmp_path / "index").table) == CLIPS["tess"]
    assert len(calls) == 2


def test_decoded_frames_replace_those_of_a_wrong_header_and_warnings_are_notes(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    for name in ("angry", "sad"):
        write_clip(root / name / "a.wav", seed=len(name))
    whole = mp3(hum(10.0, quiet=0.0))
    (root / "angry" / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    left = voice(0.5, 16_000)
    for name in ("b", "c"):
        sf.write(root / "sad" / f"{name}.wav", np.stack([left, -left], axis=1), 16_000)
    dataset = build_dataset("dataset=folder", f"dataset.root={root}")
    index, _ = open_clips(dataset, SHORT, cache_dir=tmp_path / "cache")
    table = index.table.set_index("path")
    for path in table.index:
        assert table["frames"][path] == len(decoding.decode(root / path)[0])
    assert not any(table["loudest_db"] < -60)
    (note,) = [note for note in index.notes if "phase" in note]
    assert note == f"2 files, each {OPPOSITE_PHASE}, such as sad/b.wav"
    assert "warning" not in table


SEGMENTS = """path,start_s,end_s,emotion,speaker
talk.wav,1.25,2,sad,x
talk.wav,0,1.5,angry,x
talk.wav,1.25,2.0,angry,x
talk.wav,2,2.5,,x
talk.wav,2.9,3.5,sad,x
talk.wav,2,1,sad,x
talk.wav,one,2,sad,x
talk.wav,1,,sad,x
talk.wav,,,sad,x
gone.wav,0,1,sad,x
copy.wav,0.0,0.5,sad,x
copy.wav,0.5,1,angry,x
"""


@pytest.fixture
def segments(tmp_path: Path) -> Dataset:
    """Segments of a recording of 3 s, and of a file with twice the same samples."""
    write_clip(tmp_path / "talk.wav", 3.0)
    write_clip(tmp_path / "own/OAF_back_fear.wav", 0.5)
    half = voice(0.5, 8_000)
    sf.write(tmp_path / "copy.wav", np.concatenate([half, half]), 8_000)
    (tmp_path / "t.csv").write_text(SEGMENTS)
    return table_dataset(path=str(tmp_path / "t.csv"), root=None, labels=None)


def test_a_row_of_a_table_may_be_a_segment(segments: Dataset, tmp_path: Path) -> None:
    index, cache = open_clips(segments, SHORT, cache_dir=tmp_path / "cache")
    table = index.table
    assert list(table)[:3] == ["path", "start", "end"]
    clips = table[["path", "start", "end", "emotion", "frames", "sample_rate"]]
    assert [tuple(row) for row in clips.to_numpy().tolist()] == [
        ("talk.wav", 0.0, 1.5, "angry", 24_000, 16_000),
        ("talk.wav", 0.0, math.inf, "sad", 48_000, 16_000),
        ("talk.wav", 1.25, 2.0, "sad", 12_000, 16_000),
    ]
    other = "copy.wav [{}-{} s]".format
    conflict = "is the same recording as {}, with another label".format
    assert dict(index.skipped.itertuples(index=False)) == {
        "talk.wav [2.0-2.5 s]": "has no emotion in the table",
        "talk.wav": "has no end",  # the last of three lines
        "talk.wav [1.25-2.0 s]": "is repeated in the table; its first line is used",
        "talk.wav [2.9-3.5 s]": "ends at 3.00 s, before the end of its segment, 3.5 s",
        "gone.wav": "is not there",
        other(0.0, 0.5): conflict(other(0.5, 1.0)),
        other(0.5, 1.0): conflict(other(0.0, 0.5)),
    }
    reasons = set(index.skipped["reason"])
    assert "has a segment from 2 to 1 s; needed is 0 <= start < end" in reasons
    assert "has the start 'one', which is not a number of seconds such as 1.5" in reasons
    whole, rate = decode(tmp_path / "talk.wav")
    cut = whole[20_000:32_000]
    assert table["audio_hash"].iloc[2] == measure_clip(cut, rate).audio_hash
    expected = quantise(SHORT(cut, rate), SHORT.storage)
    np.testing.assert_array_equal(cache.wave(int(table["row"].iloc[2])), dequantise(*expected))


def test_other_times_are_other_caches_and_the_same_headers(
    segments: Dataset, tmp_path: Path, headers: list[str]
) -> None:
    _, cache = open_clips(segments, SHORT, cache_dir=tmp_path / "cache")
    assert sorted(headers) == ["copy.wav", "talk.wav"]
    (tmp_path / "t.csv").write_text(SEGMENTS.replace("0,1.5", "0,1.4"))
    _, other = open_clips(segments, SHORT, cache_dir=tmp_path / "cache")
    assert len(headers) == 2
    assert other.key != cache.key


def test_a_dataset_may_have_segments_and_whole_files(segments: Dataset, tmp_path: Path) -> None:
    tess = PatternReader(corpus="own", folder="own", pattern=r"(?P<emotion>fear)")
    dataset = replace(segments, readers={**segments.readers, "own": tess})
    table = build_index(dataset, tmp_path / "index").table.set_index("path")
    assert table.loc["own/OAF_back_fear.wav", ["start", "end", "frames"]].tolist() == [
        0.0,
        math.inf,
        8_000,
    ]


def test_two_readers_with_one_clip_are_refused(segments: Dataset, tmp_path: Path) -> None:
    dataset = replace(segments, readers={**segments.readers, "again": segments.readers["csv"]})
    with pytest.raises(CorpusError, match=r"^copy\.wav \[0\.0-0\.5 s\] is a clip of both csv"):
        build_index(dataset, tmp_path / "index")


def test_statistics_are_of_segments(segments: Dataset, tmp_path: Path) -> None:
    statistics = compute_statistics(segments, SHORT, tmp_path / "cache")
    assert sorted(statistics.clips["seconds"]) == [0.5, 0.5, 0.75, 1.5, 3.0]
    rows = statistics.table.set_index("what")
    assert rows["value"]["conflicting_pair"].startswith("copy.wav [0.0-0.5 s] (sad) = ")
    assert rows.loc["seconds_max", "value"].tolist() == [3.0, 3.0]
