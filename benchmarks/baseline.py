"""The usual way, done fairly: two workers, a file and a spectrogram per item, a filter per rate.

    python -m benchmarks.baseline prepare LIST FOLDER       prints seconds a clip, beyond filters
    python -m benchmarks.baseline course LIST               the same, a filter per clip
    python -m benchmarks.baseline epoch LIST NETWORK SHAPE BATCH EPOCHS DEVICE
                                                            prints both passes' seconds
    python -m benchmarks.baseline fresh …                   the same, mel filters made per item

It shares no code with the program.
"""

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
VAL_SHARE = 6
"""One clip in six is for validation."""


def read(path: str) -> tuple[Tensor, int]:
    """Return a file's samples, (T,), and their rate."""
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(wave).mean(dim=1), rate


def fit(wave: Tensor) -> Tensor:
    """Return a clip of the wanted length, mirrored at its end or cut: (T,) -> (SAMPLES,)."""
    missing = max(0, SAMPLES - len(wave))
    return torch.from_numpy(np.pad(wave.numpy(), (0, missing), mode="reflect"))[:SAMPLES]


class Resampled(Dataset[Tensor]):
    """Files at one rate and of one length."""

    def __init__(self, paths: list[str], filters: dict[int, torch.nn.Module] | None) -> None:
        self.paths = paths
        self.filters = filters

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> Tensor:
        wave, rate = read(self.paths[place])
        if rate == RATE:
            return fit(wave)
        given = self.filters
        change = given[rate] if given else torchaudio.transforms.Resample(rate, RATE)
        return fit(change(wave))


class Spectrograms(Dataset[tuple[Tensor, int]]):
    """Prepared files as log-mel spectrograms, each computed when it is asked for.

    Where the filters are `fresh`, each item has its own made, as the course project does.
    """

    def __init__(self, paths: list[str], size: int, *, augmented: bool, fresh: bool) -> None:
        self.paths = paths
        self.fresh = fresh
        self.size = size
        self.augmented = augmented
        self.mel = self.filters()
        self.decibels = torchaudio.transforms.AmplitudeToDB(top_db=80)
        self.masks = torch.nn.Sequential(
            torchaudio.transforms.FrequencyMasking(size // 10),
            torchaudio.transforms.TimeMasking(size // 10),
        )

    def filters(self) -> torch.nn.Module:
        """Return the transform of a wave into mel bands."""
        hop = SAMPLES // (self.size - 1)
        made = torchaudio.transforms.MelSpectrogram(RATE, 2048, hop_length=hop, n_mels=self.size)
        assert isinstance(made, torch.nn.Module)
        return made

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        wave = torch.from_numpy(np.load(self.paths[place]))
        if self.augmented:
            most = int(0.3 * SAMPLES)
            wave = wave.roll(int(torch.randint(-most, most + 1, ())))
        mel = self.filters() if self.fresh else self.mel
        image = self.decibels(mel(wave[None]))[..., : self.size]
        if self.augmented:
            image = self.masks(self.masks(image))
        return image / 40 + 1, place % 6


def prepare(paths: list[str], folder: Path) -> float:
    """Write a file a clip; return the seconds a clip, the making of filters left out."""
    rates = {soundfile.info(path).samplerate for path in paths} - {RATE}
    filters = {rate: torchaudio.transforms.Resample(rate, RATE) for rate in rates}
    start = time.perf_counter()
    waves = DataLoader(Resampled(paths, filters), batch_size=None, num_workers=2)
    for place, wave in enumerate(waves):
        np.save(folder / f"{place}.npy", wave.numpy())
    return (time.perf_counter() - start) / len(paths)


def course(paths: list[str]) -> float:
    """Return the seconds a clip where every clip has its filter made."""
    start = time.perf_counter()
    waves = Resampled(paths, None)
    for place in range(len(waves)):
        assert len(waves[place]) == SAMPLES
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
    """Yield the seconds of a training and of a validation pass, without end."""
    network.to(device)
    adam = torch.optim.Adam(network.parameters())
    cut = len(paths) // VAL_SHARE
    loaders = [
        DataLoader(
            Spectrograms(part, size, augmented=learn, fresh=fresh),
            batch_size=batch,
            shuffle=learn,
            num_workers=2,
            persistent_workers=True,
        )
        for part, learn in ((paths[cut:], True), (paths[:cut], False))
    ]
    while True:
        seconds = []
        for loader, learn in zip(loaders, (True, False), strict=True):
            start = time.perf_counter()
            network.train(learn)
            for image, target in loader:
                inputs = image.to(device).expand(-1, channels, -1, -1)
                with torch.set_grad_enabled(learn):
                    loss = cross_entropy(network(inputs), target.to(device))
                if learn:
                    adam.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    adam.step()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        yield seconds[0], seconds[1]


def main(words: list[str]) -> None:
    """Do what the words ask."""
    files = Path(words[1]).read_text(encoding="utf-8").split("\n")
    if words[0] == "prepare":
        print(prepare(files, Path(words[2])))
    elif words[0] == "course":
        print(course(files))
    else:
        network = torch.load(words[2], weights_only=False)
        channels, size, _ = map(int, words[3].split("x"))
        rounds = passes(
            files, network, channels, size, int(words[4]), words[6], fresh=words[0] == "fresh"
        )
        for _, (train, val) in zip(range(int(words[5])), rounds, strict=False):
            print(train, val)


if __name__ == "__main__":
    main(sys.argv[1:])
