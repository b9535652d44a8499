"""SIGINT and SIGTERM as an exception."""

import contextlib
import signal
import threading
from collections.abc import Iterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal(BaseException):
    """A signal that stops the program; not an Exception, so that no error handler catches it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Raise SIGINT and SIGTERM as `StopSignal`; a second signal ends the process at once.

    In a thread that is not the main one, Python allows no signal handlers: nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, raise_stop_signal) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_stop_signal(signum: int, _: object) -> None:
    """Handle a signal: raise `StopSignal`, and let the next signal end the process."""
    restore_default_handlers()
    raise StopSignal(signum)


def restore_default_handlers() -> None:
    """Let the next stop signal end the process at once."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
