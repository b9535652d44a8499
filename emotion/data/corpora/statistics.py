"""The command `stats`: what a dataset is like, the clips that are left out included."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile as sf

from emotion.audio.clip_statistics import SILENT_DB
from emotion.config.composition import Config
from emotion.data.corpora.index import build_index, found_labels, select_clips, summarise_skipped
from emotion.data.corpora.readers import PatternReader, Reader
from emotion.data.waveform_cache import open_cache
from emotion.utils.files import written_whole
from emotion.utils.progress import bars
from emotion.utils.tables import write_table

COUNTED = ("sample_rate", "channels", "container", "emotion", "speaker", "sex")
MEASURED = ("seconds", "level_db", "peak", "dc", "clipped", "lead_ms", "tail_ms")
QUANTILES = {"min": 0.0, "median": 0.5, "p95": 0.95, "max": 1.0}
ODD_SHARE = 0.05
"""A sample rate of fewer of a corpus' clips than this share is odd."""
WHOLE_SHARE = 0.95
"""The share of the clips that the suggested duration leaves whole."""
MANY_CLIPPED = 100
NAMED_CLIPS = 6
COMPARED_FILES = 50
PROPER = {(".opus", "OGG"), (".wav", "RF64")}
"""Suffixes and containers that belong together although they do not start alike."""


@dataclass(frozen=True)
class Finding:
    """Something irregular: its name in stats.csv, what is said, and (path, remark) of each clip."""

    what: str
    said: str
    clips: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        """Return what is said, then a line for each of the first clips."""
        lines = [f"{self.said} ({len(self.clips):,}):"]
        lines += [f"  {path}{remark}" for path, remark in self.clips[:NAMED_CLIPS]]
        more = len(self.clips) - NAMED_CLIPS
        return "\n".join([*lines, f"  and {more:,} more in stats.csv"] if more > 0 else lines)


@dataclass(frozen=True)
class Standard:
    """A sample rate, Hz, and a duration, ms, that suit so many clips, and why."""

    sample_rate: int
    duration_ms: int
    clips: int
    reasons: Sequence[str]

    @property
    def overrides(self) -> str:
        """The settings, ready to paste behind `emotion train`."""
        return (
            f"preprocessing.sample_rate={self.sample_rate} "
            f"preprocessing.duration_ms={self.duration_ms} "
            f"model.features.duration_ms={self.duration_ms}"
        )


def describe_dataset(config: Config, folder: Path) -> str:
    """Write stats.csv and three pictures into `folder`; return the tables and what is irregular.

    Raises:
        CorpusError: a corpus is missing, or no clip carries one of the labels.
    """
    dataset = config.build("dataset")
    cache_dir = Path(config["cache_dir"])
    index = build_index(dataset, cache_dir / "index")
    cache = open_cache(
        index.table,
        config.build("preprocessing"),
        root=dataset.root,
        folder=cache_dir / "waves",
        progress=bars("decoding"),
    )
    kept = select_clips(index, cache)
    clips = index.table.merge(cache.index, on="path", validate="1:1")
    clips["seconds"] = clips["frames"] / clips["sample_rate"]
    standard = suggest_standard(clips[clips["path"].isin(kept.table["path"])])
    findings = find_irregular(clips, dataset.root, dataset.readers.values())
    left_out = _by_kind(kept.skipped)
    write_table(folder / "stats.csv", tidy(clips, findings, left_out, standard))
    draw_pictures(clips, standard, folder)
    remarks = [*map(str, findings), *summarise_skipped(left_out), *index.notes]
    parts = {
        f"{len(clips):,} clips, {clips['seconds'].sum() / 3600:.2f} h, under {dataset.root}": (
            f"{len(kept.table):,} of them can be used with the labels {', '.join(kept.labels)}"
        ),
        **tables(clips),
        "Irregular": "\n".join(remarks) or "nothing",
        "Suggested standardisation": "\n".join([*standard.reasons, standard.overrides]),
        "Written": f"stats.csv, lengths.png, labels.png, levels.png in {folder}",
    }
    return "\n\n".join(f"{title}\n{_indented(text)}" for title, text in parts.items())


