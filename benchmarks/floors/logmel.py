"""Bare loop from audio files to log-mel spectrograms on disk.

Arguments: file that lists the paths, output folder, processes. Prints the seconds.
"""

import math
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

RATE, SAMPLES, MELS, FRAMES, N_FFT, HOP = 24414, 63916, 128, 128, 2048, 503
paths = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n")
window, filters = torch.hann_window(N_FFT), torch.rand(MELS, N_FFT // 2 + 1)


def write(part: int) -> None:
    torch.set_num_threads(1)
    with Path(sys.argv[2], f"part-{part}.bin").open("wb") as file:
        for path in paths[part * 64 : part * 64 + 64]:
            wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
            wave = wave.mean(axis=1)[: math.ceil(2.668 * rate)]
            wave = soxr.resample(wave, rate, RATE, quality="HQ")[:SAMPLES]
            wave = np.pad(wave, (0, SAMPLES - len(wave)), mode="reflect")
            spectrum = torch.stft(
                torch.from_numpy(wave), N_FFT, HOP, window=window, return_complex=True
            )[:, :FRAMES]
            mel = filters @ (spectrum.real.square() + spectrum.imag.square())
            level = 10 * torch.log10(mel.clamp(min=1e-10))
            level = level.clamp(min=float(level.max()) - 80)
            file.write(((level + 40) * 400).to(torch.int16).numpy().tobytes())


start = time.perf_counter()
with multiprocessing.get_context("fork").Pool(int(sys.argv[3])) as pool:
    pool.map(write, range(-(-len(paths) // 64)), chunksize=1)
print(time.perf_counter() - start)
