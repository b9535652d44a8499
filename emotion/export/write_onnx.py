"""Write a model as an ONNX file."""

import warnings
from pathlib import Path

import torch

from emotion.errors import DependencyError, ModelError
from emotion.export.onnx_graph import INPUTS, OUTPUTS, Graph
from emotion.features.egemaps import Egemaps
from emotion.models.base import EmotionClassifier
from emotion.utils.loggers import errors_only

OPSET = 20
"""ONNX operator set; onnxruntime 1.20, the oldest allowed one, supports it."""

MAX_FOLDED_VALUES = 1024
"""Largest constant that is computed here; larger ones are computed when the file is opened."""


def check_exportable(model: EmotionClassifier) -> None:
    """Check that a model can be exported, and that what writing needs is installed.

    Raises:
        ModelError: the features are computed by another program.
        DependencyError: onnx or onnxscript is not installed.
    """
    if isinstance(model.features, Egemaps):
        raise ModelError(
            "model=egemaps cannot be exported: its functionals are computed by openSMILE, a "
            "separate program. Export another model."
        )
    try:
        import onnx
        import onnxscript
    except ImportError as err:
        raise DependencyError(
            f"emotion export needs {err.name}: pip install 'emotion[onnx]'."
        ) from err
    del onnx, onnxscript


def write_onnx(model: EmotionClassifier, path: Path) -> None:
    """Write a model for any number of clips of any length, with the inputs of `Graph.forward`.

    Raises:
        ModelError: the network has an operation that ONNX does not support.
    """
    from onnxscript import optimizer

    features = model.features
    waves = torch.randn(2, features.samples or 2 * features.sample_rate) * 0.1
    clips = torch.export.Dim("clips")
    quiet = errors_only("torch.onnx", "onnxscript", "onnx_ir")  # logs about their internals
    with quiet, warnings.catch_warnings(action="ignore"), torch.no_grad():
        try:
            program = torch.onnx.export(
                Graph(model),
                (waves, torch.tensor([waves.shape[1], waves.shape[1] // 2])),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: clips, 1: torch.export.Dim("samples")}, {0: clips}),
                opset_version=OPSET,
                dynamo=True,
                optimize=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as err:
            cause: BaseException = err
            while cause.__cause__ is not None:
                cause = cause.__cause__
            reason = str(cause).strip().splitlines()[0]
            raise ModelError(f"this network cannot be written as ONNX: {reason}") from err
        if program is None:  # returned only where a file is given
            raise ModelError("torch.onnx returned no program.")
        optimizer.optimize(program.model, output_size_limit=MAX_FOLDED_VALUES)
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # source locations on this machine
    program.save(path, external_data=False)
