"""Runs `emotion` on a disk so slow that a kill lands inside its writes, and notes what is done.

Its processes are forks of one that has imported all that a command needs: a start takes no time.
"""

import io
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from emotion.cli.main import run
from emotion.data import waveform_cache as cache
from emotion.data import waveform_cache_worker as parts

fast_open = io.open

PIECE = 32 * 1024
PIECE_SECONDS = 0.004
CALL_SECONDS = 0.008
PART_CLIPS = 8
"""Clips of a cache's part, so that a few dozen clips have several."""


def start(notes: Path, *words: str, **environment: str) -> ForkServerProcess:
    """Return the process of a command, under way, with variables of its environment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=command, args=(notes, words, environment))
    process.start()
    return process


class SlowFile(io.FileIO):
    """Takes a little at a time."""

    def write(self, data: Any) -> int | None:
        time.sleep(PIECE_SECONDS)
        return super().write(memoryview(data).cast("B")[:PIECE])


def slow_open(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
    """Open a file; one that is written beside its place is slow."""
    if ".partial" not in str(file) or not set(mode) & set("wa"):
        return fast_open(file, mode, *more, **options)
    raw = io.BufferedWriter(SlowFile(file, mode.replace("b", "").replace("t", "")))
    given = dict(zip(("buffering", "encoding", "errors", "newline"), more, strict=False))
    given = {name: value for name, value in (given | options).items() if name != "buffering"}
    return raw if "b" in mode else io.TextIOWrapper(raw, **given)


def slowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes its time before and after."""

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(CALL_SECONDS)
        done = function(*arguments, **options)
        time.sleep(CALL_SECONDS)
        return done

    return slow


def noted(notes: Path) -> Callable[..., None]:
    """Return what appends a line to the notes, in one write that no kill divides."""
    handle = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return lambda *_: os.write(handle, f"{time.time()}\n".encode()) and None


def command(notes: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Be the command; leave its output in a file beside the notes.

    Each optimizer step, and each clip that `prepare` decodes, adds its time to the notes.
    """
    for stream in (1, 2):
        os.dup2(os.open(f"{notes}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT), stream)
    os.environ.update(environment)
    note = noted(notes)
    io.open = slow_open  # type: ignore[assignment]
    for name in ("fsync", "replace", "rename"):
        setattr(os, name, slowed(getattr(os, name)))
    decode = parts.decode
    if words[0] == "prepare":
        parts.decode = lambda path: (note(), decode(path))[1]
    else:
        register_optimizer_step_post_hook(note)
    cache.PART_CLIPS = PART_CLIPS
    code = run(words)
    sys.stdout.flush()
    os._exit(code)  # joblib's idle workers would be waited for, five minutes long