# --- tables --------------------------------------------------------------------------------------


def tables(clips: pd.DataFrame) -> dict[str, str]:
    """Return the printed tables by their titles, a row a corpus."""
    by_corpus = clips.groupby("corpus")
    voiced = clips[clips["loudest_db"] >= SILENT_DB].groupby("corpus")
    clipped = f"clips with over {MANY_CLIPPED} clipped samples"
    length = {
        **{name: by_corpus["seconds"].quantile(share) for name, share in QUANTILES.items()},
        "median silence before": by_corpus["lead_ms"].median() / 1000,
        "and after": by_corpus["tail_ms"].median() / 1000,
    }
    level = {
        **{name: voiced["level_db"].quantile(share).round(1) for name, share in QUANTILES.items()},
        "quietest peak": voiced["peak"].min().round(3),
        "largest DC": voiced["dc"].agg(lambda dc: dc.abs().max()).round(3),
        clipped: voiced["clipped"].agg(lambda samples: (samples > MANY_CLIPPED).sum()),
    }
    channels = _count(clips, "channels").rename(columns={1: "mono", 2: "stereo"})
    files = pd.concat([channels, _count(clips, "container")], axis=1)
    rates = _count(clips, "sample_rate").rename(columns="{:,}".format)
    people = pd.DataFrame([_people(own) for _, own in by_corpus], [name for name, _ in by_corpus])
    return {
        "Clips and speakers": people.fillna("-").to_string(),
        "Sample rate, Hz": _as_text(rates),
        "Length, s": pd.DataFrame(length).rename_axis(None).round(2).to_string(),
        "Channels and containers": _as_text(files),
        "Emotions": _as_text(_count(clips, "emotion")),
        "Level of what is not silence, dB re full scale": (
            pd.DataFrame(level).rename_axis(None).to_string()
        ),
    }


def tidy(
    clips: pd.DataFrame, findings: Iterable[Finding], left_out: pd.DataFrame, standard: Standard
) -> pd.DataFrame:
    """Return all that is known as rows of corpus, what, value, clips: the table of stats.csv."""
    rows: list[tuple[object, ...]] = []
    for corpus, own in [*clips.groupby("corpus"), ("all", clips)]:
        for what in COUNTED:
            if (corpus, what) != ("all", "speaker"):  # 01 of another corpus is another person
                counts = own[what].value_counts().sort_index()
                rows += [(corpus, what, value, count) for value, count in counts.items()]
        for what in MEASURED:
            values = {name: own[what].quantile(share) for name, share in QUANTILES.items()}
            rows += [
                (corpus, f"{what}_{name}", round(x, 6), len(own)) for name, x in values.items()
            ]
    corpus_of = dict(zip(clips["path"], clips["corpus"], strict=True))
    for finding in findings:
        rows += [
            (corpus_of.get(path, ""), finding.what, path + remark, 1)
            for path, remark in finding.clips
        ]
    corpora = left_out["path"].map(lambda path: corpus_of.get(path, ""))
    reasons = Counter(zip(corpora, left_out["reason"], strict=True))
    rows += [(corpus, "left_out", reason, count) for (corpus, reason), count in reasons.items()]
    rows.append(("all", "suggested_sample_rate", standard.sample_rate, standard.clips))
    rows.append(("all", "suggested_duration_ms", standard.duration_ms, standard.clips))
    return pd.DataFrame(rows, columns=["corpus", "what", "value", "clips"])


def _people(clips: pd.DataFrame) -> dict[str, str]:
    speakers = clips["speaker"].value_counts()
    sexes = clips.drop_duplicates("speaker")["sex"].replace("", "of unknown sex").value_counts()
    few, many = f"{speakers.min():,}", f"{speakers.max():,}"
    return {
        "clips": f"{len(clips):,}",
        "hours": f"{clips['seconds'].sum() / 3600:.2f}",
        "clips a speaker": few if few == many else f"{few}–{many}",
        "speakers": f"{len(speakers):,}",
        **{str(sex): f"{count:,}" for sex, count in sorted(sexes.items())},
    }


