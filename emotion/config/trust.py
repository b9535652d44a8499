"""Modules that the user trusts: their classes may be used by runs of other people."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from emotion.errors import ConfigError

VARIABLE = "EMOTION_TRUST"
"""Environment variable with the names of the modules; child processes inherit it."""


@contextlib.contextmanager
def trusting(modules: Any) -> Iterator[None]:
    """Trust modules, one name or several, while a run is opened; child processes trust them too.

    Raises:
        ConfigError: a value that is not the name of a module.
    """
    names = [modules] if isinstance(modules, str) else list(modules or ())
    for name in names:
        if not (isinstance(name, str) and all(part.isidentifier() for part in name.split("."))):
            raise ConfigError(f"trust={name!r} is not the name of a module, such as mine_models.")
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ",".join([*trusted_modules(), *names])
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def trusted_modules() -> list[str]:
    """Return the names of the modules that the user trusts."""
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
