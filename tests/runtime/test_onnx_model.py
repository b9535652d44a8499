"""The network of an export folder: equal to PyTorch, without torch, never damaged."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import RunError
from emotion.inference.torch_model import TorchModel
from emotion.runs.run import Run
from emotion.runtime.onnx_model import OnnxModel
from tests.support.archive import write_clip
from tests.support.runs import clips


def test_outputs_equal_those_of_pytorch_at_every_native_rate(run: Run, folder: Path) -> None:
    network, model = OnnxModel(folder), TorchModel(run)
    waves = [network.standardise(*clip) for clip in clips()]
    for (wave,), clip in zip(waves, clips(), strict=True):
        assert np.array_equal(wave, model.standardise(*clip))
    found, expected = network.infer(waves), model.infer([wave for (wave,) in waves])
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=1e-4)
    assert math.isclose(network.window_s, model.window_s)
    assert network.labels == model.labels


LIGHT = """
import sys
from emotion import load
assert not {"numpy", "onnxruntime"} & set(sys.modules), "importing the package imports more"
load(sys.argv[1])
heavy = {"torch", "pandas", "hydra", "scipy", "sklearn", "matplotlib", "rich"} & set(sys.modules)
sys.exit(str(heavy) if heavy else 0)
"""

PREDICT = """
import sys
from emotion.cli.main import run
code = run(["predict", f"run={sys.argv[1]}", sys.argv[2]])
heavy = {"torch", "pandas", "scipy", "sklearn", "matplotlib", "rich.progress"} & set(sys.modules)
sys.exit(str(heavy) if heavy else code)
"""


def test_loading_an_export_imports_four_packages(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_predict_on_an_export_imports_no_torch(folder: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.wav", 1.0)
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, folder, clip], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == str(clip)


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target / "export"))


def test_damaged_network_is_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path) / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"model\.onnx is damaged: its checksum"):
        OnnxModel(path.parent)


def test_missing_network_is_named(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path)
    with pytest.raises(RunError, match=r"has no model\.other\.onnx; .* model\.int8\.onnx, model"):
        OnnxModel(path, network="model.other.onnx")
    (path / "model.onnx").unlink()
    with pytest.raises(RunError, match=r"has no model\.onnx"):
        OnnxModel(path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"name": "x"}', '{"format": 2}'])
def test_a_folder_of_another_program_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(RunError, match="is damaged"):
        OnnxModel(tmp_path)


def test_folder_of_another_format_asks_for_a_new_export(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path) / "model.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(RunError, match=r"has format 99; this version reads 2\. Export again"):
        OnnxModel(path.parent)
