"""The command `inspect`: what reaches the network, in figures and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from emotion.audio.decode import Wave, decode
from emotion.audio.quantise import dequantise, quantise
from emotion.audio.standardise import Standardiser
from emotion.cli.commands import OK
from emotion.cli.hydra_job import output_folder
from emotion.config.composition import Config
from emotion.data.corpora.index import build_index
from emotion.errors import ConfigError
from emotion.features.base import Features
from emotion.features.log_mel import LogMel
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.utils.files import written_whole

PICTURE = "inspect.png"
LONGEST_NAME = 28
NORMALISED = {
    "train": "each clip normalised by mean and deviation, here of these clips",
    "clip": "each clip normalised by its own range",
    "band": "each band of a clip normalised by its own mean and deviation",
    "level": "each clip normalised by its own mean and a deviation, here of these clips",
    "none": "normalised by the network itself",
}
"""What each setting of model.normalise does, in words."""
AUGMENTED = 2
"""How often each clip is drawn with augmentation."""


def run(config: Config) -> int:
    """Show what reaches the model; return the exit code."""
    print(inspect_model(config, output_folder()))
    return OK


@dataclass(frozen=True)
class Views:
    """Some clips as a model meets them.

    Attributes:
        names: what each clip is called.
        waves: standardised, (T,) float32 each.
        plain: what the network sees, (B, channels, M, F).
        augmented: the same in training, each time drawn anew.
    """

    names: Sequence[str]
    waves: Sequence[Wave]
    plain: Tensor
    augmented: Sequence[Tensor]


def inspect_model(config: Config, folder: Path) -> str:
    """Draw a few clips into `folder`/inspect.png; return what reaches the network and how.

    Raises:
        ConfigError: no clip is asked for.
        CorpusError: a corpus is missing.
        AudioError: a drawn clip cannot be read.
    """
    if config["clips"] < 1:
        raise ConfigError(f"clips={config['clips']} must be at least 1.")
    dataset = config.build("dataset")
    index = build_index(dataset, Path(config["cache_dir"]) / "index")
    usable = index.table[index.table["emotion"].isin(index.labels)]
    table = usable if len(usable) else index.table
    clips = draw_clips(table, config["clips"], seed=config["seed"])
    standardiser: Standardiser = config.build("preprocessing")
    waves = [standardised(dataset.root / path, standardiser) for path in clips["path"]]
    torch.manual_seed(config["seed"])
    model = build_model(config.replaced({"dataset.labels": list(index.labels)}))
    said = clips[["path", "corpus", "emotion"]].itertuples(index=False, name=None)
    names = [
        f"{Path(path).stem[:LONGEST_NAME]}\n{corpus}, {emotion}" for path, corpus, emotion in said
    ]
    views = look(model, waves, names=names)
    with written_whole(folder / PICTURE) as file:
        draw(views, model.features).savefig(file, format="png", dpi=110, bbox_inches="tight")
    return "\n".join([*describe(model, views, standardiser), f"picture: {folder / PICTURE}"])


def draw_clips(table: pd.DataFrame, count: int, *, seed: int) -> pd.DataFrame:
    """Return `count` clips, drawn so that their emotions and corpora differ as far as they can."""
    left = table.sample(frac=1, random_state=seed)
    drawn: list[Any] = []
    while len(left) and len(drawn) < count:
        met = table.loc[drawn]
        again = pd.Series(0.0, index=left.index)
        for name in ("emotion", "corpus"):
            again += left[name].map(met[name].value_counts()).fillna(0)
        drawn.append(again.idxmin())
        left = left.drop(index=drawn[-1])
    return table.loc[drawn]


def standardised(path: Path, standardiser: Standardiser) -> Wave:
    """Return a file's clip as training sees it, (T,), the rounding of the cache included."""
    return dequantise(*quantise(standardiser(*decode(path)), standardiser.storage))


@torch.no_grad()
def look(model: EmotionClassifier, waves: Sequence[Wave], *, names: Sequence[str]) -> Views:
    """Return the clips as the network sees them, normalised by their own mean and deviation."""
    batch = nn.utils.rnn.pad_sequence([torch.from_numpy(wave) for wave in waves], batch_first=True)
    image = model.features(batch)  # (B, T) -> (B, 1, M, F)
    model.set_normalisation(float(image.mean()), float(image.std()))
    plain = reaching_network(model.eval(), model.image(batch))
    augmented = []
    for _ in range(AUGMENTED if model.augment is not None else 0):
        image = model.train().image(batch)
        augmented.append(reaching_network(model.eval(), image))
    return Views(names, waves, plain, augmented)


