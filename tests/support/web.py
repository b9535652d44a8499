"""Web server of one file with errors on demand, for tests of downloads."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """State of the server.

    Args:
        content: content of its file.
        ranges: whether the server supports range requests.
        cuts: number of bytes after which each of the next connections is interrupted.
        codes: status codes of the next responses, in place of the file.
        tag: version of the file.
        ranges_requested: Range header of each request.
    """

    content: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    tag: str = '"1"'
    ranges_requested: list[str] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def serving(site: Site, name: str = "archive.zip") -> Iterator[Site]:
    """Run the server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested = self.headers.get("Range", "")
            site.ranges_requested.append(requested)
            if site.codes:
                self.send_error(site.codes.pop(0))
                return
            start = int(match[1]) if (match := re.fullmatch(r"bytes=(\d+)-", requested)) else 0
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
