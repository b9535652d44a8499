"""Live predictions, with a fake sounddevice module."""

import csv
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.errors import ConfigError, DependencyError
from emotion.inference.microphone import predict_microphone
from emotion.runtime.predictor import Predictor
from tests.support.fake_model import FakeModel, noise


class FakeSoundDevice:
    """A sounddevice module: five seconds of noise, then Ctrl-C."""

    PortAudioError = OSError

    def __init__(self, error: str = "") -> None:
        self.error = error

    def query_devices(self, kind: str) -> dict[str, float]:
        if self.error:
            raise OSError(self.error)
        return {"default_samplerate": 16_000.0}

    def InputStream(  # noqa: N802
        self, *, samplerate: int, blocksize: int, callback: Callable[..., None], **_: Any
    ) -> Any:
        ended = threading.Event()

        def press_keys() -> None:
            while not ended.wait(0.5):  # again if a finaliser swallowed the interrupt
                os.kill(os.getpid(), signal.SIGINT)

        class Recording:
            def __enter__(self) -> None:
                for block in np.split(noise(5.0, samplerate), range(0, 80_000, blocksize))[1:]:
                    callback(block[:, None], len(block), None, None)
                threading.Thread(target=press_keys).start()

            def __exit__(self, *_: object) -> None:
                ended.set()

        return Recording()


def test_microphone_is_predicted_until_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice())
    before = signal.getsignal(signal.SIGINT)
    predict_microphone(Predictor(FakeModel()), tmp_path / "mic.csv")
    assert signal.getsignal(signal.SIGINT) is before
    lines = capsys.readouterr().out.strip().splitlines()
    with (tmp_path / "mic.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows) == 9
    assert [float(row["end_s"]) for row in rows] == list(np.arange(1, 5.5, 0.5))
    assert rows[0]["predicted"] in lines[0]


def test_missing_microphone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice("no default input"))
    with pytest.raises(ConfigError, match=r"no microphone can be opened \(no default input\)"):
        predict_microphone(Predictor(FakeModel()), None)


def test_missing_sounddevice_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DependencyError, match=r"pip install 'emotion\[mic\]'"):
        predict_microphone(Predictor(FakeModel()), None)
