"""Opens what a command's settings name: the runs, their models, and who judges with them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from emotion.config import Config
from emotion.errors import ConfigError
from emotion.inference.interface import Recogniser
from emotion.inference.listener import Listener
from emotion.inference.profile import open_profile
from emotion.runs import Run, find_run


def named_runs(config: Config) -> list[Run]:
    """Return the runs that `run` names.

    Raises:
        ConfigError: it names none.
        RunError: there is no such run.
    """
    names = config["run"] if isinstance(config["run"], list) else [config["run"]]
    if not names:
        raise ConfigError("run=[] names no run. Give one, run=latest, or several, run=[A,B].")
    return [find_run(name, Path(config["output_root"])) for name in names]


def open_networks(runs: Sequence[Run], config: Config) -> Recogniser:
    """Return the best models of runs, as one."""
    import torch

    from emotion.inference.predictor import Ensemble

    cuda = config["accelerator"] != "cpu" and torch.cuda.is_available()
    return Ensemble(runs, torch.device("cuda" if cuda else "cpu"))


def open_listener(config: Config) -> Listener:
    """Return who judges: the runs' models, with what the settings ask of them."""
    runs = named_runs(config)
    recogniser = open_networks(runs, config)
    profiles = []
    for run in runs if config["profile"] else ():
        found = open_profile(run, partial(open_networks, [run], config))
        if found is not None:
            profiles.append(found)
    gate = None
    if config["speech_gate"]:
        from emotion.audio.speech import SpeechGate

        gate = SpeechGate()
    return Listener(
        recogniser,
        gate=gate,
        profiles=profiles if len(profiles) == len(runs) else (),
        abstain_below=config["abstain_below"],
        labels=config["labels"],
        priors=config["priors"],
    )
