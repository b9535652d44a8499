"""Trained models by the name in `run=`: export folders without PyTorch, run folders with it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.config.schema import ModelSettings, PredictorSettings
from emotion.errors import ConfigError
from emotion.runtime.base import EmotionModel
from emotion.runtime.export_folder import read_profile
from emotion.runtime.onnx_model import OnnxModel, find_export
from emotion.runtime.out_of_distribution import TrainingProfile
from emotion.runtime.predictor import Predictor
from emotion.utils.names import match_keys, match_names

if TYPE_CHECKING:
    from emotion.runs.run import Run


def open_models(settings: ModelSettings) -> EmotionModel:
    """Return the model that `run` names; of several runs, the mean of their probabilities.

    Raises:
        RunError: a folder does not exist or is damaged.
        ConfigError: no name, or an export folder among others.
    """
    names = settings.run_names
    if not names:
        raise ConfigError("run=[] names no run. Give one, run=latest, or several, run=[A,B].")
    exports = [find_export(name) if name else None for name in names]
    if exports[0] is not None and len(names) == 1:
        folder, network = exports[0]
        return OnnxModel(folder, network=network)
    if any(exports):
        raise ConfigError(
            f"run=[{','.join(map(str, names))}]: an export folder cannot be combined with others. "
            "Give it alone, or give the run folders."
        )
    from emotion.runs.run import find_run

    runs = [find_run(name, Path(settings.output_root)) for name in names]
    return open_runs(runs, settings.accelerator)


def open_runs(runs: "Sequence[Run]", accelerator: str = "auto") -> EmotionModel:
    """Return the best models of runs as one, with the mean of their probabilities.

    `accelerator` is cpu, or auto for CUDA if available.
    """
    import torch

    from emotion.inference.torch_model import TorchEnsemble

    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return TorchEnsemble(runs, torch.device("cuda" if cuda else "cpu"))


def open_predictor(settings: PredictorSettings) -> Predictor:
    """Return the predictor that `run` names, with speech detector and training profile."""
    model = open_models(settings)
    detector = None
    if settings.speech_gate:
        from emotion.audio.speech_detector import SpeechDetector

        detector = SpeechDetector()
    labels = settings.labels
    if labels is not None:
        labels = match_names(labels, model.labels)
    return Predictor(
        model,
        speech_detector=detector,
        profiles=open_profiles(settings) if settings.profile else [],
        abstain_below=settings.abstain_below,
        labels=labels,
        priors=match_keys(settings.priors, model.labels),
    )


def open_profiles(settings: PredictorSettings) -> Sequence[TrainingProfile]:
    """Return the training profile of every model that `run` names; empty if one is missing."""
    profiles = []
    for name in settings.run_names:
        export = find_export(name) if name else None
        if export is not None:
            found = read_profile(export[0])
        else:
            from emotion.inference.training_profile import load_or_compute_profile
            from emotion.runs.run import find_run

            output_root, root = Path(settings.output_root), settings.dataset.root
            run = find_run(name, output_root, moved_root=root)
            found = load_or_compute_profile(run, partial(open_runs, [run], settings.accelerator))
        if found is None:
            return []
        profiles.append(found)
    return profiles
