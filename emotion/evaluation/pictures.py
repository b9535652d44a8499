"""What a page shows beside its words: line charts, a confusion matrix, spectrograms, sounds.

Charts are SVG whose colours are the page's: they follow its light and its dark.
"""

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import numpy.typing as npt
import soundfile as sf
from markupsafe import Markup, escape

from emotion.audio.decode import Wave

WIDTH, HEIGHT = 360, 236
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 38
"""Of a chart, in its own units, which are about the pixels of a phone."""

SPARSE = 12
"""Up to so many points a line shows each as a dot."""

BANDS, HOP_MS, WINDOW_MS = 128, 12.5, 32.0
RANGE_DB, SHADES = 60.0, 16
KBPS = 48


@dataclass(frozen=True)
class Axis:
    """One axis of a chart; `names` stand at 0, 1, 2… in place of numbers."""

    label: str
    ticks: Sequence[float]
    percent: bool = False
    names: Sequence[str] = ()

    def place(self, value: float, start: float, end: float) -> float:
        """Return where a value lies between two coordinates."""
        low, high = self.ticks[0], self.ticks[-1]
        return start + (value - low) / (high - low) * (end - start)

    def text(self, number: int) -> str:
        """Return what stands beside a tick."""
        if self.names:
            return self.names[number]
        value = self.ticks[number]
        return f"{100 * value:g}" if self.percent else f"{value:g}"


SHARE = tuple(np.linspace(0, 1, 5).tolist())
"""Ticks of an axis from 0 to 100 percent."""


@dataclass(frozen=True)
class Line:
    """One line of a chart: `style` is a class of the page's CSS, `sizes` are areas of its dots."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = "main"
    sizes: Sequence[float] | None = None


@dataclass(frozen=True)
class Chart:
    """A chart and the words around it; `says` is for those who do not see it."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    says: str
    note: str = ""
    mark: float | None = None
    diagonal: bool = False
    styles: dict[str, str] = field(default_factory=dict)

    @property
    def svg(self) -> Markup:
        """The picture, to be put into a page as it is."""
        size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
        parts = [f'<svg class="chart" {size} role="img" aria-label="{escape(self.says)}">']
        parts += self._frame()
        for line in self.lines:
            parts += self._draw(line)
        return Markup("\n".join([*parts, "</svg>"]))

    def _frame(self) -> list[str]:
        """Return grid, numbers, labels, the diagonal and the mark."""
        out = []
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for number, value in enumerate(self.y.ticks):
            at = self.y.place(value, bottom, TOP)
            out.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
            out.append(_text(LEFT - 6, at + 4, self.y.text(number), "end"))
        for number, value in enumerate(self.x.ticks):
            at = self.x.place(value, LEFT, right)
            edge = not self.x.names and number == len(self.x.ticks) - 1
            out.append(_text(at, bottom + 15, self.x.text(number), "end" if edge else "middle"))
        out.append(_text((LEFT + right) / 2, HEIGHT - 4, self.x.label, "middle"))
        if self.diagonal:
            out.append(f'<path class="line quiet" d="M{LEFT} {bottom}L{right} {TOP}"/>')
        if self.mark is not None:
            at = self.x.place(self.mark, LEFT, right)
            out.append(f'<path class="mark" d="M{at:.1f} {TOP}V{bottom}"/>')
        return out

    def _draw(self, line: Line) -> list[str]:
        """Return a line and its dots; what is not a finite number is a gap."""
        points = [
            (self.x.place(x, LEFT, WIDTH - RIGHT), self.y.place(y, HEIGHT - BOTTOM, TOP), size)
            for x, y, size in zip(
                line.x, line.y, line.sizes or itertools.repeat(1.0), strict=line.sizes is not None
            )
            if np.isfinite(x) and np.isfinite(y)
        ]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
        out = [f'<path class="line {line.style}" d="M{path}"/>'] if len(points) > 1 else []
        if line.sizes or len(points) <= SPARSE:
            out += [
                f'<circle class="dot {line.style}" cx="{x:.1f}" cy="{y:.1f}" '
                f'r="{1.5 + 7 * size**0.5 if line.sizes else 2.6:.1f}"/>'
                for x, y, size in points
            ]
        return out


def round_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return round numbers from at most `low` to at least `high`, about five."""
    from matplotlib.ticker import MaxNLocator

    high = high if high > low else low + 1
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    return [round(float(tick), 12) for tick in ticks]


def confusion_png(counts: npt.NDArray[np.int64], labels: Sequence[str], *, title: str) -> bytes:
    """Return a picture of a confusion matrix, (C, C): counts, coloured by the share of its row."""
    from matplotlib.figure import Figure

    clips = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, clips, out=np.zeros(counts.shape), where=clips > 0)
    side = 1.6 + 0.72 * len(labels)
    figure = Figure(figsize=(side + 0.4, side), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if share[row, column] > 0.6 else "#16212b"
        text = f"{counts[row, column]:,}\n{share[row, column]:.0%}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def spectrogram_png(wave: Wave, sample_rate: int, *, heard_s: float | None) -> bytes:
    """Return a spectrogram of a clip, (T,), as ink on nothing: black, its opacity the level.

    From 0 Hz at the bottom to half the rate, the upper `RANGE_DB` of the clip. What comes after
    `heard_s` is paler: a model that is given only the beginning never hears it.
    """
    from PIL import Image

    size, hop = round(WINDOW_MS * sample_rate / 1000), round(HOP_MS * sample_rate / 1000)
    padded = np.pad(wave, (size // 2, max(size, size - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(wave) : hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), n=4 * BANDS, axis=1)) ** 2
    bands = power[:, : 2 * BANDS].reshape(len(frames), BANDS, 2).mean(axis=2)  # (F, bands)
    levels = 10 * np.log10(np.maximum(bands, 1e-12))
    ink = np.clip(1 + (levels - levels.max()) / RANGE_DB, 0, 1)
    if heard_s is not None:
        ink[round(heard_s * 1000 / HOP_MS) :] *= 0.35
    opacity = (np.round(ink * (SHADES - 1)) * (255 // (SHADES - 1))).astype(np.uint8).T[::-1]
    picture = np.stack([np.zeros_like(opacity), opacity], axis=-1)  # (bands, F, grey and alpha)
    file = BytesIO()
    Image.fromarray(picture, mode="LA").save(file, "PNG", optimize=True)
    return file.getvalue()


def mp3(wave: Wave, sample_rate: int) -> bytes:
    """Return a clip, (T,), as an MP3 file of `KBPS` kbit/s, at 16, 22.05 or 24 kHz."""
    file = BytesIO()
    level = (160 - KBPS) / (160 - 8)  # libsndfile: 0 is MPEG-2's highest bitrate, 1 its lowest
    sf.write(
        file, wave, sample_rate, format="MP3", compression_level=level, bitrate_mode="CONSTANT"
    )
    return file.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Return a file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
