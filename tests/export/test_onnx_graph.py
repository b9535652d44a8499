"""The graph that is exported computes what the model computes."""

import pytest
import torch

from emotion.export.onnx_graph import Graph, ProductSpectrum
from emotion.features.cepstra import Cepstra
from emotion.features.log_mel import PowerSpectrum
from tests.support.models import make_model, padded_noise


@pytest.mark.parametrize("n_fft", [512, 1200, 2048])
def test_spectrum_by_matrix_products_equals_the_fourier_transform(n_fft: int) -> None:
    spectrum = PowerSpectrum(8_000, frames=50, n_fft=n_fft)
    wave = 0.1 * torch.randn(2, 7_000)
    torch.testing.assert_close(
        ProductSpectrum(spectrum)(wave), spectrum(wave), atol=1e-4, rtol=1e-4
    )


def test_nested_spectra_are_replaced_and_the_model_stays_unchanged() -> None:
    model = make_model("model=reslstm")
    graph = Graph(model)
    assert isinstance(graph.model.features, Cepstra)
    assert isinstance(graph.model.features.mel.spectrum, ProductSpectrum)
    assert not any(isinstance(module, ProductSpectrum) for module in model.modules())


@pytest.mark.parametrize("name", ["cnn", "crnn"])
def test_graph_and_model_give_the_same_probabilities(name: str) -> None:
    model = make_model(f"model={name}", "preprocessing=speech_16k").eval()
    waves, lengths = padded_noise(9_000, 20_000)
    with torch.no_grad():
        probabilities, logits, _ = Graph(model)(waves, lengths)
        torch.testing.assert_close(logits, model(waves, lengths), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2))
