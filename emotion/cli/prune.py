"""The command `prune`: drops caches and runs by age or size, and nothing that anything cites.

What a dropped run weighs in judging others stays: its lines in the ledger, and its metrics.json,
since a run that the test alone prefers is found by comparing it with all that were tested.
"""

import contextlib
import re
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from rich.filesize import decimal

from emotion.cli.commands import OK
from emotion.config.composition import Config
from emotion.errors import ConfigError, RunError, near
from emotion.runs.inventory import Item, find_items
from emotion.runs.run import Run
from emotion.utils.files import sync_folder, write_json

KINDS = ("caches", "runs")
SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
DROPPED = ".being-dropped"
"""Ends the name of what is being dropped: it is no run and no cache any more."""

Fate = Literal["drop", "keep"]


def run(config: Config) -> int:
    """Drop what is old and cited by nothing; return the exit code."""
    print(prune(config))
    return OK


@dataclass(frozen=True)
class Verdict:
    """What becomes of an item, and why it is kept where it was asked for."""

    item: Item
    fate: Fate
    reason: str = ""


def prune(config: Config) -> str:
    """Drop what the settings ask for, or say what they would drop; return it in words.

    Raises:
        ConfigError: an age, a size or a kind that is none.
    """
    kinds = _kinds(config["kind"])
    age = None if config["older_than"] is None else parse_age(config["older_than"])
    size = None if config["keep_under"] is None else parse_size(config["keep_under"])
    output_root, cache_dir = (
        Path(config[key]).expanduser().resolve() for key in ("output_root", "cache_dir")
    )
    items = [item for item in find_items(output_root, cache_dir) if item.kind in kinds]
    verdicts = judge(items, older_than=age, keep_under=size, now=time.time())
    apply = bool(config["apply"])
    if apply:
        finish_dropping(output_root, cache_dir)
        verdicts = [drop(each) if each.fate == "drop" else each for each in verdicts]
    lines = describe(verdicts, now=time.time(), done=apply)
    if age is None and size is None:
        lines.append("Say what to drop: older_than=30d, keep_under=20GB, or both.")
    return "\n".join(lines)


def parse_age(text: object) -> float:
    """Return the seconds of an age such as 12h, 30d or 8w.

    Raises:
        ConfigError: it is none.
    """
    return _amount(text, SECONDS, said="older_than={} is no age: give a number and {}, as 30d.")


def parse_size(text: object) -> float:
    """Return the bytes of a size such as 500MB or 20GB.

    Raises:
        ConfigError: it is none.
    """
    return _amount(text, BYTES, said="keep_under={} is no size: give a number and {}, as 20GB.")


def _amount(text: object, units: Mapping[str, int], *, said: str) -> float:
    sizes = {name.lower(): size for name, size in units.items()}
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]+)", str(text).lower())
    if match is None or match[2] not in sizes:
        raise ConfigError(said.format(text, ", ".join(units)))
    return float(match[1]) * sizes[match[2]]


def judge(
    items: Sequence[Item], *, older_than: float | None, keep_under: float | None, now: float
) -> list[Verdict]:
    """Return what becomes of each item, the longest unused first.

    Args:
        items: all that count towards `keep_under`, those included that must stay.
        older_than: seconds unused after which an item goes; None for no such limit.
        keep_under: bytes that the rest may take; None for any.
        now: seconds since the epoch.
    """
    left = sum(item.bytes for item in items)
    verdicts = []
    for item in sorted(items, key=lambda item: item.used):
        old = older_than is not None and now - item.used > older_than
        large = keep_under is not None and left > keep_under
        if (old or large) and not item.held:
            verdicts.append(Verdict(item, "drop"))
            left -= item.bytes
        else:
            verdicts.append(Verdict(item, "keep", item.held if old or large else ""))
    return verdicts


def drop(verdict: Verdict) -> Verdict:
    """Drop an item; return what became of it: it stays where a process has begun to use it."""
    path = verdict.item.path
    with contextlib.ExitStack() as stack:
        if verdict.item.lock is not None:
            try:
                stack.enter_context(FileLock(verdict.item.lock, timeout=0))
            except Timeout:
                return Verdict(verdict.item, "keep", "a process builds it")
        aside = path.with_name(f".{path.name}{DROPPED}")
        path.rename(aside)
        _finish(aside)
    return verdict


def finish_dropping(output_root: Path, cache_dir: Path) -> None:
    """Finish what a killed call began to drop."""
    begun = [*output_root.glob(f"train/.*{DROPPED}"), *output_root.glob(f"sweeps/*/.*{DROPPED}")]
    begun += cache_dir.glob(f"*/.*{DROPPED}")
    for aside in begun:
        if aside.is_dir() and not aside.is_symlink():
            _finish(aside)


def _finish(aside: Path) -> None:
    """Remove a folder that was set aside; of a tested run, its figures stay."""
    place = aside.with_name(aside.name.removeprefix(".").removesuffix(DROPPED))
    with contextlib.suppress(RunError):  # damaged figures are none
        figures = Run(aside).metrics
        if figures.get("test") and not place.exists():
            write_json(place / "metrics.json", figures)
    shutil.rmtree(aside)
    sync_folder(aside.parent)


def describe(verdicts: Sequence[Verdict], *, now: float, done: bool) -> list[str]:
    """Return a line an item that goes or would have gone, and what that frees."""
    verb = "dropped" if done else "would drop"
    lines = []
    for each in verdicts:
        item = each.item
        said = f"{item.kind[:-1]:<5}  {decimal(item.bytes):>10}  {_age(now - item.used):>6}"
        if each.fate == "drop":
            lines.append(f"{verb:<10}  {said}  {item.path}")
        elif each.reason:
            lines.append(f"{'keeps':<10}  {said}  {item.path} ({each.reason})")
    gone = [each.item.bytes for each in verdicts if each.fate == "drop"]
    freed = f"{decimal(sum(gone))} of {decimal(sum(each.item.bytes for each in verdicts))}"
    if done:
        return [*lines, f"dropped {len(gone)}, {freed}"]
    hint = "; apply=true does it" if gone else ""
    return [*lines, f"would drop {len(gone)} of {len(verdicts)}, {freed}{hint}"]


def _kinds(given: object) -> Collection[str]:
    kinds = [given] if isinstance(given, str) else given
    if not isinstance(kinds, list) or not kinds:
        raise ConfigError(f"kind={given} names nothing.{near('', KINDS)}")
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"kind={kind} is none.{near(str(kind), KINDS)}")
    return kinds


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0) / 60:.0f} m"
