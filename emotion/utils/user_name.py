"""Name of the user, for libraries that cannot do without one."""

import getpass
import os


def ensure_user_name() -> None:
    """Set LOGNAME where the user has no name, as in many containers.

    PyTorch's compiler and others name their folders after the user, and fail without a name.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
