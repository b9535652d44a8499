"""Memory of a training run by number of clips, and where `loader.place=auto` keeps tensors."""

import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import torch

from benchmarks.common import (
    Criterion,
    measure_cases,
    parse_options,
    run_command,
    scratch_folder,
    short_clips,
    write_timing_page,
)
from benchmarks.training import train_arguments
from emotion.data.clip_store import ClipStore

FEW = 1000
LIMIT_MB = 300.0
FRACTIONS = (0.3, 0.45, 0.55, 0.9)
"""Sizes of the files whose place is reported, as fractions of the free memory."""


def peak_memory_mb(arguments: list[str]) -> float:
    """Return the greatest anonymous memory (RssAnon) of an `emotion` command."""
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak_kb = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        match = re.search(r"RssAnon:\s*(\d+)", status)
        peak_kb = max(peak_kb, int(match[1]) if match else 0)
        time.sleep(0.02)
    if process.wait():
        raise SystemExit(process.stderr.read()[-3000:] if process.stderr else "")
    return peak_kb / 1024


def automatic_place(fraction: float, folder: Path) -> str:
    """Return where `auto` keeps a file that is as large as a fraction of the free memory."""
    file = folder / "samples.bin"
    file.touch()
    os.truncate(file, int(fraction * psutil.virtual_memory().available))
    one = torch.zeros(1)
    store = ClipStore(file, torch.int16, offset=one.long(), length=one.long(), scale=one, shift=one)
    return store.put("auto", torch.device("cpu")).place


def main() -> None:
    """Measure the memory and write the page."""
    options = parse_options(clips=5_000, repeats=1)
    with scratch_folder() as folder:

        def train_twice(count: int) -> float:
            output = folder / f"run-{count}"
            cache = folder / f"cache-{count}"
            arguments = train_arguments(short_clips(count), cache, output, "cnn", 1)
            arguments += ["preprocessing=speech_16k", "loader.place=disk"]
            run_command(*arguments)  # fills the caches
            return peak_memory_mb(arguments)

        memory = measure_cases(
            {f"{count:,} clips": partial(train_twice, count) for count in (FEW, options.clips)},
            options.repeats,
        )
        places = {fraction: automatic_place(fraction, folder) for fraction in FRACTIONS}
    few, many = memory.values()
    too_large = [fraction for fraction in places if places[fraction] != "disk" and fraction > 0.5]
    write_timing_page(
        "memory",
        "Memory of a training run by number of clips",
        setup="Clips of 20 ms, preprocessing=speech_16k, one epoch of cnn with complete caches, "
        "loader.place=disk; greatest anonymous memory (RssAnon)",
        times=memory,
        unit="MB",
        criteria=[
            Criterion(
                f"MB more for {options.clips:,} clips than for {FEW:,}",
                [more - less for more, less in zip(many, few, strict=True)],
                LIMIT_MB,
            ),
            Criterion("files over half of the free memory that `auto` loads", [len(too_large)], 0),
        ],
        notes=[
            "Place of a file by its size, as a fraction of the free memory: "
            + ", ".join(f"{fraction:.0%} {place}" for fraction, place in places.items())
            + "."
        ],
    )


if __name__ == "__main__":
    main()
