"""What an export folder holds beside its network: the code that runs it, and what to know of it."""

import importlib.metadata
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from packaging.requirements import Requirement

from emotion.audio.speech import FILE as SPEECH
from emotion.audio.speech import find_network
from emotion.files import write_text

PACKAGES = ("numpy", "soundfile", "soxr", "onnxruntime")
"""All that an export folder needs."""

MODULES = (
    "emotion/__init__.py",
    "emotion/errors.py",
    "emotion/audio/__init__.py",
    "emotion/audio/decode.py",
    "emotion/audio/measure.py",
    "emotion/audio/quantise.py",
    "emotion/audio/reasons.py",
    "emotion/audio/speech.py",
    "emotion/audio/standardise.py",
    "emotion/inference/__init__.py",
    "emotion/inference/familiar.py",
    "emotion/inference/interface.py",
    "emotion/inference/listener.py",
    "emotion/inference/runtime.py",
    "emotion/inference/stream.py",
    "emotion/inference/windows.py",
)
"""What is copied beside the network, under its own name; a contract holds what these import."""


def write_companions(folder: Path, about: Mapping[str, Any]) -> None:
    """Write all files of an export folder but the networks and model.json.

    Args:
        folder: where.
        about: what model.json will say.
    """
    package = files("emotion")
    for name in MODULES:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with (package / name.removeprefix("emotion/")).open("rb") as source:
            target.write_bytes(source.read())
    templates = package / "inference" / "templates"
    with (templates / "predict.py").open("rb") as source, (folder / "predict.py").open("wb") as out:
        shutil.copyfileobj(source, out)
    shutil.copyfile(find_network(), folder / SPEECH)  # MIT licence, as its package says
    write_text(folder / "requirements.txt", "".join(f"{line}\n" for line in requirements()))
    environment = Environment(undefined=StrictUndefined, trim_blocks=False, autoescape=False)
    page = environment.from_string((templates / "README.md.j2").read_text(encoding="utf-8"))
    write_text(folder / "README.md", page.render(about=about) + "\n")


def requirements() -> list[str]:
    """Return what pip installs for an export folder, with this project's own floors."""
    own = [Requirement(line) for line in importlib.metadata.requires("emotion") or []]
    floors = {each.name: f"{each.name}{each.specifier}" for each in own if each.marker is None}
    return [floors[name] for name in PACKAGES]
