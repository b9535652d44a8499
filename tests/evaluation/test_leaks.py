"""Data leakage is refused by name, or allowed and marked."""

import json
from pathlib import Path

import pandas as pd
import pytest
import soundfile as sf

from emotion.cli.main import run
from emotion.errors import LeakError
from emotion.evaluation.leaks import audit_split
from emotion.runs.run import Run
from emotion.utils.tables import read_table, write_table
from tests.support.labelled_clips import labelled_clips


def test_clean_split_passes_and_shared_sentences_are_a_remark() -> None:
    audit = audit_split(labelled_clips(), allow_leak=False)
    assert not audit.leaks
    assert "5 of the 5 sentences" in audit.remarks[0]


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("kind", ["speaker", "recording"])
def test_each_kind_of_leak_is_named_with_both_subsets(part: str, kind: str) -> None:
    table = labelled_clips()
    test, other = table.index[table.subset == "test"][0], table.index[table.subset == part][0]
    if kind == "speaker":
        table.loc[other, "speaker"] = "s0"
        named = "speaker x s0"
    else:
        table.loc[other, "audio_hash"] = table.loc[test, "audio_hash"]
        named = f"recording {table.path[test]} = {table.path[other]}"
    with pytest.raises(LeakError, match=f"{named} in test and in {part}"):
        audit_split(table, allow_leak=False)
    assert audit_split(table, allow_leak=True).leaks


def test_same_name_in_two_corpora_is_not_a_leak() -> None:
    table = labelled_clips()
    table.loc[table.subset == "train", ["corpus", "speaker"]] = ["y", "s0"]
    assert not audit_split(table, allow_leak=False).leaks


def test_a_test_speaker_of_the_initial_weights_is_a_leak() -> None:
    table = labelled_clips()
    earlier = pd.DataFrame({"corpus": "x", "speaker": ["s7", "s0"]})
    found = "speaker x s0 in test and in the training clips of the initial weights"
    with pytest.raises(LeakError, match=f"{found}.*other weights"):
        audit_split(table, allow_leak=False, trained_on=earlier)
    assert audit_split(table, allow_leak=True, trained_on=earlier).leaks
    for clean in (earlier.assign(corpus="y"), earlier[:1]):
        assert not audit_split(table, allow_leak=False, trained_on=clean).leaks


def test_the_spelling_of_an_earlier_speaker_does_not_hide_a_leak() -> None:
    earlier = pd.DataFrame({"corpus": "X", "speaker": ["S0\xa0"]})
    with pytest.raises(LeakError, match="speaker x s0 in test and in the training clips"):
        audit_split(labelled_clips(), allow_leak=False, trained_on=earlier)


def test_clips_of_unknown_speakers_are_not_a_leak() -> None:
    table = labelled_clips()
    table.loc[table.subset == "test", "speaker"] = "unknown"
    trained_on = pd.DataFrame({"corpus": "x", "speaker": ["unknown"]})
    audit = audit_split(table, allow_leak=False, trained_on=trained_on)
    assert not audit.leaks
    assert audit.not_checkable == 11
    assert "leakage not checkable: 10 clips of unknown speakers (10 test)" in audit.remarks


@pytest.mark.parametrize("name", ["unknown", "", "Unknown\xa0"])
def test_an_unknown_speaker_is_never_one_person(name: str) -> None:
    table = labelled_clips()
    table.loc[table.index[:20], "speaker"] = name
    table.loc[table.index[0], "subset"] = ""
    audit = audit_split(table, allow_leak=False)
    assert (audit.leaks, audit.as_dict()["not_checkable"]) == ((), 19)
    assert audit_split(table, allow_leak=True, mixes_speakers=True).leaks == (
        "clips of unknown speakers in test and in train",
    )


def test_the_speakers_of_another_corpus_are_the_same_people() -> None:
    table = labelled_clips().assign(speakers_of="x")
    table.loc[table.subset == "train", ["corpus", "speaker"]] = ["song", "s0"]
    with pytest.raises(LeakError, match="speaker x s0 in test and in train"):
        audit_split(table, allow_leak=False)
    song = pd.DataFrame({"corpus": ["song"], "speaker": "s0", "speakers_of": "x"})
    with pytest.raises(LeakError, match="speaker x s0 in test and in the training clips"):
        audit_split(labelled_clips(), allow_leak=False, trained_on=song)


TINY = ["trainer.max_epochs=1", "dataset.generate.speakers=6", "dataset.generate.sentences=2"]


@pytest.fixture(scope="module")
def split_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """Settings of small runs, and a clean split file for them."""
    root = tmp_path_factory.mktemp("outputs")
    words = ["train", *TINY, f"output_root={root}"]
    assert run([*words, f"hydra.run.dir={root}/first"]) == 0
    return words, root / "first" / "split.csv"


@pytest.mark.parametrize("kind", ["speaker", "re-encoded duplicate"])
def test_planted_leak_stops_the_run_unless_it_is_allowed_and_marked(
    kind: str,
    split_file: tuple[list[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words, clean = split_file
    table = read_table(clean)
    root = Path(Run(clean.parent).settings.dataset["root"])
    test = table.index[table.subset == "test"][0]
    if kind == "speaker":
        table.loc[test, "subset"] = "train"
        named = f"speaker synthetic {table.speaker[test]} in test and in train"
        copy = None
    else:
        samples, rate = sf.read(root / table.path[test], dtype="int16")
        copy = root / "S01_f_99_happy.wav"
        with sf.SoundFile(copy, "w", rate, 1, subtype="PCM_24", format="WAV") as file:
            file.write(samples)
        emotion = table.emotion[test]
        copy = copy.rename(
            root / f"{table.speaker[table.subset == 'train'].iloc[0]}_f_99_{emotion}.wav"
        )
        row = {"path": copy.name, "corpus": "synthetic", "speaker": "", "emotion": emotion}
        table = pd.concat([table, pd.DataFrame([row | {"subset": "train"}])])
        named = f"recording {table.path.iloc[test]} = {copy.name} in test and in train"
    file_split = tmp_path / "split.csv"
    write_table(file_split, table)
    leaky = [*words, "split=file", f"split.path={file_split}", f"hydra.run.dir={tmp_path}/run"]
    try:
        assert run(leaky) == 1
        assert named in capfd.readouterr().err
        assert not (tmp_path / "run").exists()
        assert run([*leaky, "split.allow_leak=true"]) == 0
    finally:
        if copy is not None:
            copy.unlink()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["leaks"] is True
    assert "LEAKS" in (tmp_path / "run" / "report.html").read_text()


def test_same_split_file_without_the_leak_trains(
    split_file: tuple[list[str], Path], tmp_path: Path
) -> None:
    words, clean = split_file
    folder = tmp_path / "run"
    assert run([*words, "split=file", f"split.path={clean}", f"hydra.run.dir={folder}"]) == 0
    assert Run(folder).metrics["leaks"] is False


def test_random_split_is_marked(split_file: tuple[list[str], Path], tmp_path: Path) -> None:
    words, _ = split_file
    assert run([*words, "split=random", f"hydra.run.dir={tmp_path}/run"]) == 0
    assert Run(tmp_path / "run").metrics["leaks"] is True
