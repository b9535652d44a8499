"""The signals that end the program, as an exception."""

import contextlib
import signal
from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal that ends the program; no handler of errors takes it for one."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@contextlib.contextmanager
def signals_raised() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Stopped`; a second one ends the process at once."""
    before = {number: signal.signal(number, stop) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop(signum: int, _: object) -> None:
    """Handle a signal: raise it, and let the next one end the process."""
    end_by_next()
    raise Stopped(signum)


def end_by_next() -> None:
    """Let the next signal of these end the process at once."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
