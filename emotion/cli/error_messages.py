"""One-line messages for errors of Hydra, the disk and other libraries."""

import errno
import re

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from emotion.config.composition import composed, first_line, flat_keys
from emotion.errors import near
from emotion.utils.files import NO_ROOM, full_disk

HINTS = {
    **dict.fromkeys(NO_ROOM, "Make room, then run the same command again."),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "Results go to output_root=FOLDER and caches to cache_dir=FOLDER: name others.",
    ),
}
"""What to do about an error of the disk."""


def explained(error: BaseException, command: str) -> str:
    """Return one line for an error that this program did not raise itself."""
    error = full_disk(error) or error
    if isinstance(error, HydraException | OmegaConfBaseException):
        return explain(error, command)
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror + (f": {error.filename}" if error.filename else "")
        return f"{what}. {HINTS.get(error.errno or 0, '')}".rstrip()
    return f"{type(error).__name__}: {first_line(error)} (debug=true shows where)"


def explain(error: HydraException | OmegaConfBaseException, command: str) -> str:
    """Return one line that says what is wrong with an override or a config, and what is allowed."""
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} cannot be read as a setting: {first_line(error)}. Quote what has "
            "spaces, commas or brackets in it: \"name='a, b'\"."
        )
    missing = re.search(r"Could not find '([^']*)/([^'/]*)'", str(error))
    if missing:
        options = re.findall(r"^\t(\S+)$", str(error), re.MULTILINE)
        choices = [option for option in options if option != "base"]
        return f"{missing[1]}={missing[2]} does not exist.{near(missing[2], choices)}"
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__
    text = first_line(cause or error)
    struct = re.search(r"Key '([^']*)' (?:is not in struct|not in '\w+Schema')", str(cause or ""))
    override = re.search(
        r"Could not (?:override|append to config.+|delete.+)? ?'([^']*)'", str(error)
    )
    if struct or "Could not override" in str(error):
        key = (override.group(1) if override else struct.group(1) if struct else "").split("@")[0]
        if isinstance(cause, OmegaConfBaseException) and not struct and cause is not error:
            return f"{key}: {text}"
        return f"there is no setting {key!r}.{near(key, _all_keys(command))}"
    key = getattr(cause, "full_key", None)
    return f"{key}: {text}" if key and key not in text else text


def _all_keys(command: str) -> list[str]:
    """Return every key that a command's composition has."""
    with composed(command, []) as config:
        return flat_keys(config.node)
