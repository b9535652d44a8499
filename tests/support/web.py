"""A web server of one file that goes wrong on demand, for the tests of downloads."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server gives, and what it was asked for.

    Args:
        content: of its one file.
        ranges: whether it can send a part of it.
        cuts: after how many bytes the coming connections are cut, one after the other.
        codes: what the coming requests are answered instead.
        tag: the version of the file.
    """

    content: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    tag: str = '"1"'
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def serving(site: Site, name: str = "archive.zip") -> Iterator[Site]:
    """Serve a site on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            site.asked.append(asked)
            if site.codes:
                self.send_error(site.codes.pop(0))
                return
            start = int(match[1]) if (match := re.fullmatch(r"bytes=(\d+)-", asked)) else 0
            if not site.ranges or self.headers.get("If-Range", site.tag) != site.tag:
                start = 0
            if start >= len(site.content) > 0 and start:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                end = f"{len(site.content) - 1}/{len(site.content)}"
                self.send_header("Content-Range", f"bytes {start}-{end}")
            self.send_header("Content-Length", str(len(site.content) - start))
            self.send_header("ETag", site.tag)
            self.end_headers()
            body = site.content[start:]
            self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/{name}?download=1"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
