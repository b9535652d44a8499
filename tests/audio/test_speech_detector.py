"""Speech detection: on voices, noise and music, at any rate and length, without torch."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.sounds import KINDS, RATE, make_sounds
from emotion.audio import speech_detector
from emotion.audio.decode import decode
from emotion.audio.speech_detector import (
    FRAME_SAMPLES,
    FRAMES_PER_CALL,
    SpeechDetector,
    find_silero_network,
)
from emotion.errors import DependencyError


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


def test_silence_noise_and_music_are_not_speech(detector: SpeechDetector) -> None:
    mistaken = [kind for kind, wave in make_sounds(3, len(KINDS)) if detector.is_speech(wave, RATE)]
    assert mistaken == []


@pytest.mark.corpora
def test_real_voices_of_every_rate_are_speech(detector: SpeechDetector, real_root) -> None:
    clips = [next(real_root.glob(f"{name}/**/*.wav")) for name in ("Crema", "Ravdess", "Savee")]
    clips.append(next(real_root.glob("Tess/**/*.wav")))
    assert [clip.name for clip in clips if not detector.is_speech(*decode(clip))] == []


def test_every_frame_has_a_probability_whatever_the_rate_and_the_length(
    detector: SpeechDetector,
) -> None:
    for rate, length in (
        (16_000, 1),
        (16_000, FRAME_SAMPLES),
        (16_000, FRAME_SAMPLES + 1),
        (44_100, 4410),
    ):
        frames = detector.frame_probabilities(np.zeros(length, dtype=np.float32), rate)
        assert len(frames) == -(-length * RATE // rate // FRAME_SAMPLES)
        assert ((frames >= 0) & (frames <= 1)).all()


def test_long_clips_are_split_into_calls_that_pass_the_networks_state_on(
    detector: SpeechDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    wave = (0.1 * random.standard_normal(FRAME_SAMPLES * 40)).astype(np.float32)
    whole = detector.frame_probabilities(wave, RATE)
    assert len(whole) < FRAMES_PER_CALL
    monkeypatch.setattr(speech_detector, "FRAMES_PER_CALL", 7)
    assert detector.frame_probabilities(wave, RATE) == pytest.approx(whole, abs=1e-5)


def test_the_network_is_found_without_its_package_being_imported() -> None:
    code = "import sys, emotion.audio.speech_detector as s; s.SpeechDetector(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "silero_vad", "pandas"} & set(done.stdout.split())


def test_a_missing_network_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="pip install 'silero-vad"):
        find_silero_network()
