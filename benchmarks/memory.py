"""Does the memory of a training run grow with the clips, and does `auto` leave room?"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

from benchmarks.common import Target, in_turn, options, page, scratch_folder, short_clips
from benchmarks.training import train_words
from emotion.data.clip_store import ClipStore

FEW = 1000
LIMIT_MB = 300.0


def anonymous_mb(words: list[str]) -> float:
    """Return the most memory, RssAnon, that an `emotion` command held at a time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    most = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        found = re.search(r"RssAnon:\s*(\d+)", status)
        most = max(most, int(found[1]) if found else 0)
        time.sleep(0.02)
    if process.wait():
        raise SystemExit(process.stderr.read()[-3000:] if process.stderr else "")
    return most / 1024


def placed(share: float, folder: Path) -> str:
    """Return where `auto` puts a file that is as large as a share of the free memory."""
    file = folder / "samples.bin"
    file.touch()
    os.truncate(file, int(share * psutil.virtual_memory().available))
    one = torch.zeros(1)
    store = ClipStore(file, torch.int16, offset=one.long(), length=one.long(), scale=one, shift=one)
    return store.put("auto", torch.device("cpu")).place


def main() -> None:
    """Measure it, and write the page."""
    chosen = options(clips=5_000, repeats=1)
    with scratch_folder() as folder:

        def trained(count: int) -> float:
            run = folder / f"run-{count}"
            words = train_words(short_clips(count), folder / f"cache-{count}", run, "cnn", 1)
            words += ["preprocessing=speech_16k", "loader.place=disk"]
            subprocess.run([sys.executable, "-m", "emotion", *words], check=True, text=True)
            return anonymous_mb(words)

        memory = in_turn(
            {
                f"{FEW:,} clips": lambda: trained(FEW),
                f"{chosen.clips:,} clips": lambda: trained(chosen.clips),
            },
            chosen.repeats,
        )
        places = {share: placed(share, folder) for share in (0.3, 0.45, 0.55, 0.9)}
    few, many = memory.values()
    over = [share for share, place in places.items() if place != "disk" and share > 0.5]
    page(
        "memory",
        "Does the memory of a training run grow with the clips?",
        what="clips of 20 ms, preprocessing=speech_16k, one epoch of cnn over finished caches, "
        "loader.place=disk; the most anonymous memory (RssAnon) at a time",
        times=memory,
        unit="MB",
        targets=[
            Target(
                f"MB more for {chosen.clips:,} clips than for {FEW:,}",
                [more - less for more, less in zip(many, few, strict=True)],
                LIMIT_MB,
            ),
            Target("files above half of what is free that `auto` loads", [len(over)], 0),
        ],
        notes=[
            "A file of so much of the free memory is put: "
            + ", ".join(f"{share:.0%} {place}" for share, place in places.items())
            + "."
        ],
    )


if __name__ == "__main__":
    main()
