"""One-line messages for errors of Hydra, the disk and other libraries."""

import errno
import os
import re
from pathlib import Path

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from emotion.config.composition import CONFIG_FOLDER, all_lines, compose, explain_value, first_line
from emotion.errors import suggest
from emotion.utils.files import FULL_DISK_ERRORS, full_disk

HINTS = {
    **dict.fromkeys(FULL_DISK_ERRORS, "Make room, then run the same command again."),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "Choose other folders: output_root=FOLDER for results, cache_dir=FOLDER for caches.",
    ),
}
"""What to do next, by the number of an error of the disk."""

NOT_A_CHOICE = "Config group override must be a string or a list"  # Hydra, of null
ADDED_TWICE = r"(?:Multiple values for |force-add of config groups .*: '\+\+)([\w/]+)"


def explain_error(error: BaseException, command: str) -> str:
    """Return one line for an error that this program did not raise itself."""
    error = full_disk(error) or error
    if isinstance(error, HydraException | OmegaConfBaseException):
        return explain_composition(error, command)
    if str(error).startswith(NOT_A_CHOICE):
        return "null is not a choice of a config group: name a choice, or leave the setting out."
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror + (f": {error.filename}" if error.filename else "")
        if lacks_inodes(error):
            return (
                f"{what}. The disk has room, but no free inodes (df -i): delete some of its files."
            )
        return f"{what}. {HINTS.get(error.errno or 0, '')}".rstrip()
    return f"{type(error).__name__}: {first_line(error)} (--debug shows the traceback)"


def lacks_inodes(error: OSError) -> bool:
    """Return whether a disk is full because it cannot hold more files, at any size."""
    path = Path(str(error.filename or "."))
    folder = next((each for each in (path, *path.absolute().parents) if each.is_dir()), Path())
    status = os.statvfs(folder)
    return error.errno == errno.ENOSPC and status.f_files > 0 and status.f_favail == 0


def explain_composition(error: HydraException | OmegaConfBaseException, command: str) -> str:
    """Return one line for an override or config that cannot be composed, with what is allowed."""
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} cannot be read as a setting: {first_line(error)}. Quote values "
            "with spaces, commas or brackets: \"name='a, b'\"."
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        choices = [option for option in error.options or [] if option != "base"]
        return (
            f"{group}={choice} does not exist.{suggest(choice, choices)} For a file of your own, "
            f"FOLDER/{group}/{choice or 'NAME'}.yaml, add --config-dir FOLDER or set "
            f"{CONFIG_FOLDER}."
        )
    if added := re.match(ADDED_TWICE, str(error)):
        return f"{added[1]}= is a setting already. Leave out the +: {added[1]}=NAME."
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__
    named = re.match(r"Could not override '([^'@]*)", str(error))  # Hydra keeps no attribute
    key = str(getattr(cause, "full_key", None) or "")
    if cause is None or isinstance(cause, ConfigAttributeError | ConfigKeyError):
        unknown = named[1] if named else key
        return _unknown_setting(unknown, command) if unknown else all_lines(error)
    return explain_value(cause)


def _unknown_setting(key: str, command: str) -> str:
    return f"there is no setting {key!r}.{suggest(key, compose(command, []).keys())}"
