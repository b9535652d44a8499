"""Networks of other people: no files beside them, no loops, no operators that are not of ONNX."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emotion.audio.speech_detector import find_silero_network
from emotion.errors import ModelError, RunError
from emotion.runtime.onnx_check import network_problem
from emotion.runtime.onnx_model import OnnxModel
from emotion.utils.files import file_digest
from tests.runtime.test_onnx_model import copied
from tests.support.runs import clips

Change = Callable[[onnx.ModelProto], object]


def external(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """Make a tensor one that onnxruntime reads from the file `secret`."""
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret"
    return tensor


def zeros() -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(2, np.float32), "zeros")


def constant(attribute: str, value: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["extra"], **{attribute: value})


def sparse(values: onnx.TensorProto, indices: onnx.TensorProto) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(values, indices, [9])


def positions() -> onnx.TensorProto:
    return numpy_helper.from_array(np.arange(2), "positions")


def subgraph(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(nodes, "inner", [], [])


def node(operator: str, **attributes: object) -> Change:
    return lambda model: model.graph.node.append(
        helper.make_node(operator, [], ["extra"], **attributes)
    )


def rename_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].domain = "com.microsoft"


def external_initializer(model: onnx.ModelProto) -> None:
    external(model.graph.initializer[0])


def external_without_location(model: onnx.ModelProto) -> None:
    external(model.graph.initializer[0]).ClearField("data_location")


CHANGES: dict[str, tuple[Change, str]] = {
    "initializer": (external_initializer, "reads tensors from other files"),
    "initializer without its location": (external_without_location, "from other files"),
    "sparse initializer": (
        lambda model: model.graph.sparse_initializer.append(sparse(external(zeros()), positions())),
        "from other files",
    ),
    "indices of a sparse initializer": (
        lambda model: model.graph.sparse_initializer.append(sparse(zeros(), external(positions()))),
        "from other files",
    ),
    "attribute": (
        lambda model: model.graph.node.append(constant("value", external(zeros()))),
        "from other files",
    ),
    "sparse attribute": (
        lambda model: model.graph.node.append(
            constant("sparse_value", sparse(external(zeros()), positions()))
        ),
        "from other files",
    ),
    "list attribute": (node("Sum", many=[external(zeros())]), "from other files"),
    "Loop": (node("Loop", body=subgraph()), "contains the operator Loop"),
    "If": (node("If", then_branch=subgraph(), else_branch=subgraph()), "the operator If"),
    "Scan": (node("Scan", body=subgraph(), num_scan_inputs=1), "the operator Scan"),
    "SequenceMap": (node("SequenceMap", body=subgraph()), "the operator SequenceMap"),
    "subgraph": (node("Relu", body=subgraph(constant("value", zeros()))), "contains a subgraph"),
    "list of subgraphs": (node("Relu", many=[subgraph()]), "contains a subgraph"),
    "domain of a node": (rename_operator, "contains operators of 'com.microsoft'"),
    "domain of an operator set": (
        lambda model: model.opset_import.append(helper.make_opsetid("own.library", 1)),
        "contains operators of 'own.library'",
    ),
    "function": (
        lambda model: model.functions.append(helper.make_function("", "F", [], [], [], [])),
        "contains functions",
    ),
    "training": (lambda model: model.training_info.add(), "functions or training"),
}


@pytest.mark.parametrize(("change", "problem"), CHANGES.values(), ids=CHANGES)
def test_a_network_that_an_export_never_is_is_refused(
    change: Change, problem: str, folder: Path, tmp_path: Path
) -> None:
    target = copied(folder, tmp_path)
    model = onnx.load(target / "model.onnx")
    change(model)
    replace_network(target, model.SerializeToString())
    with pytest.raises(RunError, match=problem):
        OnnxModel(target)


def test_no_file_of_the_current_folder_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check, onnxruntime takes the weights from the current folder."""
    target = copied(folder, tmp_path)
    model = onnx.load(target / "model.onnx")
    weights = next(each for each in model.graph.initializer if each.raw_data)
    (tmp_path / "secret").write_bytes(weights.raw_data)
    external(weights)
    replace_network(target, model.SerializeToString())
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("emotion.runtime.onnx_model.network_problem", lambda content: "")
        OnnxModel(target)
    with pytest.raises(RunError, match="reads tensors from other files"):
        OnnxModel(target)


