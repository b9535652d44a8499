"""Files of an export folder beside its networks: code, speech detector, requirements, README."""

import importlib.metadata
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from packaging.requirements import Requirement

from emotion.audio.speech_detector import NETWORK_FILE, find_silero_network
from emotion.utils.files import write_text

PACKAGES = ("audio", "runtime")
"""Packages that are copied whole; a contract of import-linter limits their imports."""

REQUIREMENTS = ("numpy", "soundfile", "soxr", "onnxruntime")
"""Distributions that an export folder needs."""


def write_companion_files(folder: Path, about: Mapping[str, Any]) -> None:
    """Write all files of an export folder except its networks and model.json, which is `about`."""
    package = Path(str(files("emotion")))
    code = folder / "emotion"
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    for name in PACKAGES:
        shutil.copytree(package / name, code / name, ignore=ignore)
    shutil.copyfile(package / "errors.py", code / "errors.py")
    (code / "__init__.py").touch()
    shutil.copyfile(find_silero_network(), code / "audio" / NETWORK_FILE)
    paths = importlib.metadata.files("silero-vad") or []
    licence = next(path for path in paths if path.name == "LICENSE").read_text()
    write_text(code / "audio" / "silero_vad_LICENSE", licence)
    templates = package / "export" / "templates"
    shutil.copyfile(templates / "predict.py", folder / "predict.py")
    write_text(folder / "requirements.txt", "".join(f"{line}\n" for line in requirements()))
    environment = Environment(undefined=StrictUndefined, trim_blocks=False, autoescape=False)
    page = environment.from_string((templates / "README.md.j2").read_text(encoding="utf-8"))
    write_text(folder / "README.md", page.render(about=about) + "\n")


def requirements() -> list[str]:
    """Return the lines of requirements.txt, with the version limits of this package."""
    lines = [Requirement(line) for line in importlib.metadata.requires("emotion") or []]
    limits = {each.name: f"{each.name}{each.specifier}" for each in lines if each.marker is None}
    return [limits[name] for name in REQUIREMENTS]
