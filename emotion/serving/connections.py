"""HTTP connections: a time limit for headers, and a limit for the number of connections."""

import asyncio
import resource
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_S = 10.0
"""Time in which the header of a request must be complete."""

MAX_CONNECTIONS = 1000

RESERVED_FILES = 256
"""Files that a process may need besides its connections."""

BACKLOG = 64
"""Connections that are accepted at once, before connections beyond the limit are closed."""


class LimitedConnection(H11Protocol):
    """HTTP connection that is closed if the header of a request is not complete in time.

    Beyond the limit for connections, the oldest that waits for a header or for its client to read
    is closed for each new one; without such a connection, new ones get the status 503.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        connections = cast("set[LimitedConnection]", self.connections)
        if len(connections) >= cast(int, self.limit_concurrency) - 1:
            stalled = (each for each in connections if each.is_stalled)
            oldest = min(stalled, key=lambda each: each.since, default=None)
            if oldest is not None:
                connections.discard(oldest)
                oldest.transport.abort()
        super().connection_made(transport)
        self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self.timer.cancel()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.timer.cancel()
        super().on_response_complete()  # may begin with a request that has been read already
        if self.is_idle:
            self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection."""
        self.timer.cancel()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether the header of a request is awaited."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_stalled(self) -> bool:
        """Whether the client is awaited, without a time limit but that for headers."""
        return self.is_idle or self.flow.write_paused

    def _wait_for_header(self) -> None:
        self.since = self.loop.time()
        self.timer = self.loop.call_later(HEADER_TIMEOUT_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self.is_idle:
            self.transport.close()  # after the rest of a response


def connection_settings() -> dict[str, Any]:
    """Return settings for uvicorn; raise this process's limit for open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    limit = min(MAX_CONNECTIONS, max(soft - RESERVED_FILES, soft // 2))
    return {
        "http": LimitedConnection,
        "ws": "none",
        "backlog": BACKLOG,
        "limit_concurrency": limit,
        "log_level": "error",  # no line for each invalid or refused request
        "access_log": False,
    }
