"""Who has looked at which test clips: every opening of a test subset is counted."""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

NAME = "ledger.jsonl"


def fingerprint_clips(paths: Iterable[str]) -> str:
    """Return what names a test subset: a hash of which clips are in it."""
    return hashlib.sha256("\n".join(sorted(paths)).encode(errors="surrogateescape")).hexdigest()[
        :16
    ]


def record_test_access(output_root: Path, fingerprint: str, *, by: str) -> None:
    """Note that someone opens a test subset; the same one again is noted once."""
    path = output_root / NAME
    output_root.mkdir(parents=True, exist_ok=True)
    with FileLock(output_root / f".{NAME}.lock"):
        if by in test_accesses(output_root, fingerprint):
            return
        entry = {"test": fingerprint, "by": by, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()


def test_accesses(output_root: Path, fingerprint: str) -> frozenset[str]:
    """Return the runs and files of predictions that have opened a test subset."""
    path = output_root / NAME
    if not path.exists():
        return frozenset()
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines if line.endswith("}")]  # a torn line is no look
    return frozenset(entry["by"] for entry in entries if entry["test"] == fingerprint)
