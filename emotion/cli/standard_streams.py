"""Standard input, output and error where they are closed, or cannot be written."""

import os
import sys


def reopen_closed_streams() -> None:
    """Open the null device in place of each closed standard stream.

    Otherwise the next file that is opened has its number, and receives what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def flush_output() -> str:
    """Write what is left to print; return the reason if that fails, else an empty text."""
    try:
        sys.stdout.flush()
    except OSError as err:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more
        return f"standard output cannot be written: {err.strerror}."
    return ""
