"""Baseline without the package: a DataLoader that reads a file and computes a spectrogram per clip.

    python -m benchmarks.baseline prepare LIST FOLDER       prints the seconds per clip
    python -m benchmarks.baseline course LIST               the same with a resampling filter per
                                                            clip, as in the course project
    python -m benchmarks.baseline epoch LIST NETWORK SHAPE BATCH EPOCHS DEVICE
                                                            prints the seconds of the training and
                                                            the validation pass of every epoch
    python -m benchmarks.baseline fresh …                   the same with mel filters per clip

Two workers load the data; resampling filters are built once per sample rate, outside the time.
"""

import itertools
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

RATE, SAMPLES = 24414, 63916
VAL_DIVISOR = 6
"""One clip in six validates."""


def read(path: str) -> tuple[Tensor, int]:
    """Return the samples of a file, (T,), and its sample rate."""
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(wave).mean(dim=1), rate


def fit(wave: Tensor) -> Tensor:
    """Return a clip of fixed length, padded by reflection or cut: (T,) -> (SAMPLES,)."""
    missing = max(0, SAMPLES - len(wave))
    return torch.from_numpy(np.pad(wave.numpy(), (0, missing), mode="reflect"))[:SAMPLES]


class Resampled(Dataset[Tensor]):
    """Waves of audio files, resampled to one rate and fitted to one length."""

    def __init__(self, paths: list[str], filters: dict[int, torch.nn.Module] | None) -> None:
        self.paths = paths
        self.filters = filters

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        wave, rate = read(self.paths[index])
        if rate == RATE:
            return fit(wave)
        filters = self.filters
        resample = filters[rate] if filters else torchaudio.transforms.Resample(rate, RATE)
        return fit(resample(wave))


class Spectrograms(Dataset[tuple[Tensor, int]]):
    """Log-mel spectrograms of prepared files, computed per clip.

    Args:
        paths: NumPy files of waves, (SAMPLES,).
        size: mel bands and frames.
        augmented: shift in time and mask, as in training.
        fresh: build the mel filters for every clip, as in the course project.
    """

    def __init__(self, paths: list[str], size: int, *, augmented: bool, fresh: bool) -> None:
        self.paths = paths
        self.fresh = fresh
        self.size = size
        self.augmented = augmented
        self.mel = self.build_mel()
        self.decibels = torchaudio.transforms.AmplitudeToDB(top_db=80)
        self.masks = torch.nn.Sequential(
            torchaudio.transforms.FrequencyMasking(size // 10),
            torchaudio.transforms.TimeMasking(size // 10),
        )

    def build_mel(self) -> torch.nn.Module:
        """Return the transform from wave to mel bands."""
        hop = SAMPLES // (self.size - 1)
        mel = torchaudio.transforms.MelSpectrogram(RATE, 2048, hop_length=hop, n_mels=self.size)
        assert isinstance(mel, torch.nn.Module)
        return mel

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        wave = torch.from_numpy(np.load(self.paths[index]))
        if self.augmented:
            limit = int(0.3 * SAMPLES)
            wave = wave.roll(int(torch.randint(-limit, limit + 1, ())))
        mel = self.build_mel() if self.fresh else self.mel
        image = self.decibels(mel(wave[None]))[..., : self.size]
        if self.augmented:
            image = self.masks(self.masks(image))
        return image / 40 + 1, index % 6


def prepare(paths: list[str], folder: Path) -> float:
    """Write one file per clip; return the seconds per clip, without building the filters."""
    rates = {soundfile.info(path).samplerate for path in paths} - {RATE}
    filters = {rate: torchaudio.transforms.Resample(rate, RATE) for rate in rates}
    start = time.perf_counter()
    waves = DataLoader(Resampled(paths, filters), batch_size=None, num_workers=2)
    for index, wave in enumerate(waves):
        np.save(folder / f"{index}.npy", wave.numpy())
    return (time.perf_counter() - start) / len(paths)


def course(paths: list[str]) -> float:
    """Return the seconds per clip when the resampling filter is built for every clip."""
    start = time.perf_counter()
    waves = Resampled(paths, None)
    for index in range(len(waves)):
        assert len(waves[index]) == SAMPLES
    return (time.perf_counter() - start) / len(paths)


def passes(
    paths: list[str],
    network: torch.nn.Module,
    channels: int,
    size: int,
    batch: int,
    device: str,
    fresh: bool,
) -> Iterable[tuple[float, float]]:
    """Yield the seconds of the training and the validation pass of every epoch, without end."""
    network.to(device)
    adam = torch.optim.Adam(network.parameters())
    cut = len(paths) // VAL_DIVISOR
    loaders = [
        DataLoader(
            Spectrograms(part, size, augmented=train, fresh=fresh),
            batch_size=batch,
            shuffle=train,
            num_workers=2,
            persistent_workers=True,
        )
        for part, train in ((paths[cut:], True), (paths[:cut], False))
    ]
    while True:
        seconds = []
        for loader, train in zip(loaders, (True, False), strict=True):
            start = time.perf_counter()
            network.train(train)
            for image, target in loader:
                inputs = image.to(device).expand(-1, channels, -1, -1)
                with torch.set_grad_enabled(train):
                    loss = cross_entropy(network(inputs), target.to(device))
                if train:
                    adam.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    adam.step()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        yield seconds[0], seconds[1]


def main(arguments: list[str]) -> None:
    """Run the variant that the command line names."""
    variant = arguments[0]
    files = Path(arguments[1]).read_text(encoding="utf-8").split("\n")
    if variant == "prepare":
        print(prepare(files, Path(arguments[2])))
    elif variant == "course":
        print(course(files))
    else:
        file, shape, batch, epochs, device = arguments[2:]
        network = torch.load(file, weights_only=False)
        channels, size, _ = map(int, shape.split("x"))
        fresh = variant == "fresh"
        seconds = passes(files, network, channels, size, int(batch), device, fresh)
        for train, val in itertools.islice(seconds, int(epochs)):
            print(train, val)


if __name__ == "__main__":
    main(sys.argv[1:])
