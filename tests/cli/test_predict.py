"""The commands predict and embed, with a recogniser that answers at once."""

import csv
import io
import json
import os
import signal
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emotion.cli.main import run
from emotion.inference import file_batches as batches
from emotion.inference import load_models as opening
from tests.support.hearers import LABELS, Ear, noise

RATE = 8000
CHANCES = [f"p_{label}" for label in LABELS]


@pytest.fixture(autouse=True)
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a few recordings; no run and no gate is opened."""
    monkeypatch.setattr(opening, "open_named", lambda config: Ear())
    monkeypatch.setattr(opening, "open_profiles", lambda config: [])
    monkeypatch.chdir(tmp_path)
    for name, seconds in (("long.wav", 7.3), ("a.wav", 0.8), ("b.FLAC", 1.0)):
        sf.write(name, noise(seconds, seed=len(name)), RATE, format=name[-4:].strip("."))
    return tmp_path


def predict(*words: str, command: str = "predict", code: int = 0) -> None:
    assert run([command, "run=any", *words]) == code


def read(name: str) -> list[dict[str, str]]:
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_a_readable_file_sorted_and_the_rest_goes_on(capfd) -> None:
    Path("broken.wav").write_text("no audio")
    Path("phone.m4a").write_bytes(b"\0\0\0\x18ftypM4A mp42isom")
    predict(".", "phone.m4a", "batch_size=2", "output=new/o.csv", code=3)
    rows = read("new/o.csv")
    assert [row["path"] for row in rows] == ["a.wav", "b.FLAC", "long.wav"]
    assert list(rows[0]) == ["path", "predicted", "note", *CHANCES]
    told = capfd.readouterr().err
    assert "broken.wav is not readable audio" in told
    assert "ffmpeg -i in.m4a out.wav" in told
    assert "5 clips in" in told
    assert "long.wav: only the first 1.0 of its 7.3 s are heard" in told


def test_batches_and_company_change_no_row() -> None:
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


def test_silence_is_no_speech_and_keeps_its_row() -> None:
    sf.write("silence.wav", np.zeros(RATE), RATE)
    predict("silence.wav", "output=o.csv")
    (row,) = read("o.csv")
    assert row["note"] == "no speech"
    assert row["predicted"] in LABELS
    predict("silence.wav", "output=o.csv", "speech_gate=false")
    assert read("o.csv")[0]["note"] == ""


def test_labels_and_priors_come_from_the_command_line() -> None:
    words = ["labels=[sad,happy]", "priors={happy: 0.999}", "speech_gate=false"]
    predict("a.wav", "output=o.csv", *words)
    (row,) = read("o.csv")
    assert list(row) == ["path", "predicted", "note", "p_sad", "p_happy"]
    assert row["predicted"] == "happy"


def test_a_timeline_is_windows_of_every_file_and_a_picture_of_each() -> None:
    Path("broken.wav").write_text("no audio")
    predict("a.wav", "long.wav", "broken.wav", "timeline=true", "output=t/o.csv", code=3)
    assert [row["path"] for row in read("t/o.csv")] == ["a.wav", "long.wav"]
    rows = read("t/o.timeline.csv")
    assert list(rows[0]) == ["path", "start_s", "end_s", "predicted", "note", *CHANCES]
    spans = [(float(row["start_s"]), float(row["end_s"])) for row in rows[1:]]
    assert [row["path"] for row in rows] == ["a.wav"] + ["long.wav"] * len(spans)
    assert spans[:3] == [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)]
    assert spans[-1] == pytest.approx((6.3, 7.3))
    assert {path.name for path in Path("t").glob("*.png")} == {
        "o.a.timeline.png",
        "o.long.timeline.png",
    }
    assert Path("t/o.long.timeline.png").read_bytes().startswith(b"\x89PNG")


def test_a_files_first_window_is_its_row() -> None:
    predict("long.wav", "timeline=true", "output=o.csv", "window_s=1", "hop_s=0.25")
    (row,) = read("o.csv")
    first = read("o.timeline.csv")[0]
    assert Path("o.timeline.png").is_file()
    for name in CHANCES:
        assert float(row[name]) == pytest.approx(float(first[name]), abs=1e-6)


def test_segments_give_a_row_each_and_what_lies_behind_the_end_is_told(capfd) -> None:
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
    assert [read("cut.csv")[0][name] for name in CHANCES] == [rows[1][name] for name in CHANCES]


def test_long_files_are_heard_from_their_beginning_alone(monkeypatch) -> None:
    predict("long.wav", "output=whole.csv")
    monkeypatch.setattr(batches, "LONGEST_S", 2.0)
    predict("long.wav", "output=part.csv")
    assert Path("part.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_embed_writes_what_the_last_layer_is_given(capfd) -> None:
    predict("a.wav", "b.FLAC", "output=e.csv", command="embed")
    rows = read("e.csv")
    assert list(rows[0]) == ["path", "e_0", "e_1", "e_2", "e_3", "e_4"]
    wave, rate = sf.read("a.wav", dtype="float32")
    ear = Ear()
    expected = ear.answer([ear.standardise(wave, rate)]).embedding[0]
    assert [float(rows[0][f"e_{place}"]) for place in range(5)] == expected.tolist()
    predict("a.wav", command="embed", code=1)
    assert "output= is not set" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.wav", "timeline=true"], "give output=FILE.csv"),
        (["a.wav", "segments=none.csv"], "there is no file segments=none.csv"),
        (["a.wav", "window_s=9", "timeline=true", "output=o.csv"], "window_s=9"),
        (["a.wav", "labels=[sad,hapy]"], "Did you mean happy"),
        (["a.wav", "batch_size=0"], "batch_size=0"),
        (["a.wav", "mic"], "name no files beside it"),
        (["inputs=mic"], "needs sounddevice"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, message: str, monkeypatch, capfd) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    predict(*words, code=1)
    told = capfd.readouterr().err.splitlines()[-1]
    assert told.startswith("error: ")
    assert message in told
    assert not Path("o.csv").exists()


class Microphone:
    """A sounddevice that hears five seconds of noise, then Ctrl-C."""

    PortAudioError = OSError

    def __init__(self, broken: str = "") -> None:
        self.broken = broken

    def query_devices(self, kind: str) -> dict[str, float]:
        if self.broken:
            raise OSError(self.broken)
        return {"default_samplerate": 16_000.0}

    def InputStream(self, *, samplerate, channels, dtype, blocksize, callback):  # noqa: N802
        ended = threading.Event()

        def press_keys() -> None:
            while not ended.wait(0.5):  # again where a finaliser swallowed the interrupt
                os.kill(os.getpid(), signal.SIGINT)

        class Recording:
            def __enter__(self) -> None:
                for block in np.split(noise(5.0, samplerate), range(0, 80_000, blocksize))[1:]:
                    callback(block[:, None], len(block), None, None)
                threading.Thread(target=press_keys).start()

            def __exit__(self, *_: object) -> None:
                ended.set()

        return Recording()


def test_the_microphone_is_heard_until_ctrl_c(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone())
    predict("inputs=mic", "output=mic.csv", "speech_gate=false")
    lines = capsys.readouterr().out.strip().splitlines()
    rows = read("mic.csv")
    assert len(lines) == len(rows) == 9
    assert [float(row["end_s"]) for row in rows] == list(np.arange(1, 5.5, 0.5))
    assert rows[0]["predicted"] in lines[0]


def test_no_microphone_is_said(monkeypatch, capfd) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone("no default input"))
    predict("inputs=mic", code=1)
    assert "no microphone that can be opened (no default input)" in capfd.readouterr().err
