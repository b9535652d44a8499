"""Check of a network file before onnxruntime opens it: no loops, no files beside it.

A small reader of protobuf's wire format, since an export folder needs no package `onnx`. Field
numbers are those of onnx.proto. Where protobuf would take the last of several values, all are
checked; what protobuf reads in a special way, such as groups and overlong numbers, is refused.
"""

from collections.abc import Iterator

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
"""Wire types; the other two, of groups, are obsolete."""

FIXED_SIZES = {FIXED_64: 8, FIXED_32: 4}

GRAPH, OPSET, TRAINING, FUNCTION = 7, 8, 20, 25  # of ModelProto
NODE, INITIALIZER, SPARSE_INITIALIZER = 1, 5, 15  # of GraphProto
OPERATOR, ATTRIBUTE, DOMAIN = 4, 5, 7  # of NodeProto
OPSET_DOMAIN = 1  # of OperatorSetIdProto
SUBGRAPHS, TENSORS, SPARSE_TENSORS = (6, 11), (5, 10), (22, 23)  # of AttributeProto
SPARSE_PARTS = (1, 2)  # values and indices of SparseTensorProto
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # of TensorProto

DOMAINS = (b"", b"ai.onnx")
LOOPS = (b"Loop", b"If", b"Scan", b"SequenceMap")

Field = tuple[int, int | memoryview]
"""Number and value of a field: a number, or bytes."""


def network_problem(content: bytes) -> str:
    """Return why a network must not be opened; empty for one that may.

    It may only have operators of ONNX itself, without subgraphs, and tensors inside the file.
    """
    try:
        for number, model in fields(memoryview(content)):
            if number in (TRAINING, FUNCTION):
                return "contains functions or training steps"
            if number == GRAPH and (problem := _graph_problem(as_bytes(model))):
                return problem
            if number == OPSET:
                for part, value in fields(as_bytes(model)):
                    if part == OPSET_DOMAIN and bytes(as_bytes(value)) not in DOMAINS:
                        return _foreign(value)
    except ValueError:
        return "is not an ONNX network"
    return ""


def _graph_problem(graph: memoryview) -> str:
    for number, value in fields(graph):
        problem = ""
        if number == NODE:
            problem = _node_problem(as_bytes(value))
        elif number == INITIALIZER:
            problem = _tensor_problem(as_bytes(value))
        elif number == SPARSE_INITIALIZER:
            problem = _sparse_tensor_problem(as_bytes(value))
        if problem:
            return problem
    return ""


def _node_problem(node: memoryview) -> str:
    for number, value in fields(node):
        if number == OPERATOR and bytes(as_bytes(value)) in LOOPS:
            return f"contains the operator {bytes(as_bytes(value)).decode()}"
        if number == DOMAIN and bytes(as_bytes(value)) not in DOMAINS:
            return _foreign(value)
        if number == ATTRIBUTE and (problem := _attribute_problem(as_bytes(value))):
            return problem
    return ""


def _attribute_problem(attribute: memoryview) -> str:
    for number, value in fields(attribute):
        problem = ""
        if number in SUBGRAPHS:
            problem = "contains a subgraph"
        elif number in TENSORS:
            problem = _tensor_problem(as_bytes(value))
        elif number in SPARSE_TENSORS:
            problem = _sparse_tensor_problem(as_bytes(value))
        if problem:
            return problem
    return ""


def _tensor_problem(tensor: memoryview) -> str:
    for number, value in fields(tensor):
        if number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0):
            return "reads tensors from other files"
    return ""


def _sparse_tensor_problem(tensor: memoryview) -> str:
    parts = (as_bytes(value) for number, value in fields(tensor) if number in SPARSE_PARTS)
    return next(filter(None, map(_tensor_problem, parts)), "")


def _foreign(domain: int | memoryview) -> str:
    name = bytes(as_bytes(domain)).decode("utf-8", "replace")
    return f"contains operators of {name!r}, which are not of ONNX"


# --- wire format ---------------------------------------------------------------------------------


def fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of a message, in their order; ValueError for another content."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if not 0 < tag < 2**32 or not number:
            raise ValueError(f"tag {tag}")
        if wire == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == BYTES:
            size, position = _varint(message, position)
        else:
            size = FIXED_SIZES.get(wire, len(message))  # too long for a group
        if position + size > len(message):
            raise ValueError(f"field {number} exceeds its message")
        yield number, message[position : position + size]
        position += size


def as_bytes(value: int | memoryview) -> memoryview:
    """Return a value that must be bytes; ValueError for a number."""
    if isinstance(value, int):
        raise ValueError(f"{value} in place of bytes")
    return value


def _varint(message: memoryview, start: int) -> tuple[int, int]:
    """Return a number and the position behind it."""
    value = 0
    for index in range(10):
        if start + index >= len(message):
            raise ValueError("a number is cut off")
        byte = message[start + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, start + index + 1
    raise ValueError("a number has more than ten bytes")
