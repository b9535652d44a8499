"""Description of an export folder, model.json: its types and values, checked when it is read."""

import json
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from emotion.audio.standardise import Standardiser
from emotion.errors import ConfigError, RunError
from emotion.runtime.out_of_distribution import TrainingProfile
from emotion.runtime.plain_types import check_type

FORMAT = 2
"""Version of model.json and of the inputs and outputs of the networks."""

ABOUT = "model.json"


class Header(TypedDict):
    """Content of model.json in every format."""

    format: int


class Score(TypedDict):
    """Metrics of a subset; further ones are not read."""

    uar: float
    n: int
    uar_low: NotRequired[float | None]
    uar_high: NotRequired[float | None]
    speakers: NotRequired[int | None]


class Training(TypedDict):
    """Training clips of the model."""

    corpora: list[str]
    clips: int
    speakers: int


class Description(Header):
    """Content of model.json that is read; `files` are the checksums of all other files."""

    labels: list[str]
    sample_rate: int
    samples: int | None
    window_s: float | None
    standardisation: dict[str, object]
    parameters: int
    scores: dict[str, Score | None]
    leaks: bool
    training: Training
    profile: dict[str, object] | None
    files: dict[str, str]


def read_about(folder: Path) -> dict[str, Any]:
    """Return the content of model.json, a `Description`.

    Raises:
        RunError: it is missing, damaged, or has another format.
    """
    path = folder / ABOUT
    if not path.is_file():
        raise RunError(
            f"{folder} is not an export folder: it has no {ABOUT}. Write one: emotion export"
        )
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        check_type(about, Header, "")
        if about["format"] == FORMAT:
            check_type(about, Description, "")
            _check_values(about)
    except (ValueError, ConfigError, TypeError, RecursionError) as err:
        raise RunError(
            f"{path} is damaged, or does not describe an emotion model ({err}). Export again."
        ) from err
    if about["format"] != FORMAT:
        raise RunError(
            f"{path} has format {about['format']}; this version reads {FORMAT}. Export again."
        )
    return about


def _check_values(about: dict[str, Any]) -> None:
    """Check values of the right types; ValueError, ConfigError or TypeError for a wrong one."""
    labels = about["labels"]
    if len(set(labels)) < max(2, len(labels)):
        raise ValueError(f"labels are {labels}")
    for key in ("sample_rate", "samples", "window_s"):
        if about[key] is not None and not about[key] > 0:
            raise ValueError(f"{key} is {about[key]}")
    Standardiser(**about["standardisation"])
    if about["profile"] is not None:
        priors = TrainingProfile.from_dict(about["profile"]).priors
        if set(priors) != set(labels):
            raise ValueError(f"profile.priors are of {', '.join(priors)}")
