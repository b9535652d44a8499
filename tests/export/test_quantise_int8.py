from pathlib import Path

import numpy as np

from emotion.inference.torch_model import TorchModel
from emotion.runs.run import Run
from emotion.runtime.onnx_model import INT8, OnnxModel
from tests.support.runs import clips


def test_int8_is_smaller_with_nearly_the_same_probabilities(run: Run, folder: Path) -> None:
    small = OnnxModel(folder, network=INT8)
    assert (folder / INT8).stat().st_size < (folder / "model.onnx").stat().st_size
    waves = [small.standardise(*clip)[0] for clip in clips()]
    difference = small.infer_waves(waves).probabilities - TorchModel(run).infer(waves).probabilities
    assert 0 < np.abs(difference).max() < 0.1
