"""Writes a model as an ONNX file: waves in, answers out."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from emotion.errors import DependencyError, ModelError
from emotion.export.onnx_graph import OUTPUTS, Graph
from emotion.features.egemaps import Egemaps
from emotion.models.base import EmotionClassifier

INPUT = "waves"
FOLDED = 1024
"""Constants up to so many values are worked out here; larger ones when the file is opened."""


def check_exportable(model: EmotionClassifier) -> None:
    """Refuse what is no network, and an installation that cannot write one.

    Raises:
        ModelError: the model's features are another program's.
        DependencyError: onnx or onnxscript is not installed.
    """
    if isinstance(model.features, Egemaps):
        raise ModelError(
            "model=egemaps cannot be exported: its functionals come from openSMILE, a program of "
            "its own and no network. Export another model."
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
    """Write a model for any number of clips of any length; see `Graph` for what goes in and out.

    Raises:
        ModelError: the network does something that ONNX cannot say.
    """
    from onnxscript import optimizer

    features = model.features
    example = torch.randn(2, features.samples or 2 * features.sample_rate) * 0.1
    sizes = {0: torch.export.Dim("clips"), 1: torch.export.Dim("samples")}
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                Graph(model),
                (example,),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes=(sizes,),
                dynamo=True,
                optimize=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as err:
            cause: BaseException = err
            while cause.__cause__ is not None:
                cause = cause.__cause__
            said = str(cause).strip().splitlines()[0]
            raise ModelError(f"this network cannot be written as ONNX: {said}") from err
        if program is None:  # only where a file is given
            raise ModelError("torch.onnx gave no program.")
        optimizer.optimize(program.model, output_size_limit=FOLDED)
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # where in the source each was: of no use elsewhere
    program.save(path, external_data=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what exporters say of their own inner workings from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
