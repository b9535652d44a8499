"""SIGINT and SIGTERM as an exception."""

import signal
import subprocess
import sys

import pytest

from emotion.utils.signals import STOP_SIGNALS, StopSignal, signals_as_exceptions


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_is_raised_and_its_handler_restored_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(StopSignal) as raised, signals_as_exceptions():
        signal.raise_signal(number)
    assert raised.value.signum == number
    assert signal.getsignal(number) == before


def test_no_handler_of_exceptions_catches_it() -> None:
    assert not issubclass(StopSignal, Exception)


def test_a_second_signal_ends_the_process_at_once() -> None:
    code = """
import signal
from emotion.utils.signals import StopSignal, signals_as_exceptions

with signals_as_exceptions():
    try:
        signal.raise_signal(signal.SIGTERM)
    except StopSignal:
        signal.raise_signal(signal.SIGTERM)
        print("still running")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
