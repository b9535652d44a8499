"""The command `prune`: deletes caches and runs by age or size, except those that are needed.

The metrics.json of a deleted run stays, and so do its lines in the log of test accesses: whether
another run was chosen by its test score depends on all runs that were tested.
"""

import contextlib
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.filesize import decimal

from emotion.cli.commands import OK
from emotion.config.composition import Composition
from emotion.config.schema import PruneSettings, check_choice
from emotion.errors import ConfigError, RunError
from emotion.runs.inventory import IN_USE, Item, find_items, look_again
from emotion.runs.run import Run
from emotion.utils.files import sync_folder, write_json
from emotion.utils.locks import try_exclusive_lock

KINDS = ("caches", "runs")
SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
DELETED = ".being-deleted"  # suffix of a folder that is being deleted


def run(composition: Composition[PruneSettings]) -> int:
    """Delete unused caches and runs, or list them; return the exit code."""
    print(prune(composition.settings))
    return OK


def prune(settings: PruneSettings) -> str:
    """Delete the caches and runs that the settings select, if `apply` is set; return a list.

    Raises:
        ConfigError: an age, a size or a kind that is not valid.
    """
    kinds = settings.kind if isinstance(settings.kind, list) else [settings.kind]
    for kind in kinds or [None]:
        check_choice("kind", kind, KINDS)
    max_age = parse_amount("older_than", settings.older_than, SECONDS, example="30d")
    max_bytes = parse_amount("keep_under", settings.keep_under, BYTES, example="20GB")
    output_root = Path(settings.output_root).expanduser().resolve()
    cache_dir = Path(settings.cache_dir).expanduser().resolve()
    items = [item for item in find_items(output_root, cache_dir) if item.kind in kinds]
    now = time.time()
    selected = select_items(items, max_age=max_age, max_bytes=max_bytes, now=now)
    if settings.apply:
        finish_deleting(output_root, cache_dir)
        selected = [item if item.keep_reason else delete_item(item) for item in selected]
    verb = "deleted" if settings.apply else "would delete"
    lines = [_line(item, verb, now=now) for item in selected]
    sizes = [item.bytes for item in selected if not item.keep_reason]
    total = decimal(sum(item.bytes for item in items))
    lines.append(f"{verb} {len(sizes)} of {len(items)}, {decimal(sum(sizes))} of {total}")
    if sizes and not settings.apply:
        lines[-1] += "; apply=true deletes them"
    if max_age is None and max_bytes is None:
        lines.append("No limit is set. Give older_than=30d, keep_under=20GB, or both.")
    return "\n".join(lines)


def parse_amount(
    key: str, value: object, units: Mapping[str, int], *, example: str
) -> float | None:
    """Return the value of a setting such as 30d (in seconds) or 20GB (in bytes); None for None.

    Raises:
        ConfigError: the value is not valid.
    """
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]+)", str(value).lower())
    factors = {name.lower(): factor for name, factor in units.items()}
    if match is None or match[2] not in factors:
        raise ConfigError(
            f"{key}={value} is not valid: give a number and a unit ({', '.join(units)}), "
            f"such as {key}={example}."
        )
    return float(match[1]) * factors[match[2]]


def select_items(
    items: Sequence[Item], *, max_age: float | None, max_bytes: float | None, now: float
) -> list[Item]:
    """Return the items that a limit applies to, the longest unused first.

    `max_age` is in seconds without use; `max_bytes` limits the total size of what is kept, items
    with a reason to be kept included; `now` is in seconds since the epoch.
    """
    total = sum(item.bytes for item in items)
    selected = []
    for item in sorted(items, key=lambda item: item.used):
        old = max_age is not None and now - item.used > max_age
        if old or (max_bytes is not None and total > max_bytes):
            selected.append(item)
            total -= 0 if item.keep_reason else item.bytes
    return selected


def delete_item(item: Item) -> Item:
    """Delete an item; return it, with a reason to keep it if it was used since it was listed.

    This process has the lock of the item meanwhile, so that no other one can start to use it.
    """
    with try_exclusive_lock(item.lock, create=item.kind == "runs") as free:
        if not free:
            return replace(item, keep_reason=IN_USE)
        if reason := look_again(item).keep_reason:
            return replace(item, keep_reason=reason)
        deleted = item.path.with_name(f".{item.path.name}{DELETED}")
        item.path.rename(deleted)
        _delete(deleted)
    return item


def finish_deleting(output_root: Path, cache_dir: Path) -> None:
    """Delete the folders that a killed process had begun to delete."""
    for parents in (output_root.glob("train"), output_root.glob("sweeps/*"), cache_dir.glob("*")):
        for deleted in (path for parent in parents for path in parent.glob(f".*{DELETED}")):
            if deleted.is_dir() and not deleted.is_symlink():
                _delete(deleted)


def _delete(deleted: Path) -> None:
    """Delete a folder with the suffix; the metrics.json of a tested run stays at its old path."""
    original = deleted.with_name(deleted.name.removeprefix(".").removesuffix(DELETED))
    with contextlib.suppress(RunError):  # a damaged metrics.json
        metrics = Run(deleted).metrics
        if metrics.get("test") and not original.exists():
            write_json(original / "metrics.json", metrics)
    shutil.rmtree(deleted)
    sync_folder(deleted.parent)


def _line(item: Item, verb: str, *, now: float) -> str:
    """Return the line of an item: kind, size, time since its last use, path, reason to keep it."""
    columns = f"{item.kind[:-1]:<5}  {decimal(item.bytes):>10}  {_age(now - item.used):>6}"
    if item.keep_reason:
        return f"{'kept':<12}  {columns}  {item.path} ({item.keep_reason})"
    return f"{verb:<12}  {columns}  {item.path}"


def _age(seconds: float) -> str:
    for unit in ("d", "h"):
        if seconds >= SECONDS[unit]:
            return f"{seconds / SECONDS[unit]:.0f} {unit}"
    return f"{max(seconds, 0) / 60:.0f} m"
