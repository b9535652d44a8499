"""An exported network with its heaviest weights as 8-bit integers."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave

Waves = npt.NDArray[np.float32]


def write_int8(network: Path, target: Path, *, clips: Iterable[Wave], spared: set[str]) -> None:
    """Write a smaller network that answers nearly the same.

    Where convolutions hold most weights, these and what they are fed become 8-bit integers, whose
    ranges are taken from `clips`; else only the weights of the matrix products do, and what they
    are fed is scaled clip by clip. Recurrent layers stay as they are.

    Args:
        network: the file to start from.
        target: the file to write.
        clips: standardised waves, (T,) each, of which some hundred are enough.
        spared: tensors of the front end: what they are multiplied with is not touched.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    graph = onnx.load(network).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    kinds = {"conv": ["Conv"], "product": ["MatMul", "Gemm"]}
    chosen = {
        kind: [node for node in graph.node if node.op_type in names and not spared & {*node.input}]
        for kind, names in kinds.items()
    }
    weights = {
        kind: sum(sizes.get(name, 0) for node in nodes for name in node.input)
        for kind, nodes in chosen.items()
    }
    kind = max(weights, key=weights.__getitem__)
    settings: dict[str, Any] = {
        "nodes_to_quantize": [node.name for node in chosen[kind]],
        "op_types_to_quantize": kinds[kind],
        "per_channel": True,
        "weight_type": QuantType.QInt8,
    }
    with tempfile.TemporaryDirectory(prefix="emotion-int8-") as scratch:
        shaped = Path(scratch) / "shaped.onnx"
        before = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it speaks to the root logger
        try:
            quant_pre_process(network, shaped, skip_optimization=True, skip_symbolic_shape=True)
            if kind == "conv":
                quantize_static(shaped, target, _Reader(clips), **settings)
            else:
                quantize_dynamic(shaped, target, **settings)
        finally:
            logging.root.setLevel(before)


class _Reader:
    """Feeds clips one by one, as onnxruntime wants them."""

    def __init__(self, clips: Iterable[Wave]) -> None:
        self.clips: Iterator[Wave] = iter(clips)

    def get_next(self) -> dict[str, Waves] | None:
        """Return the next clip as the network's input; None at the end."""
        wave = next(self.clips, None)
        return None if wave is None else {"waves": wave[None]}
