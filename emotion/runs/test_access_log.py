"""Log of test accesses: which runs and prediction files have used which test clips."""

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from emotion.utils.json_lines import append_json_line, read_json_lines
from emotion.utils.names import path_key

NAME = "ledger.jsonl"


def fingerprint_clips(names: Iterable[str]) -> str:
    """Return the id of a test subset: a hash of the names of its clips (`clip_names`)."""
    text = "\n".join(sorted(map(path_key, names))).encode(errors="surrogateescape")
    return hashlib.sha256(text).hexdigest()[:16]


def record_test_access(output_root: Path, fingerprint: str, *, by: str) -> None:
    """Record that a run or prediction file uses a test subset, once for each of them."""
    path = output_root / NAME
    output_root.mkdir(parents=True, exist_ok=True)
    with FileLock(output_root / f".{NAME}.lock"):
        if by in test_accesses(output_root, fingerprint):
            return
        entry = {"test": fingerprint, "by": by, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        append_json_line(path, entry)


def test_accesses(output_root: Path, fingerprint: str) -> frozenset[str]:
    """Return the runs and prediction files that have used a test subset."""
    entries = read_json_lines(output_root / NAME, keys=("test", "by"))
    return frozenset(entry["by"] for entry in entries if entry["test"] == fingerprint)
