"""What `emotion export` leaves: the same answers, from a folder that is whole and runs alone."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import emotion
from emotion.config.composition import composed
from emotion.errors import DependencyError, ModelError
from emotion.export import compare as parity
from emotion.export import export as exporting
from emotion.export.companion_files import MODULES, requirements
from emotion.export.write_onnx import check_exportable
from emotion.inference.torch_model import TorchModel
from emotion.models.build import build_model
from emotion.runs.run import Run
from emotion.runtime.onnx_model import INT8, OnnxModel
from tests.support.runs import clips, write_run

PACKAGE = Path(emotion.__file__).parent


def row_of(printed: str) -> list[float]:
    """Return the probabilities of a line of JSON."""
    return [value for key, value in json.loads(printed).items() if key.startswith("p_")]


def test_folder_carries_all_that_its_modules_import() -> None:
    for name in MODULES:
        tree = ast.parse((PACKAGE.parent / name).read_text(encoding="utf-8"))
        for node in tree.body:  # what a function imports, it may do without
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("emotion."):
                assert f"{str(node.module).replace('.', '/')}.py" in MODULES, name


def test_description_says_what_a_user_must_know(folder: Path) -> None:
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


def test_code_beside_the_network_is_that_of_the_package(folder: Path) -> None:
    for name in MODULES:
        assert (folder / name).read_bytes() == (PACKAGE.parent / name).read_bytes()
    assert (folder / "requirements.txt").read_text().splitlines() == requirements()
    assert [line.partition(">")[0] for line in requirements()] == [
        "numpy",
        "soundfile",
        "soxr",
        "onnxruntime",
    ]


def test_int8_is_smaller_and_nearly_the_same(run: Run, folder: Path) -> None:
    small = OnnxModel(folder, network=INT8)
    assert (folder / INT8).stat().st_size < (folder / "model.onnx").stat().st_size
    waves = [small.standardise(*clip) for clip in clips()]
    expected = TorchModel(run).answer([wave for (wave,) in waves]).probabilities
    found = small.answer(waves).probabilities
    assert 0 < np.abs(found - expected).max() < 0.1


def test_network_that_answers_otherwise_is_refused_and_the_old_folder_stays(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    monkeypatch.setattr(exporting, "write_onnx", lambda _, path: shutil.copy(network, path))
    network = run.folder / "export" / "model.onnx"
    copy = tmp_path / "run"
    shutil.copytree(run.folder, copy)
    words = [f"run={copy}", f"cache_dir={run.folder.parent / 'cache'}"]
    before = sorted(path.name for path in copy.iterdir())
    with (
        composed("export", words) as config,
        pytest.raises(ModelError, match="differ from PyTorch's by"),
    ):
        exporting.export(config)
    assert sorted(path.name for path in copy.iterdir()) == before
    OnnxModel(copy / "export")


def test_egemaps_says_why_it_cannot_be_exported() -> None:
    with composed("train", ["model=egemaps"]) as config:
        model = build_model(config)
    with pytest.raises(ModelError, match="openSMILE, a program of its own"):
        check_exportable(model)


def test_what_writing_needs_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(DependencyError, match=r"onnxscript: pip install 'emotion\[onnx\]'"):
        check_exportable(TorchModel(run).model)


@pytest.mark.slow
def test_folder_runs_where_its_requirements_are_all_there_is(
    run: Run, folder: Path, tmp_path: Path
) -> None:
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
    (expected,) = predictor.answer([predictor.standardise(wave, rate)]).probabilities
    np.testing.assert_allclose(row_of(done.stdout), expected, atol=1e-5)


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
        "hear(samples).then((found) => console.log(JSON.stringify(found)));\n"
    )
    (tmp_path / "hear.js").write_text(example)
    done = subprocess.run(
        ["node", "hear.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert list(found) == list(predictor.labels)
    (expected,) = predictor.answer([wave]).probabilities
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-5)


@pytest.mark.slow
def test_clips_keep_their_length_where_the_model_takes_any(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "model=crnn", "preprocessing=speech_16k")
    with composed("export", [f"run={run.folder}", f"cache_dir={tmp_path / 'cache'}"]) as config:
        exporting.export(config)
    recogniser, predictor = OnnxModel(run.folder / "export"), TorchModel(run)
    waves = [recogniser.standardise(*clip) for clip in clips()]
    assert len({len(wave) for (wave,) in waves}) > 3
    for found, expected in zip(
        recogniser.answer(waves).logits,
        (predictor.answer(wave).logits[0] for wave in waves),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-4)
