"""Does a batch of spectrograms cost less a clip than one after another?"""

from functools import partial
from statistics import median

import torch
import torchaudio

from benchmarks.common import RATE, SAMPLES, Target, in_turn, options, page, ratios, seconds_of
from emotion.features.log_mel import LogMel

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
MELS = (128, 224)


def a_clip(transform: torch.nn.Module, wave: torch.Tensor, size: int) -> float:
    """Return the milliseconds a clip of a transform that is given so many at once."""

    def all_clips() -> None:
        for some in torch.split(wave, size):
            transform(some)
        if wave.is_cuda:
            torch.cuda.synchronize()

    with torch.no_grad():
        return 1000 * seconds_of(all_clips) / len(wave)


def main() -> None:
    """Time all sizes, and write the page."""
    chosen = options(clips=128, repeats=7)
    device = torch.device(chosen.device)
    wave = 0.1 * torch.randn(chosen.clips, SAMPLES, device=device)
    times: dict[str, list[float]] = {}
    targets = []
    for mels in MELS:
        ours = LogMel(RATE, 1000 * SAMPLES / RATE, n_mels=mels, frames=mels).to(device)
        theirs = torch.nn.Sequential(
            torchaudio.transforms.MelSpectrogram(RATE, 2048, hop_length=ours.hop, n_mels=mels),
            torchaudio.transforms.AmplitudeToDB(top_db=80),
        ).to(device)

        cases = {
            f"{mels} mels, {name}, by {size}": partial(a_clip, transform, wave, size)
            for name, transform in (("this program", ours), ("torchaudio", theirs))
            for size in SIZES
        }
        for case in cases.values():
            case()
        found = in_turn(cases, chosen.repeats)
        times |= found
        alone = found[f"{mels} mels, torchaudio, by 1"]
        ours_alone = found[f"{mels} mels, this program, by 1"]
        batches = {size: found[f"{mels} mels, this program, by {size}"] for size in SIZES}
        targets += [
            Target(
                f"{mels} mels: a clip in a batch of {size} / torchaudio's alone",
                ratios(batch, alone),
                1.0,
            )
            for size, batch in batches.items()
        ]
        slowest = max((median(batch), size) for size, batch in batches.items() if size > 1)[1]
        targets.append(
            Target(
                f"{mels} mels: in the slowest batch, of {slowest} / this program's alone",
                ratios(batches[slowest], ours_alone),
                1.05,
            )
        )
    page(
        "features",
        "Does a batch of spectrograms cost less a clip than one after another?",
        what=f"{chosen.clips} clips of 63,916 samples of noise on {device}",
        times=times,
        unit="milliseconds a clip",
        targets=targets,
        notes=[
            "torchaudio's product of filters and spectra has its result the wrong way round, and "
            "the spectra of a whole batch fit no cache: there a batch loses. This program puts "
            "the filters first and takes as many clips at a time as it has threads."
        ],
    )


if __name__ == "__main__":
    main()
