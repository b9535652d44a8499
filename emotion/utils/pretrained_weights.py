"""Weights that a network starts from: read safely from a file, refused where they do not fit."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from emotion.errors import ModelError


def read_weights(file: str, read: Callable[[str], Any], *, wanted: str) -> dict[str, Tensor]:
    """Return the state dict in a file.

    Args:
        file: its name, as model.weights has it.
        read: reads it, and runs no code of it.
        wanted: what the file should be, in words.

    Raises:
        ModelError: it is not there, or holds something else.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ModelError(f"there is no file model.weights={path}. Give {wanted}.")
    try:
        state: dict[str, Tensor] = read(str(path))
    except Exception as err:  # every reader has errors of its own
        raise ModelError(
            f"model.weights={path} holds no weights that can be read safely ({err}). Give {wanted}."
        ) from err
    return state


def take_weights(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Put a state dict into a network; what the network does not have is left aside.

    Raises:
        ModelError: a tensor is missing, or has another shape.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in state or state[name].shape != own[name].shape]
    if missing:
        raise ModelError(
            f"{source} does not fit this network: {len(missing)} of {len(own)} tensors are missing "
            f"or of another shape, first {missing[0]}. Choose the model=… that the weights are of."
        )
    network.load_state_dict({name: state[name] for name in own})
