"""The command `export`: the same outputs as PyTorch, from a complete folder that runs alone."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emotion.errors import ModelError
from emotion.export import compare, export
from emotion.inference.torch_model import TorchModel
from emotion.runs.lock import locked_run
from emotion.runs.run import Run
from emotion.runtime.onnx_model import OnnxModel
from tests.support.runs import clips, write_run


def probabilities(printed: str) -> list[float]:
    """Return the probabilities of a JSON line."""
    return [value for key, value in json.loads(printed).items() if key.startswith("p_")]


def test_model_json_describes_the_model_and_every_file(folder: Path) -> None:
    about = json.loads((folder / "model.json").read_text())
    assert about["labels"] == ["sad", "angry", "happy"]
    assert about["standardisation"]["duration_ms"] == 700
    assert about["temperature"] == 1.5
    assert about["licences"] == {"own": "none"}
    assert about["training"] == {"corpora": ["own"], "clips": 1, "speakers": 1}
    assert about["networks"]["model.onnx"]["off_by"]["logits"] <= 1e-4
    assert set(about["networks"]) == {"model.onnx", "model.int8.onnx"}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {*about["files"], "model.json"}
    for name, digest in about["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_different_outputs_are_an_error_and_the_old_folder_stays(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "TOLERANCE", -1.0)
    monkeypatch.setattr(export, "write_onnx", lambda _, path: shutil.copy(network, path))
    network = run.folder / "export" / "model.onnx"
    copy = Run(Path(shutil.copytree(run.folder, tmp_path / "run")))
    before = sorted(path.name for path in copy.folder.iterdir())
    with pytest.raises(ModelError, match="differ from PyTorch's by"):
        export.export_run(copy, cache_dir=run.folder.parent / "cache", clips=9, quantize=False)
    assert sorted(path.name for path in copy.folder.iterdir()) == before
    OnnxModel(copy.folder / "export")


@pytest.mark.slow
def test_folder_runs_with_its_requirements_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "-r", folder / "requirements.txt"]
    if subprocess.run(install, check=False).returncode:
        pytest.skip("no package index is within reach")
    shutil.copytree(folder, tmp_path / "device")
    wave, rate = clips()[0]
    sf.write(tmp_path / "clip.wav", wave, rate, subtype="FLOAT")
    done = subprocess.run(
        [python, tmp_path / "device" / "predict.py", "clip.wav", "none.wav"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "none.wav is not there" in done.stderr
    predictor = TorchModel(run)
    (expected,) = predictor.infer([predictor.standardise(wave, rate)]).probabilities
    np.testing.assert_allclose(probabilities(done.stdout), expected, atol=1e-5)


@pytest.mark.slow
def test_folder_runs_in_node(run: Run, folder: Path, tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    install = ["npm", "install", "--silent", "--ignore-scripts", "onnxruntime-node"]
    if subprocess.run(install, cwd=tmp_path, check=False).returncode:
        pytest.skip("no npm registry is within reach")
    predictor = TorchModel(run)
    wave = predictor.standardise(*clips()[3])
    (tmp_path / "wave.bin").write_bytes(wave.astype("<f4").tobytes())
    page = (folder / "README.md").read_text()
    example = page.partition("```js\n")[2].partition("```")[0].replace('"./', f'"{folder}/')
    example = example.replace('create("', f'create("{folder}/')
    example += (
        'const bytes = require("fs").readFileSync("wave.bin");\n'
        "const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);\n"
        "predict(samples).then((found) => console.log(JSON.stringify(found)));\n"
    )
    (tmp_path / "predict.js").write_text(example)
    done = subprocess.run(
        ["node", "predict.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert list(found) == list(predictor.labels)
    (expected,) = predictor.infer([wave]).probabilities
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-5)


@pytest.mark.slow
def test_padding_of_a_batch_changes_no_output_of_a_model_for_any_length(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "model=crnn", "preprocessing=speech_16k")
    export.export_run(run, cache_dir=tmp_path / "cache", clips=20, quantize=False)
    network, model = OnnxModel(run.folder / "export"), TorchModel(run)
    waves = [network.standardise(*clip)[0] for clip in clips()]
    waves.append(np.pad(waves[0], (0, 8_000)))  # digital silence at the end counts
    assert len({len(wave) for wave in waves}) > 3
    together = network.infer_waves(waves).logits
    for wave, found in zip(waves, together, strict=True):
        for alone in (network.infer_waves([wave]), model.infer([wave])):
            np.testing.assert_allclose(found, alone.logits[0], atol=1e-4)
    assert np.abs(together[-1] - together[0]).max() > 1e-4


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def export_and_die(run: Run) -> None:
    export.compare_networks = die  # type: ignore[assignment]
    export.export_run(run, cache_dir=run.folder.parent / "cache", clips=8, quantize=False)


def test_a_killed_export_blocks_neither_the_run_nor_the_next_export(
    run: Run, tmp_path: Path
) -> None:
    copied = Run(shutil.copytree(run.folder, tmp_path / "run"))
    before = (copied.folder / "export" / "model.json").read_bytes()
    for unblock in (locked_run(copied.folder), None):
        process = multiprocessing.get_context("spawn").Process(
            target=export_and_die, args=(copied,)
        )
        process.start()
        process.join(200)
        assert process.exitcode == -signal.SIGKILL
        assert len(list(copied.folder.glob(".export.*"))) == 2
        assert (copied.folder / "export" / "model.json").read_bytes() == before
        if unblock is not None:
            with unblock:
                assert not list(copied.folder.glob(".export.*"))
    export.export_run(copied, cache_dir=tmp_path / "cache", clips=8, quantize=False)
    assert not list(copied.folder.glob(".export.*"))
    assert (copied.folder / "export" / "model.json").read_bytes() != before
