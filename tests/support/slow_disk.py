"""Run `emotion` with slow file writes, so that a kill interrupts them, and a log of its progress.

The processes are forked from one that has imported everything, so that they start at once.
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
from emotion.data import waveform_cache, waveform_cache_worker

fast_open = io.open

PIECE = 32 * 1024
PIECE_SECONDS = 0.004
CALL_SECONDS = 0.008
PART_CLIPS = 8
"""Clips in one part of a cache, so that a few dozen clips give several parts."""


def start(notes: Path, *words: str, **environment: str) -> ForkServerProcess:
    """Start a command with environment variables, and return its process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=command, args=(notes, words, environment))
    process.start()
    return process


class SlowFile(io.FileIO):
    """A file that writes small pieces, with a pause before each."""

    def write(self, data: Any) -> int | None:
        time.sleep(PIECE_SECONDS)
        return super().write(memoryview(data).cast("B")[:PIECE])


def slow_open(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
    """Open a file; writes to a `.partial` file are slow."""
    if ".partial" not in str(file) or not set(mode) & set("wa"):
        return fast_open(file, mode, *more, **options)
    raw = io.BufferedWriter(SlowFile(file, mode.replace("b", "").replace("t", "")))
    named = dict(zip(("buffering", "encoding", "errors", "newline"), more, strict=False))
    named = {name: value for name, value in (named | options).items() if name != "buffering"}
    return raw if "b" in mode else io.TextIOWrapper(raw, **named)


def slowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with a pause before and after each call."""

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(CALL_SECONDS)
        result = function(*arguments, **options)
        time.sleep(CALL_SECONDS)
        return result

    return slow


def time_logger(notes: Path) -> Callable[..., None]:
    """Return a function that appends the time to `notes`, in one write that no kill interrupts."""
    handle = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return lambda *_: os.write(handle, f"{time.time()}\n".encode()) and None


def command(notes: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command in this process; write its output to `<notes>.log`.

    Each optimizer step, and each clip that `prepare` decodes, appends its time to `notes`.
    """
    for stream in (1, 2):
        os.dup2(os.open(f"{notes}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT), stream)
    os.environ.update(environment)
    log_time = time_logger(notes)
    io.open = slow_open  # type: ignore[assignment]
    for name in ("fsync", "replace", "rename"):
        setattr(os, name, slowed(getattr(os, name)))
    decode = waveform_cache_worker.decode
    if words[0] == "prepare":
        waveform_cache_worker.decode = lambda *given, **more: (log_time(), decode(*given, **more))[
            1
        ]
    else:
        register_optimizer_step_post_hook(log_time)
    waveform_cache.PART_CLIPS = PART_CLIPS
    code = run(words)
    sys.stdout.flush()
    os._exit(code)  # a normal exit would wait five minutes for joblib's idle workers
