import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emotion.errors import RunError
from emotion.inference.torch_model import TorchModel
from emotion.runs.run import Run
from emotion.runtime.export_folder import open_export, predict_files, read_profile
from emotion.runtime.onnx_model import INT8
from tests.support.runs import clips


def test_predictions_are_those_of_the_run_with_a_note_for_silence(run: Run, folder: Path) -> None:
    predictor = open_export(folder)
    found = predictor.predict([predictor.prepare(*clip) for clip in clips()])
    model = TorchModel(run)
    expected = model.infer([model.standardise(*clip) for clip in clips()]).probabilities
    for prediction, row in zip(found, expected, strict=True):
        np.testing.assert_allclose(prediction.probabilities, row, atol=1e-5)
    assert found[-1].note == "no speech"


def test_network_and_threshold_can_be_chosen(folder: Path) -> None:
    predictor = open_export(str(folder), network=INT8, abstain_below=1.0)
    (prediction,) = predictor.predict([predictor.prepare(*clips()[3])])
    assert prediction.note in ("not sure", "no speech")


def test_a_run_without_its_clips_has_no_profile(folder: Path, tmp_path: Path) -> None:
    assert read_profile(folder) is None
    with pytest.raises(RunError, match=r"not an export folder: it has no model\.json"):
        open_export(tmp_path)


def test_files_give_one_json_line_each_and_an_exit_code(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wave, rate = clips()[1]
    sf.write(tmp_path / "clip.wav", wave, rate)
    assert predict_files(folder, []) == 2
    assert "usage: python predict.py" in capsys.readouterr().err
    files = [str(tmp_path / name) for name in ("clip.wav", "missing.wav")]
    assert predict_files(folder, files) == 3
    printed = capsys.readouterr()
    row = json.loads(printed.out)
    assert row["path"] == files[0]
    assert list(row)[:3] == ["path", "predicted", "note"]
    assert printed.err.startswith(files[1])
    assert predict_files(folder, files[:1]) == 0