def reaching_network(model: EmotionClassifier, image: Tensor) -> Tensor:
    """Return what the model's network is called with for an image: (B, 1, M, F) -> (B, …).

    It is caught at the first of the model's parts that `embed` calls, so it is what arrives, not
    what a setting says.
    """
    seen: list[Tensor] = []

    def catch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.extend(inputs[:1])

    hooks = [part.register_forward_pre_hook(catch) for part in [*model.modules()][1:]]
    try:
        model.embed(image)
    finally:
        for hook in hooks:
            hook.remove()
    return seen[0] if seen else image


def describe(model: EmotionClassifier, views: Views, standardiser: Standardiser) -> list[str]:
    """Return lines on the shape that reaches the network, time resolution and size."""
    features = model.features
    rate, window = features.sample_rate, features.samples
    lengths = sorted(len(wave) for wave in views.waves)
    clip = f"every clip: {lengths[0]:,} samples at {rate:,} Hz, {_ms(lengths[0], rate):,.0f} ms"
    if standardiser.length is None:
        span = f"{_ms(lengths[0], rate):,.0f} to {_ms(lengths[-1], rate):,.0f} ms"
        clip = f"these clips: {span} at {rate:,} Hz, each its own length"
    if window is not None and lengths != [window] * len(lengths):
        clip += f"; cut, or padded with silence, to {_ms(window, rate):,.0f} ms for this model"
    total = sum(weight.numel() for weight in model.parameters())
    learn = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    shape = tuple(views.plain.shape[1:])
    resolution, axes = [], ""
    if isinstance(features, LogMel):
        axes = ": channels, mel bands, frames"
        resolution = [
            f"hop: {features.hop:,} samples, {_ms(features.hop, rate):.2f} ms per frame; "
            f"window: {features.n_fft:,} samples, {_ms(features.n_fft, rate):.1f} ms"
        ]
    return [
        f"{type(model).__name__}: each clip reaches the model as {shape}{axes}",
        clip,
        *resolution,
        f"values: {views.plain.min():.2f} to {views.plain.max():.2f}; "
        + NORMALISED[model.normalise],
        f"parameters: {total:,}"
        + (f", of which {learn:,} learn" if learn < total else ", all learn"),
    ]


def draw(views: Views, features: Features) -> Any:
    """Return a figure: a row a clip; its wave, what the network sees, and that augmented."""
    from matplotlib.figure import Figure

    pictures = [views.plain, *views.augmented]
    titles = [
        "waveform",
        "as the network sees it",
        *["augmented, as in training"] * len(views.augmented),
    ]
    rows, columns = len(views.waves), len(titles)
    figure = Figure((3.4 * columns, 0.6 + 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex="col")
    longest = max(len(wave) for wave in views.waves)
    heard = (features.samples or longest) / features.sample_rate
    # A model may leave off the frames behind the longest clip.
    shown = heard * views.plain.shape[-1] / features.columns if features.samples else heard
    low, high = float(views.plain.min()), float(views.plain.max())
    for row, wave in enumerate(views.waves):
        seconds = np.arange(len(wave)) / features.sample_rate
        inside = seconds < heard
        first = panels[row, 0]
        first.plot(seconds[inside], wave[inside], linewidth=0.4)
        first.plot(seconds[~inside], wave[~inside], linewidth=0.4, color="lightgrey")
        first.set_ylabel(views.names[row], fontsize="small")
        for axes, picture in zip(panels[row, 1:], pictures, strict=True):
            seen = picture[row].flatten(0, -3)[0] if picture.ndim > 3 else picture[row]
            axes.imshow(
                np.atleast_2d(seen.numpy()),
                origin="lower",
                aspect="auto",
                vmin=low,
                vmax=high,
                extent=(0, shown, 0, features.rows),
                interpolation="nearest",
                cmap="magma",
            )
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, fontsize="medium")
    for axes in panels[-1]:
        axes.set_xlabel("seconds")
    for axes in panels[:, 1]:
        axes.set_ylabel("mel band")
    return figure


def _ms(samples: int, sample_rate: int) -> float:
    return 1000 * samples / sample_rate
