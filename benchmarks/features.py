"""Time of log-mel spectrograms by batch size, compared with torchaudio."""

from collections.abc import Callable
from functools import partial
from statistics import median

import torch
import torchaudio
from torch import Tensor

from benchmarks.common import (
    RATE,
    SAMPLES,
    Criterion,
    measure_cases,
    parse_options,
    ratios,
    time_call,
    write_timing_page,
)
from emotion.features.log_mel import LogMel

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
MELS = (128, 224)


def time_per_clip(transform: Callable[[Tensor], Tensor], wave: Tensor, size: int) -> float:
    """Return the milliseconds per clip of a transform in batches: (B, T), batch size -> ms."""

    def transform_all() -> None:
        for batch in torch.split(wave, size):
            transform(batch)
        if wave.is_cuda:
            torch.cuda.synchronize()

    with torch.no_grad():
        return 1000 * time_call(transform_all) / len(wave)


def log_mel(features: LogMel, wave: Tensor) -> Tensor:
    """Return spectrograms of clips without padding: (B, T) -> (B, 1, M, F)."""
    length = torch.full((len(wave),), wave.shape[1], device=wave.device)
    spectrograms: Tensor = features(wave, length)
    return spectrograms


def main() -> None:
    """Time all batch sizes and write the page."""
    options = parse_options(clips=128, repeats=7)
    device = torch.device(options.device)
    wave = 0.1 * torch.randn(options.clips, SAMPLES, device=device)
    times: dict[str, list[float]] = {}
    criteria = []
    for mels in MELS:
        ours = LogMel(RATE, 1000 * SAMPLES / RATE, n_mels=mels, frames=mels).to(device)
        theirs = torch.nn.Sequential(
            torchaudio.transforms.MelSpectrogram(RATE, 2048, hop_length=ours.hop, n_mels=mels),
            torchaudio.transforms.AmplitudeToDB(top_db=80),
        ).to(device)

        cases = {
            f"{mels} mels, {name}, batches of {size}": partial(time_per_clip, transform, wave, size)
            for name, transform in (
                ("this program", partial(log_mel, ours)),
                ("torchaudio", theirs),
            )
            for size in SIZES
        }
        for case in cases.values():
            case()
        found = measure_cases(cases, options.repeats)
        times |= found
        torchaudio_single = found[f"{mels} mels, torchaudio, batches of 1"]
        batches = {size: found[f"{mels} mels, this program, batches of {size}"] for size in SIZES}
        criteria += [
            Criterion(
                f"{mels} mels: batches of {size} / torchaudio, batches of 1",
                ratios(batch, torchaudio_single),
                1.0,
            )
            for size, batch in batches.items()
        ]
        slowest = max((median(batch), size) for size, batch in batches.items() if size > 1)[1]
        criteria.append(
            Criterion(
                f"{mels} mels: slowest batches, of {slowest} / batches of 1",
                ratios(batches[slowest], batches[1]),
                1.05,
            )
        )
    write_timing_page(
        "features",
        "Time of log-mel spectrograms by batch size",
        setup=f"{options.clips} clips of {SAMPLES:,} samples of noise on {device}",
        times=times,
        unit="milliseconds per clip",
        criteria=criteria,
        notes=[
            "torchaudio multiplies the transposed spectra by the filters, and later steps read the "
            "result against its memory order; the spectra of a large batch do not fit the "
            "processor's cache, so that large batches are slower. This program multiplies the "
            "filters by the spectra and processes as many clips at a time as it has threads."
        ],
    )


if __name__ == "__main__":
    main()
