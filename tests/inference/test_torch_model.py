"""Models of runs, alone and as an ensemble: equal to the model itself, independent of the batch."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.errors import RunError
from emotion.inference.torch_model import TorchEnsemble, TorchModel
from emotion.runs.run import Run
from tests.support.runs import clips, write_run


@pytest.fixture(scope="module")
def any_length(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a model for clips of any length up to 4 s."""
    folder = tmp_path_factory.mktemp("torch_model") / "run"
    return write_run(folder, "model=crnn", "preprocessing=speech_16k")


def test_a_clip_has_the_same_output_alone_and_in_a_batch(any_length: Run) -> None:
    model = TorchModel(any_length)
    waves = [model.standardise(*clip) for clip in clips()]
    waves.append(np.pad(waves[0], (0, 8_000)))  # digital silence at the end counts
    together = model.infer(waves)
    for index, wave in enumerate(waves):
        alone = model.infer([wave])
        np.testing.assert_allclose(together.logits[index], alone.logits[0], atol=1e-4)
        np.testing.assert_allclose(together.embedding[index], alone.embedding[0], atol=1e-4)
    assert np.abs(together.logits[-1] - together.logits[0]).max() > 1e-4


def test_probabilities_are_calibrated(any_length: Run) -> None:
    model = TorchModel(any_length)
    output = model.infer([model.standardise(*clips()[0])])
    expected = torch.tensor(output.logits / 1.5).softmax(dim=1).numpy()
    np.testing.assert_allclose(output.probabilities, expected, atol=1e-6)


def test_an_ensemble_averages_probabilities_and_joins_embeddings(run: Run, any_length: Run) -> None:
    ensemble = TorchEnsemble([run, any_length])
    assert ensemble.window_s == TorchModel(run).window_s < math.inf
    clip = ensemble.standardise(*clips()[2])
    output = ensemble.infer([clip])
    parts = [member.infer([wave]) for member, wave in zip(ensemble.members, clip, strict=True)]
    mean = np.mean([part.probabilities for part in parts], axis=0)
    np.testing.assert_allclose(output.probabilities, mean)
    assert output.embedding.shape[1] == sum(part.embedding.shape[1] for part in parts)


def test_runs_of_other_classes_are_refused(run: Run, tmp_path: Path) -> None:
    other = write_run(tmp_path / "run", "dataset.labels=[sad,angry]")
    with pytest.raises(RunError, match="An ensemble needs runs with the same classes"):
        TorchEnsemble([run, other])
