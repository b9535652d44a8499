"""Opens what a command's settings name: the models, and who judges with them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.inference.familiar import Profile
from emotion.inference.interface import Recogniser
from emotion.inference.listener import Listener
from emotion.inference.recognisers import open_recogniser, open_runs
from emotion.inference.runtime import find_export, read_about

if TYPE_CHECKING:
    from emotion.config import Config


def open_named(config: "Config") -> Recogniser:
    """Return what hears as the models that `run` names do.

    Raises:
        ConfigError: it names none.
        RunError: there is no such run or export folder.
    """
    return open_recogniser(
        named(config), Path(config["output_root"]), accelerator=config["accelerator"]
    )


def open_listener(config: "Config") -> Listener:
    """Return who judges: the named models, with what the settings ask of them."""
    recogniser = open_named(config)
    profiles = open_profiles(config) if config["profile"] else []
    gate = None
    if config["speech_gate"]:
        from emotion.audio.speech import SpeechGate

        gate = SpeechGate()
    return Listener(
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
            from emotion.inference.profile import open_profile
            from emotion.runs import find_run

            run = find_run(name, Path(config["output_root"]))
            found = open_profile(run, partial(open_runs, [run], config["accelerator"]))
        if found is None:
            return []
        profiles.append(found)
    return profiles


def named(config: "Config") -> list[str | None]:
    """Return the names that `run` has: one, or several."""
    return list(config["run"]) if isinstance(config["run"], list) else [config["run"]]
