"""Opens what a command's settings name: the models, and who judges with them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.runtime.base import EmotionModel
from emotion.runtime.onnx_model import find_export, read_about
from emotion.runtime.out_of_distribution import Profile
from emotion.runtime.predictor import Predictor

if TYPE_CHECKING:
    from emotion.config.composition import Config

from typing import TYPE_CHECKING

from emotion.errors import ConfigError
from emotion.runtime.onnx_model import OnnxModel

if TYPE_CHECKING:
    from emotion.runs.run import Run


def open_named(config: "Config") -> EmotionModel:
    """Return what hears as the models that `run` names do.

    Raises:
        ConfigError: it names none.
        RunError: there is no such run or export folder.
    """
    return open_models(
        named(config), Path(config["output_root"]), accelerator=config["accelerator"]
    )


def open_predictor(config: "Config") -> Predictor:
    """Return who judges: the named models, with what the settings ask of them."""
    recogniser = open_named(config)
    profiles = open_profiles(config) if config["profile"] else []
    gate = None
    if config["speech_gate"]:
        from emotion.audio.speech_detector import SpeechDetector

        gate = SpeechDetector()
    return Predictor(
        recogniser,
        gate=gate,
        profiles=profiles,
        abstain_below=config["abstain_below"],
        labels=config["labels"],
        priors=config["priors"],
    )


def open_profiles(config: "Config") -> Sequence[Profile]:
    """Return the profile of every model that `run` names; none where one of them has none."""
    profiles = []
    for name in named(config):
        export = find_export(name) if name else None
        if export is not None:
            plain = read_about(export[0])["profile"]
            found = None if plain is None else Profile.from_dict(plain)
        else:
            from emotion.inference.training_profile import open_profile
            from emotion.runs.run import find_run

            run = find_run(name, Path(config["output_root"]))
            found = open_profile(run, partial(open_runs, [run], config["accelerator"]))
        if found is None:
            return []
        profiles.append(found)
    return profiles


def named(config: "Config") -> list[str | None]:
    """Return the names that `run` has: one, or several."""
    return list(config["run"]) if isinstance(config["run"], list) else [config["run"]]


def open_models(
    names: Sequence[str | None], output_root: Path, *, accelerator: str = "auto"
) -> EmotionModel:
    """Return what hears as the named models do.

    Args:
        names: one export folder, or a network's file in one; else runs, whose answers are averaged.
        output_root: where `latest` is looked for.
        accelerator: cpu, or auto for CUDA where there is one; of export folders always the CPU.

    Raises:
        RunError: there is no such folder, or it is damaged.
        ConfigError: no name, or an export folder among others.
    """
    if not names:
        raise ConfigError("run=[] names no run. Give one, run=latest, or several, run=[A,B].")
    exports = [find_export(name) if name else None for name in names]
    first = exports[0]
    if first is not None and len(names) == 1:
        folder, network = first
        return OnnxModel(folder, network=network)
    if any(exports):
        raise ConfigError(
            f"run=[{','.join(map(str, names))}]: an export folder answers alone. Give it by "
            "itself, or the run folders of all."
        )
    from emotion.runs.run import find_run

    return open_runs([find_run(name, output_root) for name in names], accelerator)


def open_runs(runs: "Sequence[Run]", accelerator: str = "auto") -> EmotionModel:
    """Return the best models of runs, as one, on CUDA where there is one and `cpu` is not asked."""
    import torch

    from emotion.inference.torch_model import TorchEnsemble

    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return TorchEnsemble(runs, torch.device("cuda" if cuda else "cpu"))
