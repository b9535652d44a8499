"""Pretrained weights: state dicts loaded from files, and checked against a network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from emotion.errors import ModelError


def load_state_dict_file(
    file: str, read: Callable[[str], Any], *, expected: str
) -> dict[str, Tensor]:
    """Return the state dict in the file model.weights; ModelError if it has other contents.

    `read` must not execute code in the file; `expected` is the kind of file, for error messages.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ModelError(f"model.weights={path} does not exist. Give {expected}.")
    try:
        state: dict[str, Tensor] = read(str(path))
    except Exception as err:  # every reader has errors of its own
        raise ModelError(
            f"model.weights={path} cannot be loaded safely ({err}). Give {expected}."
        ) from err
    return state


def load_matching_weights(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Load a state dict into a network; ModelError if a tensor is missing or has another shape.

    Tensors that the network does not have are ignored.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in state or state[name].shape != own[name].shape]
    if missing:
        raise ModelError(
            f"{source} does not fit this network: {len(missing)} of {len(own)} tensors are missing "
            f"or have another shape, first {missing[0]}. Choose the model=… of these weights."
        )
    network.load_state_dict({name: state[name] for name in own})
