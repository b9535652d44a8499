import pytest

from emotion.inference.torch_model import TorchEnsemble
from emotion.runtime.base import EmotionModel
from emotion.runtime.onnx_model import OnnxModel


@pytest.mark.parametrize("model", [OnnxModel, TorchEnsemble])
def test_models_with_and_without_torch_have_the_same_interface(model: type) -> None:
    members = {name for name in vars(EmotionModel) if not name.startswith("_")}
    assert members == {"labels", "window_s", "standardise", "infer"}
    assert all(hasattr(model, name) for name in members - {"labels"})  # set by the constructor
