"""References to a run: the files that cite it, such as the table of a sweep.

A reference is recorded in the run, just before the file that cites it is written. It counts while
that file exists.
"""

import os
from pathlib import Path

from emotion.utils.files import READ_ONLY_ERRORS
from emotion.utils.json_lines import append_json_line, read_json_lines

REFERENCES = "references.jsonl"


def is_run(folder: Path) -> bool:
    """Return whether a folder has the files that every run starts with."""
    return all((folder / name).is_file() for name in ("config.yaml", "split.csv"))


def add_reference(path: Path, *, by: Path) -> None:
    """Record that the file `by` cites the run whose folder `path` is or is in, once.

    Paths outside of runs are ignored, and so are runs without write permission, which prune cannot
    delete.
    """
    path = path.expanduser().resolve()
    run = next((folder for folder in (path, *path.parents) if is_run(folder)), None)
    if run is None:
        return
    # Relative: the reference stays valid if the output root is moved.
    reference = os.path.relpath(by.expanduser().resolve(), run)
    if reference in _read(run):
        return
    try:
        append_json_line(run / REFERENCES, {"by": reference})
    except OSError as err:
        if err.errno not in READ_ONLY_ERRORS:
            raise


def references(run: Path) -> list[Path]:
    """Return the existing files that cite a run, in the order of their references."""
    paths = (Path(os.path.normpath(run.resolve() / name)) for name in _read(run))
    return [path for path in paths if path.exists()]


def _read(run: Path) -> list[str]:
    return [line["by"] for line in read_json_lines(run / REFERENCES, keys=("by",))]
