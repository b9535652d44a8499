"""Latency, memory growth and error handling of the JSON service under load."""

import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.broken import Upload, broken_uploads
from benchmarks.common import (
    Criterion,
    draw_clips,
    markdown_table,
    measure_cases,
    parse_options,
    run_command,
    scratch_folder,
    write_timing_page,
)
from benchmarks.training import train_arguments

REQUESTS, CLIENTS = 200, 8
MAX_MB, MAX_SECONDS = 5, 60
GROWTH_MB, P95_MS = 10.0, 1000.0


class Server:
    """A running service, the memory that it uses and the temporary files that it keeps."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder

    @property
    def memory_mb(self) -> float:
        """The anonymous memory (RssAnon) of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"RssAnon:\s*(\d+)", status)[0]) / 1024

    @property
    def files(self) -> set[Path]:
        """The files in its temporary folder."""
        return {path for path in self.folder.rglob("*") if path.is_file()}


@contextmanager
def start_server(run: Path, folder: Path, *, files: int | None = None) -> Iterator[Server]:
    """Give a server of a run, with a limit for open files; fail if it leaves temporary files."""
    folder.mkdir()
    limits = [f"max_mb={MAX_MB}", f"max_seconds={MAX_SECONDS}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion", "serve", f"run={run}", "port=0", *limits],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    if files is not None:  # long before the server reads it
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (files, files))
    output = ""
    for line in process.stderr or ():
        output += line
        if match := re.match(r"http://\S+", line):
            server = Server(process, match[0], folder)
            break
    else:
        raise SystemExit(output)
    yield server
    process.send_signal(signal.SIGTERM)
    process.communicate()
    if server.files:
        raise SystemExit(f"The server left {server.files}.")


def send_requests(server: Server, bodies: list[bytes]) -> list[tuple[float, bool]]:
    """Return the milliseconds of every request and whether its status was 200."""

    def send(client: httpx.Client, number: int) -> tuple[float, bool]:
        start = time.perf_counter()
        response = client.post("/predict", content=bodies[number % len(bodies)])
        return 1000 * (time.perf_counter() - start), response.status_code == 200

    with (
        httpx.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        return list(pool.map(lambda number: send(client, number), range(REQUESTS)))


def send_upload(server: Server, upload: Upload) -> tuple[int, str]:
    """Return status and message of the response to an invalid upload."""
    url = f"{server.url}/predict{upload.query}"
    response = httpx.post(url, content=upload.body, headers=dict(upload.headers), timeout=60)
    return response.status_code, str(response.json()["detail"])


def main() -> None:
    """Measure the service and write the page."""
    options = parse_options(clips=50, repeats=3)
    bodies = [path.read_bytes() for path in draw_clips(options).paths]
    with scratch_folder() as folder:
        run = folder / "run"
        train = train_arguments(draw_clips(options, 720), folder / "cache", folder, "cnn", 1)
        run_command(*train, f"hydra.run.dir={run}")
        with start_server(run, folder / "tmp") as server:
            before = server.files
            send_requests(server, bodies)
            requests: list[tuple[float, bool]] = []

            def memory_growth() -> float:
                start = server.memory_mb
                requests.extend(send_requests(server, bodies))
                return server.memory_mb - start

            growth = measure_cases({f"{REQUESTS} requests": memory_growth}, options.repeats)
            uploads = broken_uploads(max_bytes=MAX_MB * 1_000_000, max_seconds=MAX_SECONDS)
            responses = [send_upload(server, upload) for upload in uploads]
            new_files = server.files - before
            memory = server.memory_mb
    percentiles = statistics.quantiles([ms for ms, _ in requests], n=100)
    p50, p95 = percentiles[49], percentiles[94]
    failed = sum(not ok for _, ok in requests)
    wrong = sum(not 400 <= status < 500 or not message for status, message in responses)
    rows = {
        (upload.wrong, str(status), message)
        for upload, (status, message) in zip(uploads, responses, strict=True)
    }
    write_timing_page(
        "endpoint",
        "JSON service under load and with invalid uploads",
        setup=f"`emotion serve` with a cnn and the speech detector; {REQUESTS} requests with "
        f"{options.clip_source} from {CLIENTS} parallel clients, after as many to warm up; growth "
        "of the server's anonymous memory (RssAnon)",
        times=growth,
        unit="MB more",
        criteria=[
            Criterion("failed requests", [failed], 0),
            Criterion("MB more after each round", next(iter(growth.values())), GROWTH_MB),
            Criterion(f"p95 of {len(requests)} requests, ms", [p95], P95_MS),
            Criterion(
                f"invalid uploads, of {len(uploads)}, without status 4xx and a message", [wrong], 0
            ),
            Criterion("temporary files left", [len(new_files)], 0),
        ],
        notes=[
            f"p50 {p50:.0f} ms, p95 {p95:.0f} ms; the server uses {memory:.0f} MB at the end.",
            "\n".join(markdown_table(["invalid upload", "status", "message"], sorted(rows))),
        ],
    )


if __name__ == "__main__":
    main()
