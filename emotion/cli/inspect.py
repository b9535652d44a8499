"""The command `inspect`: shape, values and plots of the model's input."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from emotion.audio.decode import Wave, decode_segment
from emotion.audio.standardise import Standardiser, pad_waves
from emotion.cli.commands import OK
from emotion.cli.hydra_job import output_folder
from emotion.config.build import build
from emotion.config.composition import Composition
from emotion.config.schema import InspectSettings
from emotion.data.corpora.index import build_index
from emotion.data.segments import clip_name, clip_times
from emotion.features.base import Features
from emotion.features.log_mel import LogMel
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.plots.inspect_plot import plot_model_input

PLOT = "inspect.png"
MAX_NAME = 28
NORMALISATION = {
    "train": "each clip normalised by mean and deviation, here of these clips",
    "clip": "each clip normalised by its own range",
    "band": "each band of a clip normalised by its own mean and deviation",
    "level": "each clip normalised by its own mean and a deviation, here of these clips",
    "none": "normalised by the network itself",
}
"""Description of each value of model.normalise."""


def run(composition: Composition[InspectSettings]) -> int:
    """Print and plot the input of a model; return the exit code."""
    print(inspect_model(composition.settings, output_folder()))
    return OK


@dataclass(frozen=True)
class InputImages:
    """The network inputs of a few clips."""

    names: Sequence[str]
    waves: Sequence[Wave]  # standardised, (T,) float32 each
    plain: Tensor  # without augmentation, (B, channels, M, F)
    augmented: Sequence[Tensor]  # the same with augmentation, each drawn anew


def inspect_model(settings: InspectSettings, folder: Path) -> str:
    """Plot a few clips into `folder`/inspect.png; return shape, values and size of the model.

    Raises:
        CorpusError: a corpus is missing.
        AudioError: a drawn clip cannot be read.
    """
    dataset = build(settings.dataset, "dataset")
    index = build_index(dataset, Path(settings.cache_dir) / "index")
    usable = index.table[index.table["emotion"].isin(index.labels)]
    table = usable if len(usable) else index.table
    clips = draw_clips(table, settings.clips, seed=settings.seed)
    standardiser: Standardiser = build(settings.preprocessing, "preprocessing")
    waves, names = [], []
    for row in clips.to_dict("records"):
        times = clip_times(row)
        waves.append(
            standardiser.as_in_training(*decode_segment(dataset.root / row["path"], *times))
        )
        clip = clip_name(Path(row["path"]).stem[:MAX_NAME], *times)
        names.append(f"{clip}\n{row['corpus']}, {row['emotion']}")
    torch.manual_seed(settings.seed)
    model = build_model(settings.model, index.labels)
    images = network_inputs(model, waves, names=names)
    input_s, image_s = spans(images, model.features)
    plot_model_input(
        folder / PLOT,
        images.waves,
        [[_first_channel(each) for each in batch] for batch in (images.plain, *images.augmented)],
        names=images.names,
        sample_rate=model.features.sample_rate,
        input_s=input_s,
        image_s=image_s,
        rows=model.features.rows,
    )
    return "\n".join([*describe_input(model, images, standardiser), f"plot: {folder / PLOT}"])


def draw_clips(table: pd.DataFrame, count: int, *, seed: int) -> pd.DataFrame:
    """Return `count` random clips whose emotions and corpora differ as much as possible."""
    left = table.sample(frac=1, random_state=seed)
    drawn: list[Any] = []
    while len(left) and len(drawn) < count:
        known = table.loc[drawn]
        repeats = pd.Series(0.0, index=left.index)
        for name in ("emotion", "corpus"):
            repeats += left[name].map(known[name].value_counts()).fillna(0)
        drawn.append(repeats.idxmin())
        left = left.drop(index=drawn[-1])
    return table.loc[drawn]


@torch.no_grad()
def network_inputs(
    model: EmotionClassifier, waves: Sequence[Wave], *, names: Sequence[str]
) -> InputImages:
    """Return the network inputs of clips, normalised by their own mean and deviation."""
    batch, length = (torch.from_numpy(array) for array in pad_waves(waves))
    image = model.features(batch, length)  # (B, T) -> (B, 1, M, F)
    model.set_normalisation(float(image.mean()), float(image.std()))
    plain = model.network_input(model.eval().image(batch, length)[0])
    augmented = []
    for _ in range(2 if model.augment is not None else 0):
        image, _ = model.train().image(batch, length)
        augmented.append(model.eval().network_input(image))
    return InputImages(names, waves, plain, augmented)


def describe_input(
    model: EmotionClassifier, images: InputImages, standardiser: Standardiser
) -> list[str]:
    """Return lines on the shape of the input, the time resolution and the size of the model."""
    features = model.features
    rate, window = features.sample_rate, features.samples
    lengths = sorted(len(wave) for wave in images.waves)
    clip = f"every clip: {lengths[0]:,} samples at {rate:,} Hz, {_ms(lengths[0], rate):,.0f} ms"
    if standardiser.length is None:
        span = f"{_ms(lengths[0], rate):,.0f} to {_ms(lengths[-1], rate):,.0f} ms"
        clip = f"these clips: {span} at {rate:,} Hz, each with its own length"
    if window is not None and lengths != [window] * len(lengths):
        clip += f"; cut, or padded with silence, to {_ms(window, rate):,.0f} ms for this model"
    total = sum(weight.numel() for weight in model.parameters())
    learn = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    shape = tuple(images.plain.shape[1:])
    resolution, axes = [], ""
    if isinstance(features, LogMel):
        axes = ": channels, mel bands, frames"
        resolution = [
            f"hop: {features.hop:,} samples, {_ms(features.hop, rate):.2f} ms per frame; "
            f"window: {features.n_fft:,} samples, {_ms(features.n_fft, rate):.1f} ms"
        ]
    return [
        f"{type(model).__name__}: each clip has the input shape {shape}{axes}",
        clip,
        *resolution,
        f"values: {images.plain.min():.2f} to {images.plain.max():.2f}; "
        + NORMALISATION[model.normalise],
        f"parameters: {total:,}"
        + (f", of which {learn:,} are trained" if learn < total else ", all trained"),
    ]


def spans(images: InputImages, features: Features) -> tuple[float, float]:
    """Return the seconds of a clip that the model receives, and those of the network input."""
    longest = max(len(wave) for wave in images.waves)
    input_s = (features.samples or longest) / features.sample_rate
    # A model may drop the frames after the longest clip.
    image_s = input_s * images.plain.shape[-1] / features.columns if features.samples else input_s
    return input_s, image_s


def _first_channel(image: Tensor) -> npt.NDArray[np.float32]:
    """Return the first channel of a network input, (…, M, F) or (M,) -> (M, F)."""
    channel = image.flatten(0, -3)[0] if image.ndim > 2 else image
    return np.atleast_2d(channel.numpy())


def _ms(samples: int, sample_rate: int) -> float:
    return 1000 * samples / sample_rate
