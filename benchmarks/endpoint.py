"""Does the JSON service hold under load, and does it answer whatever it is sent?"""

import os
import re
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
from benchmarks.common import Target, clips, command, in_turn, options, page, scratch_folder
from benchmarks.training import train_words

REQUESTS, CLIENTS = 200, 8
MAX_MB, MAX_SECONDS = 5, 60
FLAT_MB, P95_MS = 10.0, 1000.0


class Server:
    """A service that runs, with the memory that it holds and the files that it keeps."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder

    @property
    def memory_mb(self) -> float:
        """The anonymous memory (RssAnon) that it holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"RssAnon:\s*(\d+)", status)[0]) / 1024

    @property
    def kept(self) -> set[Path]:
        """The files in its temporary folder."""
        return {path for path in self.folder.rglob("*") if path.is_file()}


@contextmanager
def served(run: Path, folder: Path) -> Iterator[Server]:
    """Give a server of a run; it must leave nothing behind."""
    folder.mkdir()
    limits = [f"max_mb={MAX_MB}", f"max_seconds={MAX_SECONDS}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion", "serve", f"run={run}", "port=0", *limits],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    said = ""
    for line in process.stderr or ():
        said += line
        if found := re.match(r"http://\S+", line):
            yield Server(process, found[0], folder)
            break
    else:
        raise SystemExit(said)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    if left := [path for path in folder.rglob("*") if path.is_file()]:
        raise SystemExit(f"the server left {left}")


def load(server: Server, bodies: list[bytes]) -> list[tuple[float, bool]]:
    """Return of every request its milliseconds and whether it was answered."""

    def ask(client: httpx.Client, number: int) -> tuple[float, bool]:
        start = time.perf_counter()
        answer = client.post("/predict", content=bodies[number % len(bodies)])
        return 1000 * (time.perf_counter() - start), answer.status_code == 200

    with (
        httpx.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        return list(pool.map(lambda number: ask(client, number), range(REQUESTS)))


def refusal(server: Server, upload: Upload) -> tuple[int, str]:
    """Return the status and the sentence that an upload is answered with."""
    url = f"{server.url}/predict{upload.query}"
    answer = httpx.post(url, content=upload.body, headers=dict(upload.headers), timeout=60)
    return answer.status_code, str(answer.json()["detail"])


def main() -> None:
    """Measure it, and write the page."""
    chosen = options(clips=50, repeats=3)
    some = clips(chosen)
    bodies = [path.read_bytes() for path in some.paths]
    with scratch_folder() as folder:
        run = folder / "run"
        words = train_words(clips(chosen, 720), folder / "cache", folder, "cnn", 1)
        command(*words, f"hydra.run.dir={run}")
        with served(run, folder / "tmp") as server:
            before = server.kept
            load(server, bodies)
            asked: list[tuple[float, bool]] = []

            def growth() -> float:
                start = server.memory_mb
                asked.extend(load(server, bodies))
                return server.memory_mb - start

            grown = in_turn({f"{REQUESTS} requests": growth}, chosen.repeats)
            uploads = broken_uploads(max_bytes=MAX_MB * 1_000_000, max_seconds=MAX_SECONDS)
            refusals = [refusal(server, upload) for upload in uploads]
            kept = server.kept - before
            holds = server.memory_mb
    cuts = statistics.quantiles([ms for ms, _ in asked], n=100)
    p50, p95 = cuts[49], cuts[94]
    failed = sum(not answered for _, answered in asked)
    wrong = [status for status, said in refusals if not 400 <= status < 500 or not said]
    rows = sorted(
        {
            f"| {upload.wrong} | {status} | {said} |"
            for upload, (status, said) in zip(uploads, refusals, strict=True)
        }
    )
    page(
        "endpoint",
        "Does the JSON service hold under load, and does it answer whatever it is sent?",
        what=f"`emotion serve` with a cnn and the speech gate; {REQUESTS} requests of "
        f"{chosen.voices} from {CLIENTS} clients at once, after as many to warm up; growth of the "
        "server's anonymous memory (RssAnon)",
        times=grown,
        unit="MB more",
        targets=[
            Target("requests that failed", [failed], 0),
            Target("MB more after each round", next(iter(grown.values())), FLAT_MB),
            Target(f"p95 of {len(asked)} requests, ms", [p95], P95_MS),
            Target(
                f"of {len(uploads)} broken uploads not answered by 4xx and a sentence",
                [len(wrong)],
                0,
            ),
            Target("files that are left of them all", [len(kept)], 0),
        ],
        notes=[
            f"p50 {p50:.0f} ms, p95 {p95:.0f} ms; the server holds {holds:.0f} MB at the end.",
            "| broken upload | status | sentence |\n| --- | --- | --- |\n" + "\n".join(rows),
        ],
    )


if __name__ == "__main__":
    main()
