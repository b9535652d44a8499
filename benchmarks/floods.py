"""The JSON service under floods: half-sent headers, unfinished uploads, the longest recordings."""

import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from benchmarks.broken import sound
from benchmarks.common import (
    MACHINE,
    draw_clips,
    markdown_table,
    parse_options,
    run_command,
    scratch_folder,
    write_page,
)
from benchmarks.endpoint import MAX_MB, MAX_SECONDS, Server, start_server
from benchmarks.training import train_arguments

FILES = 1024
"""Open files that the server may have, the usual limit."""

CONNECTIONS, UPLOADS, CLIENTS = 1100, 30, 8
UPLOAD_BYTES = 4_000_000
FLOOD_S = 25.0


@dataclass
class Flood:
    """Measurements during a flood: of the server, and of another client's requests.

    Attributes:
        statuses: of the flood's own requests, or «open» or «closed».
        others: status and milliseconds of the other client's requests, by their path.
        memory_mb, disk_mb: the largest values.
    """

    statuses: list[str] = field(default_factory=list)
    others: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    memory_mb: float = 0.0
    disk_mb: float = 0.0

    def row(self, name: str) -> list[str]:
        """The row of the result page's table."""
        counts = {status: self.statuses.count(status) for status in sorted(set(self.statuses))}
        row = [name, ", ".join(f"{count} × {status}" for status, count in counts.items())]
        for responses in self.others.values():
            accepted = [ms for status, ms in responses if status == 200]
            text = f"{len(accepted)} of {len(responses)}"
            row.append(f"{text}, median {statistics.median(accepted):.0f} ms" if accepted else text)
        return [*row, f"{self.memory_mb:.0f}", f"{self.disk_mb:.1f}"]


def file_size(path: Path) -> int:
    """Return the bytes of a file; 0 if it was deleted meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def measured(server: Server, clip: bytes) -> Iterator[Flood]:
    """Measure the server, and send requests of another client, during a block."""
    flood, end = Flood(others={"GET /health": [], "POST /predict": []}), threading.Event()

    def watch() -> None:
        while not end.wait(0.05):
            flood.memory_mb = max(flood.memory_mb, server.memory_mb)
            flood.disk_mb = max(flood.disk_mb, sum(map(file_size, server.files)) / 1e6)

    def ask() -> None:
        while not end.wait(0.2):
            for request, responses in flood.others.items():
                method, path = request.split()
                start = time.perf_counter()
                content = clip if method == "POST" else None
                try:
                    status = httpx.request(
                        method, server.url + path, content=content, timeout=60
                    ).status_code
                except httpx.HTTPError:
                    status = 0
                responses.append((status, 1000 * (time.perf_counter() - start)))

    threads = [threading.Thread(target=each) for each in (watch, ask)]
    for thread in threads:
        thread.start()
    yield flood
    end.set()
    for thread in threads:
        thread.join()


def flood_connections(server: Server, flood: Flood, count: int, sent: bytes) -> None:
    """Send the start of a request on many connections, and wait."""
    host, port = server.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            client.sendall(sent)
            clients.append(client)
        time.sleep(FLOOD_S)
        for client in clients:
            client.setblocking(False)
            try:
                received = client.recv(100)
            except BlockingIOError:
                flood.statuses.append("open")
            except ConnectionResetError:
                flood.statuses.append("closed")
            else:
                flood.statuses.append(received[9:12].decode() or "closed")


def flood_recordings(server: Server, flood: Flood) -> None:
    """Send the longest recording, with its timeline, from parallel clients."""

    def send() -> None:
        body = sound(MAX_SECONDS, rate=41_000)  # almost the largest upload
        end = time.monotonic() + FLOOD_S
        while time.monotonic() < end:
            response = httpx.post(f"{server.url}/predict?timeline=true", content=body, timeout=300)
            flood.statuses.append(str(response.status_code))

    threads = [threading.Thread(target=send) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Run the floods one after another and write the page."""
    options = parse_options(clips=50)
    clip = draw_clips(options).paths[0].read_bytes()
    start = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_MB * 10**6}\r\n"
    upload = start.encode() + b"\r\n" + np.random.default_rng(0).bytes(UPLOAD_BYTES)
    rows = []
    with scratch_folder() as folder:
        run = folder / "run"
        train = train_arguments(draw_clips(options, 720), folder / "cache", folder, "cnn", 1)
        run_command(*train, f"hydra.run.dir={run}")
        with start_server(run, folder / "tmp", files=FILES) as server:
            with httpx.Client(transport=httpx.HTTPTransport(retries=9)) as client:
                client.post(f"{server.url}/predict", content=clip, timeout=60)
            with measured(server, clip) as flood:
                time.sleep(5)
            rows.append(flood.row("none"))
            with measured(server, clip) as flood:
                flood_connections(server, flood, CONNECTIONS, start.encode())
            rows.append(flood.row(f"{CONNECTIONS:,} half-sent headers"))
            with measured(server, clip) as flood:
                flood_connections(server, flood, UPLOADS, upload)
            rows.append(flood.row(f"{UPLOADS} unfinished uploads of {UPLOAD_BYTES / 1e6:g} MB"))
            with measured(server, clip) as flood:
                flood_recordings(server, flood)
            rows.append(flood.row(f"{CLIENTS} clients with {MAX_SECONDS} s at 41 kHz"))
    head = ["flood", "its connections or requests", "others: GET /health", "others: POST /predict"]
    write_page(
        "floods",
        [
            "# JSON service under floods",
            "",
            f"`emotion serve` with a cnn and the speech detector, at most {FILES:,} open files, "
            f"waiting=16, max_mb={MAX_MB}, max_seconds={MAX_SECONDS}. Each lasts {FLOOD_S:g} s "
            "or until its requests are done; beside it, another client sends one request after "
            "another; shown are those with the status 200. Memory: largest RssAnon; disk: largest "
            f"size of the temporary files, examples included. {MACHINE}.",
            "",
            *markdown_table([*head, "memory, MB", "disk, MB"], rows),
        ],
    )


if __name__ == "__main__":
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    main()
