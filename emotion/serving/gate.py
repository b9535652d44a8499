"""Allow-list of routes, host names and origins; everything else is refused."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.errors import ConfigError

GET, POST = ("GET",), ("POST",)

PREDICT = "/predict"
UPLOAD = "/gradio_api/upload"
RUN = "/gradio_api/run/predict"

ROUTES: Mapping[str, tuple[str, ...]] = {
    PREDICT: POST,
    "/models": GET,
    "/health": GET,
    "/docs": GET,
    "/openapi.json": ("GET", "HEAD"),
    "/": ("GET", "HEAD"),  # the page
    "/assets/{path:path}": GET,  # its scripts and styles
    "/static/{path:path}": GET,
    "/theme.css": GET,
    "/favicon.ico": GET,
    UPLOAD: POST,  # the program's own receiver in place of Gradio's
    RUN: POST,  # a prediction for the page; the body is checked and written anew
}
"""Methods of each route. All other routes of Gradio are refused: some fetch addresses, list files
or keep uploads."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

CONTENT_SECURITY_POLICY = (
    b"default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    b"style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
"""Browsers load nothing from other servers for the page, and no other page shows it in a frame."""


@dataclass(frozen=True)
class AllowedHosts:
    """Host names by which browsers may address the server.

    Attributes:
        names: the names, in lower case.
        own_address: whether the address at which a connection arrived is allowed too.
    """

    names: frozenset[str]
    own_address: bool

    @classmethod
    def from_settings(cls, hosts: Iterable[str] | None, *, host: str) -> Self:
        """Return the names in `hosts`, or the default for a server that listens at `host`.

        Raises:
            ConfigError: `hosts` is empty or has an entry that is not a name or an address.
        """
        if hosts is None:
            own_name = {socket.gethostname()} if host in ("0.0.0.0", "::") else set()
            return cls(LOOPBACK | {name.lower() for name in (host, *own_name)}, own_address=True)
        names = frozenset(map(_check_name, hosts))
        if not names:
            raise ConfigError("hosts=[] allows no host. Give names, or hosts=null for the default.")
        return cls(names, own_address=False)

    def allow(self, name: str, address: str) -> bool:
        """Return whether requests for a host name are answered; `address`: where they arrived."""
        return name in self.names or (self.own_address and name == address.partition("%")[0])


class Gate:
    """ASGI middleware: refuses routes, methods, host names and origins that are not allowed.

    DNS rebinding gives a foreign page the address of this server, but not its name; forms and
    scripts of foreign pages name their origin.
    """

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self.app = app
        self.hosts = hosts
        self.routes = [(compile_path(path)[0], methods) for path, methods in ROUTES.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", CONTENT_SECURITY_POLICY)
                message["headers"] = [*message["headers"], policy]
            await send(message)

        app = self.app if scope["type"] == "http" else refusal(404, "There are no WebSockets here.")
        await (self._refuse(scope) or app)(scope, receive, send_with_policy)

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        """Return the response to a request that is not allowed."""
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        host, (address, _) = headers.get("host", ""), scope.get("server") or ("", None)
        if not self.hosts.allow(host_name(host), address):
            message = f"The host {host!r} is not allowed. Name it in the setting hosts."
            return refusal(403, message)
        if is_foreign(scope, headers):
            return refusal(403, "Requests from pages of other sites are not allowed.")
        methods = next((each for path, each in self.routes if path.match(scope["path"])), ())
        if not methods:
            return refusal(404, f"There is no {scope['path']!r} here.")
        method = scope.get("method", "GET")
        if method not in methods:
            message = f"{method} is not allowed here: use {methods[0]}."
            return refusal(405, message, {"Allow": ", ".join(methods)})
        return None


def is_foreign(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Return whether a page of another origin made the request; links to the page are allowed."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        return True
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == (
        "navigate",
        "document",
    )
    return not (link and scope["path"] == "/" and scope.get("method") == "GET")


def host_name(host: str) -> str:
    """Return the name in a Host header, without port, in lower case; empty if it has none."""
    try:
        url = urlsplit(f"//{host}")
    except ValueError:
        return ""
    return (url.hostname or "").rstrip(".") if url.netloc == host and "@" not in host else ""


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a response with an error message."""
    return JSONResponse({"detail": detail}, HTTPStatus(status), headers)


def _check_name(entry: str) -> str:
    name = entry.strip("[]").lower()
    try:
        ip_address(name)
    except ValueError:
        if host_name(name) != name or not name:
            raise ConfigError(
                f"hosts: {entry!r} is not valid: give a name or an address, without port or http://"
            ) from None
    return name
