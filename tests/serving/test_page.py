"""What the page makes of an answer: words for every note, the name as text, the time laid out."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra `app` is not installed")

from emotion.runtime.predictor import NO_SPEECH, NOT_SURE, UNLIKE, Prediction, Predictor
from emotion.runtime.stream import WindowPrediction
from emotion.serving.model_card import About
from emotion.serving.page import lay_out, show_answer
from emotion.serving.service import Answer, Model
from tests.serving.test_api import Level

RATE = 8_000
MODEL = Model(About("mine", "level", Level.labels, False, None), Predictor(Level()))


def shown(opinion: Prediction, *, seconds: float = 1.0, name: str = "a.wav") -> str:
    wave = np.zeros(round(seconds * RATE), dtype=np.float32)
    text = show_answer(Answer(MODEL, opinion, [], wave, RATE), name, kept="")
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("opinion", "heading", "said"),
    [
        (Prediction("loud", "", (0.8, 0.2)), "loud", "with a probability of 80"),
        (
            Prediction("quiet", NO_SPEECH, (0.2, 0.8)),
            "no speech",
            "would say quiet; do not believe",
        ),
        (
            Prediction("loud", NOT_SURE, (0.4, 0.3)),
            "not sure",
            "only: more likely wrong than right.",
        ),
        (Prediction("loud", NOT_SURE, (0.8, 0.2)), "not sure", "but with 80 % only."),
        (Prediction("loud", UNLIKE, (0.8, 0.2), ("its level",)), UNLIKE, "by its level."),
    ],
)
def test_every_note_is_said_in_words(opinion: Prediction, heading: str, said: str) -> None:
    page = shown(opinion)
    assert f"<h2>{heading}</h2>" in page
    assert said in page
    assert "This is of the first" not in page


def test_part_that_was_not_heard_is_said() -> None:
    assert "of the first 1.0 of 3.0 seconds" in shown(Prediction("loud", "", (0.8, 0.2)), seconds=3)


def test_name_of_a_file_is_only_text() -> None:
    page = shown(Prediction("loud", "", (0.8, 0.2)), name="<img src=x onerror=alert(1)>.wav")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_overlapping_windows_share_the_time_at_the_middle_between_them() -> None:
    opinion = Prediction("loud", "", (0.8, 0.2))
    moments = [WindowPrediction(start, start + 2, opinion) for start in (0.0, 1.0, 2.0)]
    (label, first), (_, second) = lay_out(moments, Level.labels, 4.0)
    assert label == "loud"
    assert first == [(0.8, 0.0, 0.375), (0.8, 0.375, 0.25), (0.8, 0.625, 0.375)]
    assert [share for share, _, _ in second] == [0.2] * 3


@pytest.mark.slow
def test_page_and_service_need_no_torch() -> None:
    code = (
        "import sys; import emotion.serving.page, emotion.serving.api, "
        "emotion.serving.server; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