def replace_network(folder: Path, content: bytes) -> None:
    """Replace the network of an export, with its checksum."""
    (folder / "model.onnx").write_bytes(content)
    about = json.loads((folder / "model.json").read_text())
    about["files"]["model.onnx"] = file_digest(folder / "model.onnx")
    (folder / "model.json").write_text(json.dumps(about))


def test_networks_of_this_program_pass(folder: Path) -> None:
    for path in (folder / "model.onnx", folder / "model.int8.onnx", find_silero_network()):
        assert network_problem(path.read_bytes()) == ""


def varint(value: int, *, size: int = 0) -> bytes:
    """Return a number of protobuf; with `size`, padded to so many bytes."""
    content = b""
    while value > 127 or len(content) < size - 1:
        content += bytes([value & 127 | 128])
        value >>= 7
    return content + bytes([value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


LOCATION_BEYOND_32_BITS = message(7, message(5, varint(14 << 3) + varint(2**32 + 1)))
LOOP_NODE = message(1, message(4, b"Loop") + message(4, b"Add"))

DISGUISED = {
    "a location that protobuf cuts to 32 bits": (LOCATION_BEYOND_32_BITS, "from other files"),
    "an operator given twice": (message(7, LOOP_NODE), "operator Loop"),
    "a second graph, which protobuf merges": (message(7, b"") + message(7, LOOP_NODE), "Loop"),
    "a tag of more than 32 bits": (varint((7 << 3 | 2) + 2**32) + b"\0", "is not an ONNX"),
    "an overlong tag": (varint(7 << 3 | 2, size=5) + varint(len(LOOP_NODE)) + LOOP_NODE, "Loop"),
    "a group": (bytes([7 << 3 | 3]) + LOOP_NODE + bytes([7 << 3 | 4]), "is not an ONNX network"),
    "field 0": (b"\x02\0", "is not an ONNX network"),
    "a cut number": (b"\x80", "is not an ONNX network"),
    "an endless number": (b"\x80" * 20, "is not an ONNX network"),
    "a field beyond the end": (message(7, b"")[:-1] + b"\x05", "is not an ONNX network"),
    "a number in place of the graph": (varint(7 << 3) + b"\1", "is not an ONNX network"),
}


@pytest.mark.parametrize(("content", "problem"), DISGUISED.values(), ids=DISGUISED)
def test_no_encoding_hides_a_part(content: bytes, problem: str) -> None:
    assert problem in network_problem(content)


def test_onnxruntimes_own_format_is_not_read(folder: Path, tmp_path: Path) -> None:
    """Its files have ORTM at byte 4, and would pass the check of an ONNX file."""
    content = message(1, b"xxORTM")  # a field that no version knows as anything else
    assert network_problem(content) == ""
    assert content[4:8] == b"ORTM"
    target = copied(folder, tmp_path)
    replace_network(target, content + bytes([14 << 3 | 2, 0]) * 20)
    with pytest.raises(RunError, match=r"cannot be opened: .*(?i:protobuf|ModelProto|graph)"):
        OnnxModel(target)


def test_probabilities_that_are_not_numbers_are_an_error(folder: Path, tmp_path: Path) -> None:
    target = copied(folder, tmp_path)
    model = onnx.load(target / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
            values = np.full(tuple(tensor.dims), np.nan, np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    replace_network(target, model.SerializeToString())
    network = OnnxModel(target)
    with pytest.raises(ModelError, match="not probabilities, such as NaN"):
        network.infer([network.standardise(*clips()[1])])


def test_other_outputs_than_those_of_an_export_are_named(folder: Path, tmp_path: Path) -> None:
    target = copied(folder, tmp_path)
    model = onnx.load(target / "model.onnx")
    renamed = copy.deepcopy(model)
    renamed.graph.output.remove(renamed.graph.output[2])
    replace_network(target, renamed.SerializeToString())
    with pytest.raises(RunError, match=r"does not have the inputs and outputs that model\.json"):
        OnnxModel(target)
    about = json.loads((target / "model.json").read_text())
    replace_network(target, model.SerializeToString())
    about["files"]["model.onnx"] = file_digest(target / "model.onnx")
    (target / "model.json").write_text(json.dumps(about | {"labels": ["sad", "angry"]}))
    with pytest.raises(RunError, match="does not have the inputs and outputs"):
        OnnxModel(target)


def test_the_text_of_an_error_of_onnxruntime_is_one_line(folder: Path, tmp_path: Path) -> None:
    target = copied(folder, tmp_path)
    replace_network(target, os.urandom(0))
    with pytest.raises(RunError, match="cannot be opened") as raised:
        OnnxModel(target)
    assert "\n" not in str(raised.value)
