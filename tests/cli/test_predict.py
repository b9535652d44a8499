"""The commands predict and embed, with a fast model in place of a run."""

import csv
import io
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emotion.cli.main import run
from emotion.inference import load_models
from emotion.runtime import clips
from tests.support.fake_model import LABELS, FakeModel, noise

RATE = 8000
P_COLUMNS = [f"p_{label}" for label in LABELS]


@pytest.fixture(autouse=True)
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with three recordings; run=any is a fast model without a profile."""
    monkeypatch.setattr(load_models, "open_models", lambda settings: FakeModel())
    monkeypatch.setattr(load_models, "open_profiles", lambda settings: [])
    monkeypatch.chdir(tmp_path)
    for name, seconds in (("long.wav", 7.3), ("a.wav", 0.8), ("b.FLAC", 1.0)):
        sf.write(name, noise(seconds, seed=len(name)), RATE, format=name[-4:].strip("."))
    return tmp_path


def predict(*words: str, command: str = "predict", code: int = 0) -> None:
    assert run([command, "run=any", *words]) == code


def read(name: str) -> list[dict[str, str]]:
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_sorted_and_unreadable_files_are_logged(capfd) -> None:
    Path("broken.wav").write_text("no audio")
    Path("phone.m4a").write_bytes(b"\0\0\0\x18ftypM4A mp42isom")
    predict(".", "phone.m4a", "batch_size=2", "output=new/o.csv", code=3)
    rows = read("new/o.csv")
    assert [row["path"] for row in rows] == ["a.wav", "b.FLAC", "long.wav"]
    assert list(rows[0]) == ["path", "predicted", "note", *P_COLUMNS]
    log = capfd.readouterr().err
    assert "broken.wav is not readable audio" in log
    assert "ffmpeg -i in.m4a out.wav" in log
    assert "5 clips in" in log
    assert "long.wav: only the first 1.0 of 7.3 s are classified" in log


def test_a_row_does_not_depend_on_its_batch() -> None:
    predict(".", "output=all.jsonl")
    for line in Path("all.jsonl").read_text().splitlines():
        row = json.loads(line)
        predict(row["path"], "output=one.jsonl", "batch_size=1")
        assert json.loads(Path("one.jsonl").read_text()) == row


def test_bytes_on_stdin_are_a_recording(monkeypatch, capsys) -> None:
    standard = types.SimpleNamespace(buffer=io.BytesIO(Path("a.wav").read_bytes()))
    monkeypatch.setattr(sys, "stdin", standard)
    predict("-", "a.wav")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first.pop("path") == "-"
    assert second.pop("path") == "a.wav"
    assert first == second


def test_silence_has_the_note_no_speech_and_a_prediction() -> None:
    sf.write("silence.wav", np.zeros(RATE), RATE)
    predict("silence.wav", "output=o.csv")
    (row,) = read("o.csv")
    assert row["note"] == "no speech"
    assert row["predicted"] in LABELS
    predict("silence.wav", "output=o.csv", "speech_gate=false")
    assert read("o.csv")[0]["note"] == ""


def test_labels_and_priors_are_options() -> None:
    words = ["labels=[sad,happy]", "priors={happy: 0.999}", "speech_gate=false"]
    predict("a.wav", "output=o.csv", *words)
    (row,) = read("o.csv")
    assert list(row) == ["path", "predicted", "note", "p_sad", "p_happy"]
    assert row["predicted"] == "happy"


def test_timeline_has_windows_and_a_plot_of_every_file() -> None:
    Path("broken.wav").write_text("no audio")
    predict("a.wav", "long.wav", "broken.wav", "timeline=true", "output=t/o.csv", code=3)
    assert [row["path"] for row in read("t/o.csv")] == ["a.wav", "long.wav"]
    rows = read("t/o.timeline.csv")
    assert list(rows[0]) == ["path", "start_s", "end_s", "predicted", "note", *P_COLUMNS]
    spans = [(float(row["start_s"]), float(row["end_s"])) for row in rows[1:]]
    assert [row["path"] for row in rows] == ["a.wav"] + ["long.wav"] * len(spans)
    assert spans[:3] == [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)]
    assert spans[-1] == pytest.approx((6.3, 7.3))
    assert {path.name for path in Path("t").glob("*.png")} == {
        "o.a.timeline.png",
        "o.long.timeline.png",
    }
    assert Path("t/o.long.timeline.png").read_bytes().startswith(b"\x89PNG")


def test_first_window_equals_the_row_of_the_file() -> None:
    predict("long.wav", "timeline=true", "output=o.csv", "window_s=1", "hop_s=0.25")
    (row,) = read("o.csv")
    first = read("o.timeline.csv")[0]
    assert Path("o.timeline.png").is_file()
    for name in P_COLUMNS:
        assert float(row[name]) == pytest.approx(float(first[name]), abs=1e-6)


def test_segments_give_one_row_each_and_those_after_the_end_are_logged(capfd) -> None:
    Path("s.csv").write_text("path,start_s,end_s\nlong,2,3\nlong,0,0.8\na,5,6\n")
    predict("a.wav", "long.wav", "segments=s.csv", "output=o.csv", code=3)
    rows = read("o.csv")
    assert [(row["path"], row["start_s"], row["end_s"]) for row in rows] == [
        ("long.wav", "0.0", "0.8"),
        ("long.wav", "2.0", "3.0"),
    ]
    assert "a.wav ends at 0.80 s, before 5.00 s" in capfd.readouterr().err
    wave, _ = sf.read("long.wav", dtype="float32")
    sf.write("cut.wav", wave[2 * RATE : 3 * RATE], RATE)
    predict("cut.wav", "output=cut.csv")
    assert [read("cut.csv")[0][name] for name in P_COLUMNS] == [rows[1][name] for name in P_COLUMNS]


def test_only_the_start_of_a_long_file_is_decoded(monkeypatch) -> None:
    predict("long.wav", "output=whole.csv")
    monkeypatch.setattr(clips, "MAX_DECODED_S", 2.0)
    predict("long.wav", "output=part.csv")
    assert Path("part.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_embed_writes_embeddings(capfd) -> None:
    predict("a.wav", "b.FLAC", "output=e.csv", command="embed")
    rows = read("e.csv")
    assert list(rows[0]) == ["path", "e_0", "e_1", "e_2", "e_3", "e_4"]
    wave, rate = sf.read("a.wav", dtype="float32")
    model = FakeModel()
    expected = model.infer([model.standardise(wave, rate)]).embedding[0]
    assert [float(rows[0][f"e_{index}"]) for index in range(5)] == expected.tolist()
    predict("a.wav", command="embed", code=1)
    assert "output= is not set" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.wav", "timeline=true"], "Set output=FILE.csv"),
        (["a.wav", "segments=none.csv"], "segments=none.csv does not exist"),
        (["a.wav", "window_s=9", "timeline=true", "output=o.csv"], "window_s=9"),
        (["a.wav", "labels=[sad,hapy]"], "Did you mean happy"),
        (["a.wav", "batch_size=0"], "batch_size=0"),
        (["a.wav", "mic"], "cannot be combined with files"),
        (["inputs=mic"], "needs sounddevice"),
    ],
)
def test_impossible_requests_are_errors_on_one_line(
    words, message: str, monkeypatch, capfd
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    predict(*words, code=1)
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert not Path("o.csv").exists()