def _count(clips: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return how many clips have each value, a row a corpus; emotions in their usual order."""
    counts = pd.crosstab(clips["corpus"], clips[column]).rename_axis(index=None, columns=None)
    return counts[[*found_labels(clips[column])]] if column == "emotion" else counts


def _as_text(counts: pd.DataFrame) -> str:
    return counts.map(lambda count: f"{count:,}" if count else "-").to_string()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


# --- what is irregular ---------------------------------------------------------------------------


def find_irregular(clips: pd.DataFrame, root: Path, readers: Iterable[Reader]) -> list[Finding]:
    """Return what a tidy corpus would not show; kinds that do not occur are left out.

    Args:
        clips: one row a decoded clip: the index' columns and the cache's.
        root: where the clips lie.
        readers: of the corpora; they know which speakers they rename.
    """
    silent = clips["path"][clips["loudest_db"] < SILENT_DB]
    stereo = clips["path"][clips["channels"] > 1]
    conflicting, repeated = _twins(clips)
    foreign = [
        (str(path), f" is {container}")
        for path, container in zip(clips["path"], clips["container"], strict=True)
        if not _proper(Path(path).suffix.lower(), container)
    ]
    findings = [
        Finding("silent", "silent, left out", [(path, "") for path in silent]),
        Finding("conflicting_pair", "one recording under two labels, left out", conflicting),
        Finding("identical_pair", "one recording twice, under one label", repeated),
        Finding("stereo", f"stereo, {_averaged(stereo, root)}", [(path, "") for path in stereo]),
        Finding("container", "named for another format, read by their content", foreign),
        Finding("odd_sample_rate", "at a rate that is rare in its corpus", _odd_rates(clips)),
        Finding("renamed_speaker", "counted for another speaker", _renamed(clips, readers)),
    ]
    return [finding for finding in findings if finding.clips]


def _twins(clips: pd.DataFrame) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the clips that are one recording: under several labels, and under one."""
    conflicting: list[tuple[str, str]] = []
    repeated: list[tuple[str, str]] = []
    for _, twins in clips[clips["audio_hash"].duplicated(keep=False)].groupby("audio_hash"):
        (path, label), *others = zip(twins["path"], twins["emotion"], strict=True)
        remark = f" ({label})" + "".join(f" = {other} ({said})" for other, said in others)
        (conflicting if twins["emotion"].nunique() > 1 else repeated).append((path, remark))
    return sorted(conflicting), sorted(repeated)


def _proper(suffix: str, container: str) -> bool:
    return container[:2] == suffix[1:3].upper() or (suffix, container) in PROPER


def _averaged(stereo: "pd.Series[str]", root: Path) -> str:
    """Return what becomes of the channels, and whether they hold the same samples."""
    if len(stereo) > COMPARED_FILES:
        return "averaged to mono"
    waves = [sf.read(root / path, always_2d=True)[0] for path in stereo]
    same = sum(bool((wave == wave[:, :1]).all()) for wave in waves)
    return f"averaged to mono, left = right in {'all' if same == len(waves) else same}"


def _odd_rates(clips: pd.DataFrame) -> list[tuple[str, str]]:
    found = []
    for _, own in clips.groupby("corpus"):
        share = own["sample_rate"].map(own["sample_rate"].value_counts(normalize=True))
        usual = f"among {own['sample_rate'].mode()[0]:,} Hz"
        odd = own[share < ODD_SHARE]
        found += [
            (path, f": {rate:,} Hz {usual}")
            for path, rate in zip(odd["path"], odd["sample_rate"], strict=True)
        ]
    return found


def _renamed(clips: pd.DataFrame, readers: Iterable[Reader]) -> list[tuple[str, str]]:
    found = []
    for reader in readers:
        if not isinstance(reader, PatternReader) or "speaker" not in reader.rename:
            continue
        own = clips[clips["corpus"] == reader.corpus]
        for path, speaker in zip(own["path"], own["speaker"], strict=True):
            below = path.removeprefix(f"{reader.folder}/")
            match = re.search(reader.pattern, below, re.IGNORECASE)
            if match and match["speaker"].lower() != speaker.lower():
                found.append((path, f" as speaker {speaker} (its name says {match['speaker']})"))
    return found


def _by_kind(skipped: pd.DataFrame) -> pd.DataFrame:
    """Return what is left out, with one reason for all conflicts: the pairs are named apart."""
    reason = skipped["reason"].str.replace("as .*, with", "as one with", regex=True)
    return skipped.assign(reason=reason)


# --- advice --------------------------------------------------------------------------------------


def suggest_standard(clips: pd.DataFrame) -> Standard:
    """Return the rate and duration that suit the clips.

    The rate is the lowest of the corpora's usual ones: at a higher one, that corpus' clips have an
    empty band by which a model knows them. The duration leaves 95 % of the clips whole.
    """
    usual = clips.groupby("corpus")["sample_rate"].agg(lambda rates: rates.mode()[0])
    rate = int(usual.min())
    lower = int((clips["sample_rate"] < rate).sum())
    lengths = {
        share: -int(-1000 * float(clips["seconds"].quantile(share)) // 10) * 10
        for share in (WHOLE_SHARE, 0.9, 0.75, 0.5)
    }
    duration, *shorter = (f"{share:.0%} at {length:,} ms" for share, length in lengths.items())
    of = ", ".join(usual[usual == rate].index.astype(str))
    reasons = [
        f"{rate:,} Hz, of {of}, is the lowest usual rate: no corpus stands out by an empty band",
        f"whole clips by length: {duration} (taken), {', '.join(shorter)}",
    ]
    if lower:
        reasons.append(f"{lower:,} clips of a lower rate than that stand out all the same")
    return Standard(rate, lengths[WHOLE_SHARE], len(clips), reasons)


# --- pictures ------------------------------------------------------------------------------------


def draw_pictures(clips: pd.DataFrame, standard: Standard, folder: Path) -> None:
    """Write lengths.png, levels.png and labels.png."""
    lengths = _histograms(clips, "seconds", "length, s")
    for axes in lengths.axes:
        axes.axvline(standard.duration_ms / 1000, color="black", linewidth=1, linestyle="--")
    lengths.suptitle(f"Length of the clips; dashed: {standard.duration_ms:,} ms")
    voiced = clips[clips["loudest_db"] >= SILENT_DB]
    levels = _histograms(voiced, "level_db", "level of what is not silence, dB re full scale")
    levels.suptitle("Level of the clips")
    pictures = {"lengths": lengths, "levels": levels, "labels": _matrix(_count(clips, "emotion"))}
    for name, figure in pictures.items():
        with written_whole(folder / f"{name}.png") as file:
            figure.savefig(file, format="png", dpi=120)


def _histograms(clips: pd.DataFrame, column: str, label: str) -> Any:
    """Return a figure of one panel a corpus, over one axis."""
    from matplotlib.figure import Figure

    groups = list(clips.groupby("corpus")[column])
    figure = Figure((8, 1.2 + 1.2 * len(groups)), layout="constrained")
    panels = figure.subplots(len(groups), sharex=True, squeeze=False)[:, 0]
    edges = np.histogram_bin_edges(clips[column], bins=80)
    for number, (axes, (corpus, values)) in enumerate(zip(panels, groups, strict=True)):
        axes.hist(values, edges, color=f"C{number}")
        axes.set_title(f"{corpus}, median {values.median():.2f}", loc="left", fontsize="medium")
        axes.set_ylabel("clips")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel(label)
    return figure


def _matrix(counts: pd.DataFrame) -> Any:
    """Return a figure of the clips of each emotion, a row a corpus."""
    from matplotlib.figure import Figure

    figure = Figure((8, 1.3 + 0.5 * len(counts)), layout="constrained")
    axes = figure.subplots()
    shares = counts.div(counts.sum(axis=1), axis=0).to_numpy()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.5 * shares.max(), aspect="auto")
    for (row, column), count in np.ndenumerate(counts.to_numpy()):
        axes.text(column, row, f"{count:,}" if count else "–", ha="center", va="center")
    axes.set_xticks(range(counts.shape[1]), counts.columns)
    axes.set_yticks(range(counts.shape[0]), counts.index)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Clips of each emotion; darker: a larger share of the corpus", fontsize="medium")
    return figure
