"""Bare loop that decodes, resamples, pads or cuts, hashes and stores clips as int16.

Arguments: file that lists the paths, output folder, processes. Prints the seconds.
"""

import hashlib
import math
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE, SAMPLES = 24414, 63916
paths = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n")
folder, jobs = Path(sys.argv[2]), int(sys.argv[3])


def write(part: int) -> None:
    digests = []
    with (folder / f"part-{part}.bin").open("wb") as file:
        for path in paths[part * 128 : part * 128 + 128]:
            wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
            wave = wave[:, 0] if wave.shape[1] == 1 else wave.mean(axis=1)
            digests.append(hashlib.sha256(wave.tobytes()).hexdigest())
            wave = wave[: math.ceil(2.668 * rate)]
            if rate != RATE:
                wave = soxr.resample(wave, rate, RATE, quality="HQ")
            if len(wave) < SAMPLES:
                wave = np.pad(wave, (0, SAMPLES - len(wave)), mode="reflect")
            scale = np.float32(max(float(np.abs(wave[:SAMPLES]).max()), 1e-9) / 32767)
            file.write(np.round(wave[:SAMPLES] / scale).astype(np.int16).tobytes())
    (folder / f"part-{part}.txt").write_text("\n".join(digests))


start = time.perf_counter()
with multiprocessing.get_context("fork").Pool(jobs) as pool:
    pool.map(write, range(-(-len(paths) // 128)), chunksize=1)
print(time.perf_counter() - start)
