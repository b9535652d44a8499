"""Headers of audio files, cached by path, size and modification time.

A second call opens no audio file. After another change of its status (ctime), a file is opened
again only if its first or last bytes differ.
"""

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from joblib import Parallel, delayed

from emotion.audio.decode import header_rows
from emotion.data.corpora.find_audio import change_time, edge_hash, file_status
from emotion.utils.files import READ_ONLY_ERRORS
from emotion.utils.tables import read_table, write_table

FORMAT_VERSION = 2  # of the cached headers
FILE_COLUMNS = ["path", "size", "mtime_ns", "ctime_ns"]
HEADER_TYPES = dict.fromkeys((*FILE_COLUMNS[1:], "sample_rate", "frames", "channels"), "int64")
HEADER_COLUMNS = ["path", *HEADER_TYPES, "container", "file_hash", "error"]
HEADERS_PER_TASK = 2048  # for one process; up to this many are read without other processes


def read_headers(table: pd.DataFrame, root: Path, folder: Path) -> pd.DataFrame:
    """Return the header of every clip; opens only files that are new, changed or failed before."""
    version = f"{FORMAT_VERSION} {root.resolve()}".encode(errors="surrogateescape")
    name = hashlib.sha256(version).hexdigest()[:16]
    file = folder / f"{name}.csv"
    root = root.absolute()  # also valid in processes on other machines
    ctimes = [change_time(path) for path in _full_paths(table["path"], root)]
    files = table[FILE_COLUMNS[:3]].assign(ctime_ns=np.array(ctimes, dtype="int64"))
    cached = _cached_headers(file)
    headers = _merge_headers(files, cached)
    if headers["container"].isna().any():  # else no lock: the folder may be read-only
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{name}.lock"):
                cached = _update_headers(files, _cached_headers(file), root)
                write_table(file, cached)
        except OSError as err:
            if err.errno not in READ_ONLY_ERRORS or not _all_known(files, cached):
                raise
            cached = _update_headers(files, cached, root)
        headers = _merge_headers(files, cached)
    return headers.astype(HEADER_TYPES)


def _update_headers(files: pd.DataFrame, cached: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Return the cached headers with those of new, changed and failed files."""
    pairs = files.merge(cached, on=FILE_COLUMNS[:3], suffixes=("", "_cached"))
    touched = pairs[pairs["ctime_ns"] != pairs["ctime_ns_cached"]]
    same = touched[touched["file_hash"] == _edge_hashes(touched["path"], root)]
    cached = pd.concat([cached[~cached["path"].isin(touched["path"])], same[HEADER_COLUMNS]])
    new = files[_merge_headers(files, cached)["container"].isna().to_numpy()]
    if not len(new):
        return cached
    fresh = _open_headers(new, root)
    kept = cached[~cached["path"].isin(new["path"])]
    return pd.concat([kept, fresh], ignore_index=True) if len(kept) else fresh


def _merge_headers(files: pd.DataFrame, headers: pd.DataFrame) -> pd.DataFrame:
    """Return the header of every file, with missing values for files without a header."""
    return files.merge(headers, on=FILE_COLUMNS, how="left", validate="1:1")


def _all_known(files: pd.DataFrame, cached: pd.DataFrame) -> bool:
    """Return whether each file has a header but for its ctime."""
    return len(files.merge(cached, on=FILE_COLUMNS[:3])) == len(files)


def _cached_headers(file: Path) -> pd.DataFrame:
    """Return the cached headers except failed ones: a change of permissions leaves no trace."""
    if not file.exists():
        return pd.DataFrame(columns=HEADER_COLUMNS)
    cached = read_table(file, HEADER_TYPES)
    return cached[cached["error"] == ""]


def _open_headers(files: pd.DataFrame, root: Path) -> pd.DataFrame:
    paths = [Path(path) for path in _full_paths(files["path"], root)]
    starts = range(0, len(paths), HEADERS_PER_TASK)
    workers = Parallel(n_jobs=1 if len(starts) <= 1 else -1)
    batches = workers(
        delayed(header_rows)(paths[start : start + HEADERS_PER_TASK]) for start in starts
    )
    headers = pd.DataFrame(itertools.chain(*batches)).assign(
        file_hash=_edge_hashes(files["path"], root)
    )
    headers = pd.concat([files.reset_index(drop=True), headers[HEADER_COLUMNS[4:]]], axis=1)
    statuses = [file_status(str(path)) for path in paths]
    now = [(status.st_size, status.st_mtime_ns) if status else None for status in statuses]
    before = list(zip(headers["size"], headers["mtime_ns"], strict=True))
    changed = pd.Series(now, dtype=object) != pd.Series(before, dtype=object)
    headers.loc[changed & (headers["error"] == ""), "error"] = "changed while it was read"
    return headers


def _edge_hashes(paths: pd.Series, root: Path) -> list[str]:
    """Return the hash of the first and last bytes of each file."""
    threads = Parallel(prefer="threads", n_jobs=-1 if len(paths) > HEADERS_PER_TASK else 1)
    return list(threads(delayed(edge_hash)(path) for path in _full_paths(paths, root)))


def _full_paths(paths: pd.Series, root: Path) -> list[str]:
    return [os.path.join(root, path) for path in paths]  # noqa: PTH118 - 100,000 times
