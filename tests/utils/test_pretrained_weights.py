"""Pretrained weights: what is loaded, and what is refused with a reason."""

import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from emotion.errors import ModelError
from emotion.utils.pretrained_weights import load_matching_weights, load_state_dict_file

READ = functools.partial(torch.load, weights_only=True)


def test_weights_are_loaded_and_tensors_of_other_layers_ignored(tmp_path: Path) -> None:
    source, network = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save({**source.state_dict(), "head": torch.zeros(5)}, tmp_path / "a.pt")
    state = load_state_dict_file(str(tmp_path / "a.pt"), READ, expected="a state dict")
    load_matching_weights(network, state, source="a.pt")
    assert torch.equal(network.weight, source.weight)
    assert torch.equal(network.bias, source.bias)


@pytest.mark.parametrize(
    "state", [{"weight": torch.zeros(2, 3)}, {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}]
)
def test_missing_tensors_and_other_shapes_are_refused(state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ModelError, match=r"a\.pt does not fit this network: 1 of 2 tensors"):
        load_matching_weights(nn.Linear(3, 2), state, source="a.pt")


def test_a_missing_file_and_a_pickle_of_other_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.pt does not exist\. Give a state dict"):
        load_state_dict_file(str(tmp_path / "none.pt"), READ, expected="a state dict")
    torch.save(Path("x"), tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"a\.pt cannot be loaded safely"):
        load_state_dict_file(str(tmp_path / "a.pt"), READ, expected="a state dict")
