"""The HTML of a result: a sentence for every note, escaped names, the timeline."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra `app` is not installed")

from emotion.runtime.predictor import NO_SPEECH, NOT_SURE, OUT_OF_DISTRIBUTION, Prediction
from emotion.runtime.stream import WindowPrediction
from emotion.serving.page import result_html, timeline_tracks
from emotion.serving.service import Result
from tests.support.served_model import LoudnessModel, served_model

RATE = 8_000
MODEL = served_model("mine", LoudnessModel())
LOUD = Prediction("loud", "", (0.8, 0.2))


def html(prediction: Prediction, *, seconds: float = 1.0, name: str = "a.wav") -> str:
    wave = np.zeros(round(seconds * RATE), dtype=np.float32)
    text = result_html(Result(MODEL, prediction, [], wave, RATE), name, retention="")
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("prediction", "heading", "sentence"),
    [
        (LOUD, "loud", "Probability: 80 %."),
        (
            Prediction("quiet", NO_SPEECH, (0.2, 0.8)),
            NO_SPEECH,
            "No speech was detected in this recording. The prediction would be quiet",
        ),
        (
            Prediction("loud", NOT_SURE, (0.4, 0.3)),
            NOT_SURE,
            "only 40 %: it is more likely wrong than right.",
        ),
        (Prediction("loud", NOT_SURE, (0.8, 0.2)), NOT_SURE, "of only 80 %."),
        (
            Prediction("loud", OUT_OF_DISTRIBUTION, (0.8, 0.2), ("its level",)),
            OUT_OF_DISTRIBUTION,
            "differs from the training clips: its level.",
        ),
    ],
)
def test_every_note_has_a_sentence(prediction: Prediction, heading: str, sentence: str) -> None:
    page = html(prediction)
    assert f"<h2>{heading}</h2>" in page
    assert sentence in page
    assert "Only the first" not in page


def test_page_states_the_part_that_was_classified() -> None:
    assert "Only the first 1.0 of 3.0 seconds were classified" in html(LOUD, seconds=3)


def test_file_name_is_escaped() -> None:
    page = html(LOUD, name="<img src=x onerror=alert(1)>.wav")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_overlapping_windows_meet_halfway_between_their_centres() -> None:
    windows = [WindowPrediction(start, start + 2, LOUD) for start in (0.0, 1.0, 2.0)]
    (label, first), (_, second) = timeline_tracks(windows, LoudnessModel.labels)
    assert label == "loud"
    assert first == [(0.8, 0.0, 0.375), (0.8, 0.375, 0.25), (0.8, 0.625, 0.375)]
    assert [probability for probability, _, _ in second] == [0.2] * 3


@pytest.mark.slow
def test_page_and_service_need_no_torch() -> None:
    code = (
        "import sys; import emotion.serving.page, emotion.serving.api, "
        "emotion.serving.server; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
