import json

from emotion.runtime.predictor import Prediction
from emotion.runtime.rows import as_json_lines, prediction_row


def test_a_row_has_its_source_then_label_note_and_probabilities() -> None:
    prediction = Prediction("sad", "not sure", (0.4, 0.6))
    row = prediction_row({"path": "é.wav", "start_s": 1.0}, prediction, ["happy", "sad"])
    assert list(row) == ["path", "start_s", "predicted", "note", "p_happy", "p_sad"]
    assert row["p_sad"] == 0.6
    (line,) = as_json_lines([row]).splitlines()
    assert json.loads(line) == row
    assert "é" in line
