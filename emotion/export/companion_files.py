"""What an export folder holds beside its network: the code that runs it, and what to know of it."""

import importlib.metadata
import shutil
from collections.abc import Mapping
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from packaging.requirements import Requirement

from emotion.audio.speech_detector import FILE as SPEECH
from emotion.audio.speech_detector import find_network
from emotion.utils.files import write_text

PACKAGES = ("numpy", "soundfile", "soxr", "onnxruntime")
"""All that an export folder needs."""

MODULES = (
    "emotion/errors.py",
    *(
        f"emotion/{package}/{module.name}"
        for package in ("audio", "runtime")
        for module in sorted(files("emotion").joinpath(package).iterdir(), key=attrgetter("name"))
        if module.name.endswith(".py")
    ),
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
    (folder / "emotion" / "__init__.py").write_bytes(b"")
    templates = package / "export" / "templates"
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
