"""Write an exported network with most of its weights as 8-bit integers."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio.decode import Wave
from emotion.audio.standardise import pad_waves
from emotion.export.onnx_graph import INPUTS
from emotion.utils.loggers import errors_only


def write_int8(network: Path, target: Path, *, clips: Iterable[Wave], excluded: set[str]) -> None:
    """Write to `target` a smaller network with nearly the same outputs as `network`.

    Where convolutions have most of the weights, their weights and inputs become 8-bit integers,
    with ranges measured on `clips`; else only the weights of the matrix products do, and their
    inputs are scaled clip by clip. Recurrent layers stay unchanged.

    Args:
        network: file that `write_onnx` wrote.
        clips: standardised waves, (T,) each, to measure ranges on; about a hundred are enough.
        excluded: names of tensors whose operations stay unchanged, those of the features.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    graph = onnx.load(network).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    operations = {"convolution": ["Conv"], "product": ["MatMul", "Gemm"]}
    nodes = {
        kind: [n for n in graph.node if n.op_type in names and not excluded & {*n.input}]
        for kind, names in operations.items()
    }
    weights = {
        kind: sum(sizes.get(name, 0) for node in chosen for name in node.input)
        for kind, chosen in nodes.items()
    }
    kind = max(weights, key=weights.__getitem__)
    settings: dict[str, Any] = {
        "nodes_to_quantize": [node.name for node in nodes[kind]],
        "op_types_to_quantize": operations[kind],
        "per_channel": True,
        "weight_type": QuantType.QInt8,
    }
    with tempfile.TemporaryDirectory(prefix="emotion-int8-") as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        with errors_only("root"):  # onnxruntime logs to the root logger
            quant_pre_process(network, prepared, skip_optimization=True, skip_symbolic_shape=True)
            if kind == "convolution":
                quantize_static(prepared, target, _ClipReader(clips), **settings)
            else:
                quantize_dynamic(prepared, target, **settings)


class _ClipReader:
    """Gives clips one by one, as onnxruntime's calibration requires."""

    def __init__(self, clips: Iterable[Wave]) -> None:
        self.inputs = (dict(zip(INPUTS, pad_waves([wave]), strict=True)) for wave in clips)

    def get_next(self) -> dict[str, Any] | None:
        """Return the inputs of the network for the next clip; None at the end."""
        return next(self.inputs, None)
