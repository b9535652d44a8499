"""The speech gate: what is speech to it, without torch."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.sounds import KINDS, RATE, make_sounds
from emotion.audio import speech_detector as speech
from emotion.audio.decode import decode
from emotion.audio.speech_detector import FRAME, FRAMES, SpeechDetector, find_network
from emotion.errors import DependencyError


@pytest.fixture(scope="module")
def gate() -> SpeechDetector:
    return SpeechDetector()


def test_silence_noise_and_music_are_no_speech(gate: SpeechDetector) -> None:
    taken = [kind for kind, wave in make_sounds(3, len(KINDS)) if gate.is_speech(wave, RATE)]
    assert taken == []


@pytest.mark.corpora
def test_real_voices_of_every_rate_are_speech(gate: SpeechDetector, real_root) -> None:
    clips = [next(real_root.glob(f"{name}/**/*.wav")) for name in ("Crema", "Ravdess", "Savee")]
    clips.append(next(real_root.glob("Tess/**/*.wav")))
    assert [clip.name for clip in clips if not gate.is_speech(*decode(clip))] == []


def test_every_frame_has_a_probability_whatever_the_rate_and_the_length(
    gate: SpeechDetector,
) -> None:
    for rate, length in ((16_000, 1), (16_000, FRAME), (16_000, FRAME + 1), (44_100, 4410)):
        frames = gate.frames(np.zeros(length, dtype=np.float32), rate)
        assert len(frames) == -(-length * RATE // rate // FRAME)
        assert ((frames >= 0) & (frames <= 1)).all()


def test_long_clips_are_heard_in_calls_that_go_on_from_one_another(
    gate: SpeechDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    wave = (0.1 * random.standard_normal(FRAME * 40)).astype(np.float32)
    whole = gate.frames(wave, RATE)
    assert len(whole) < FRAMES
    monkeypatch.setattr(speech, "FRAMES", 7)
    assert gate.frames(wave, RATE) == pytest.approx(whole, abs=1e-5)


def test_the_network_is_found_without_its_package_being_imported() -> None:
    code = "import sys, emotion.audio.speech_detector as s; s.SpeechDetector(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "silero_vad", "pandas"} & set(done.stdout.split())


def test_a_missing_network_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="pip install 'silero-vad"):
        find_network()
