"""Guard that records every connection and name look-up of this process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EVENTS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")

_records: list[list[str]] = []
_installed = False


@contextmanager
def recorded_connections() -> Iterator[list[str]]:
    """Record connections and name look-ups, of whatever library, in a list."""
    global _installed
    if not _installed:  # an audit hook cannot be removed
        sys.addaudithook(_record)
        _installed = True
    _records.append([])
    try:
        yield _records[-1]
    finally:
        _records.pop()


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if _records and event in EVENTS:
        _records[-1].append(f"{event} {arguments[1:] or arguments}")
