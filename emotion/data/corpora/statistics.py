"""Statistics of a dataset, including its unusable clips, and a suggested standardisation."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import soundfile as sf

from emotion.audio.clip_statistics import SILENT_DB
from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.index import (
    build_index,
    found_labels,
    merge_decoded,
    select_clips,
    summarise_skipped,
)
from emotion.data.corpora.readers import PatternReader, Reader
from emotion.data.segments import clip_names
from emotion.data.waveform_cache import open_waveform_cache
from emotion.utils.progress import progress_bar

COUNTED = ("sample_rate", "channels", "container", "emotion", "speaker", "sex")
MEASURED = ("seconds", "level_db", "peak", "dc", "clipped", "lead_ms", "tail_ms")
QUANTILES = {"min": 0.0, "median": 0.5, "p95": 0.95, "max": 1.0}
RARE_RATE_FRACTION = 0.05  # of a corpus' clips: a sample rate of fewer clips is irregular
WHOLE_FRACTION = 0.95  # of the clips are not cut by the suggested duration
MANY_CLIPPED = 100
NAMED_CLIPS = 6
COMPARED_FILES = 50
MATCHING_CONTAINERS = {(".opus", "OGG"), (".wav", "RF64")}  # pairs whose names differ


@dataclass(frozen=True)
class Finding:
    """An irregularity: its name in stats.csv, its title, and (path, remark) of each clip."""

    kind: str
    title: str
    clips: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        """Return the title, then one line for each of the first clips."""
        lines = [f"{self.title} ({len(self.clips):,}):"]
        lines += [f"  {path}{remark}" for path, remark in self.clips[:NAMED_CLIPS]]
        more = len(self.clips) - NAMED_CLIPS
        return "\n".join([*lines, f"  and {more:,} more in stats.csv"] if more > 0 else lines)


@dataclass(frozen=True)
class Standard:
    """Suggested sample rate, Hz, and duration, ms, the number of clips, and the reasons."""

    sample_rate: int
    duration_ms: int
    clips: int
    reasons: Sequence[str]

    @property
    def overrides(self) -> str:
        """The settings as overrides for `emotion train`."""
        return (
            f"preprocessing.sample_rate={self.sample_rate} "
            f"preprocessing.duration_ms={self.duration_ms} "
            f"model.features.duration_ms={self.duration_ms}"
        )


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of a dataset, including its unusable clips."""

    clips: pd.DataFrame  # a row per decoded clip: columns of the index and cache, and `seconds`
    emotions: pd.DataFrame  # clips of each emotion, one row per corpus
    table: pd.DataFrame  # rows of stats.csv
    standard: Standard
    sections: dict[str, str]  # tables and findings as text, by heading


def compute_statistics(
    dataset: Dataset, preprocessing: Standardiser, cache_dir: Path
) -> DatasetStatistics:
    """Return the statistics of a dataset, decoding its clips into the waveform cache if needed.

    Raises:
        CorpusError: a corpus is missing, or no clip has one of the labels.
    """
    index = build_index(dataset, cache_dir / "index")
    folder, progress = cache_dir / "waves", progress_bar("decoding")
    cache = open_waveform_cache(
        index.table, preprocessing, root=dataset.root, folder=folder, progress=progress
    )
    kept = select_clips(index, cache)
    clips = merge_decoded(index.table, cache.index)
    clips["seconds"] = clips["frames"] / clips["sample_rate"]
    standard = suggest_standard(clips[clip_names(clips).isin(clip_names(kept.table))])
    findings = find_irregular(clips, dataset.root, dataset.readers.values())
    reason = kept.skipped["reason"].str.replace("as .*, with", "as one with", regex=True)
    left_out = kept.skipped.assign(reason=reason)  # all conflicting recordings have one reason
    remarks = [*map(str, findings), *summarise_skipped(left_out), *kept.notes]
    sections = {
        f"{len(clips):,} clips, {clips['seconds'].sum() / 3600:.2f} h, under {dataset.root}": (
            f"{len(kept.table):,} of them can be used with the labels {', '.join(kept.labels)}"
        ),
        **format_tables(clips),
        "Irregular": "\n".join(remarks) or "nothing",
        "Suggested standardisation": "\n".join([*standard.reasons, standard.overrides]),
    }
    table = statistics_rows(clips, findings, left_out, standard)
    return DatasetStatistics(clips, _count(clips, "emotion"), table, standard, sections)


# --- tables --------------------------------------------------------------------------------------


def format_tables(clips: pd.DataFrame) -> dict[str, str]:
    """Return the tables as text by title, with one row per corpus."""
    by_corpus = clips.groupby("corpus")
    voiced = clips[clips["loudest_db"] >= SILENT_DB].groupby("corpus")
    clipped = f"clips with over {MANY_CLIPPED} clipped samples"
    length = {
        **{name: by_corpus["seconds"].quantile(level) for name, level in QUANTILES.items()},
        "median silence before": by_corpus["lead_ms"].median() / 1000,
        "and after": by_corpus["tail_ms"].median() / 1000,
    }
    level = {
        **{name: voiced["level_db"].quantile(share).round(1) for name, share in QUANTILES.items()},
        "quietest peak": voiced["peak"].min().round(3),
        "largest DC": voiced["dc"].agg(lambda dc: dc.abs().max()).round(3),
        clipped: voiced["clipped"].agg(lambda samples: (samples > MANY_CLIPPED).sum()),
    }
    levels = pd.DataFrame(level).rename_axis(None)
    channels = _count(clips, "channels").rename(columns={1: "mono", 2: "stereo"})
    files = pd.concat([channels, _count(clips, "container")], axis=1)
    rates = _count(clips, "sample_rate").rename(columns="{:,}".format)
    totals = pd.DataFrame([_totals(own) for _, own in by_corpus], [name for name, _ in by_corpus])
    return {
        "Clips and speakers": totals.fillna("-").to_string(),
        "Sample rate, Hz": _as_text(rates),
        "Length, s": pd.DataFrame(length).rename_axis(None).round(2).to_string(),
        "Channels and containers": _as_text(files),
        "Emotions": _as_text(_count(clips, "emotion")),
        "Level outside silence, dB re full scale": levels.to_string(),
    }


def statistics_rows(
    clips: pd.DataFrame, findings: Iterable[Finding], left_out: pd.DataFrame, standard: Standard
) -> pd.DataFrame:
    """Return the table of stats.csv: rows of corpus, what, value, clips."""
    rows: list[tuple[object, ...]] = []
    for corpus, own in [*clips.groupby("corpus"), ("all", clips)]:
        for what in COUNTED:
            if (corpus, what) != ("all", "speaker"):  # corpora share speaker names
                counts = own[what].value_counts().sort_index()
                rows += [(corpus, what, value, count) for value, count in counts.items()]
        for what in MEASURED:
            for name, level in QUANTILES.items():
                value = round(own[what].quantile(level), 6)
                rows.append((corpus, f"{what}_{name}", value, len(own)))
    names = pd.concat([clips["path"], clip_names(clips)])  # findings are of files or of clips
    corpus_of = dict(zip(names, [*clips["corpus"], *clips["corpus"]], strict=True))
    for finding in findings:
        for path, remark in finding.clips:
            rows.append((corpus_of.get(path, ""), finding.kind, path + remark, 1))
    corpora = [corpus_of.get(path, "") for path in left_out["path"]]
    reasons = Counter(zip(corpora, left_out["reason"], strict=True))
    rows += [(corpus, "left_out", reason, count) for (corpus, reason), count in reasons.items()]
    rows.append(("all", "suggested_sample_rate", standard.sample_rate, standard.clips))
    rows.append(("all", "suggested_duration_ms", standard.duration_ms, standard.clips))
    return pd.DataFrame(rows, columns=["corpus", "what", "value", "clips"])


def _totals(clips: pd.DataFrame) -> dict[str, str]:
    speakers = clips["speaker"].value_counts()
    sexes = clips.drop_duplicates("speaker")["sex"].replace("", "of unknown sex").value_counts()
    least, most = f"{speakers.min():,}", f"{speakers.max():,}"
    return {
        "clips": f"{len(clips):,}",
        "hours": f"{clips['seconds'].sum() / 3600:.2f}",
        "clips per speaker": least if least == most else f"{least}–{most}",
        "speakers": f"{len(speakers):,}",
        **{str(sex): f"{count:,}" for sex, count in sorted(sexes.items())},
    }


def _count(clips: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the number of clips of each value, one row per corpus; emotions in usual order."""
    counts = pd.crosstab(clips["corpus"], clips[column]).rename_axis(index=None, columns=None)
    return counts[[*found_labels(clips[column])]] if column == "emotion" else counts


def _as_text(counts: pd.DataFrame) -> str:
    return counts.map(lambda count: f"{count:,}" if count else "-").to_string()


# --- irregularities ------------------------------------------------------------------------------


def find_irregular(clips: pd.DataFrame, root: Path, readers: Iterable[Reader]) -> list[Finding]:
    """Return the irregularities of decoded clips, with the columns of the index and the cache."""
    silent = clip_names(clips)[clips["loudest_db"] < SILENT_DB]
    conflicting, repeated = _twins(clips)
    clips = clips.drop_duplicates("path")  # the following are of files
    stereo = clips["path"][clips["channels"] > 1]
    files = zip(clips["path"], clips["container"], strict=True)
    foreign = [(path, f" is {kind}") for path, kind in files if not _is_matching(path, kind)]
    findings = [
        Finding("silent", "silent, left out", [(path, "") for path in silent]),
        Finding("conflicting_pair", "one recording with two labels, left out", conflicting),
        Finding("identical_pair", "one recording twice, with one label", repeated),
        Finding("stereo", f"stereo, {_averaged(stereo, root)}", [(path, "") for path in stereo]),
        Finding("container", "suffix of another format, read by content", foreign),
        Finding("odd_sample_rate", "sample rate that is rare in its corpus", _odd_rates(clips)),
        Finding("renamed_speaker", "assigned to another speaker", _renamed(clips, readers)),
    ]
    return [finding for finding in findings if finding.clips]


def _twins(clips: pd.DataFrame) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the clips with equal samples: with several labels, and with one."""
    conflicting: list[tuple[str, str]] = []
    repeated: list[tuple[str, str]] = []
    for _, twins in clips[clips["audio_hash"].duplicated(keep=False)].groupby("audio_hash"):
        (first, label), *others = zip(clip_names(twins), twins["emotion"], strict=True)
        remark = f" ({label})" + "".join(f" = {path} ({label})" for path, label in others)
        (conflicting if twins["emotion"].nunique() > 1 else repeated).append((first, remark))
    return sorted(conflicting), sorted(repeated)


def _is_matching(path: str, container: str) -> bool:
    suffix = Path(path).suffix.lower()
    return container[:2] == suffix[1:3].upper() or (suffix, container) in MATCHING_CONTAINERS


def _averaged(stereo: "pd.Series[str]", root: Path) -> str:
    """Return the treatment of stereo clips, and whether their channels are equal."""
    if len(stereo) > COMPARED_FILES:
        return "averaged to mono"
    waves = (sf.read(root / path, always_2d=True, dtype="float32")[0] for path in stereo)
    same = sum(bool((wave == wave[:, :1]).all()) for wave in waves)
    return f"averaged to mono, left = right in {'all' if same == len(stereo) else same}"


def _odd_rates(clips: pd.DataFrame) -> list[tuple[str, str]]:
    found = []
    for _, own in clips.groupby("corpus"):
        fraction = own["sample_rate"].map(own["sample_rate"].value_counts(normalize=True))
        odd = own[fraction < RARE_RATE_FRACTION]
        for path, rate in zip(odd["path"], odd["sample_rate"], strict=True):
            usual = own["sample_rate"].mode()[0]
            found.append((path, f": {rate:,} Hz among {usual:,} Hz"))
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
                found.append((path, f" as speaker {speaker} ({match['speaker']} in its name)"))
    return found


# --- suggestion ----------------------------------------------------------------------------------


def suggest_standard(clips: pd.DataFrame) -> Standard:
    """Return the suggested sample rate and duration of the clips.

    The rate is the lowest of the corpora's most frequent rates: at a higher rate, a model could
    recognise that corpus by the empty upper band. The duration does not cut 95 % of the clips.
    """
    usual = clips.groupby("corpus")["sample_rate"].agg(lambda rates: rates.mode()[0])
    rate = int(usual.min())
    lengths = {
        fraction: -int(-1000 * float(clips["seconds"].quantile(fraction)) // 10) * 10
        for fraction in (WHOLE_FRACTION, 0.9, 0.75, 0.5)
    }
    duration, *shorter = (f"{part:.0%} at {length:,} ms" for part, length in lengths.items())
    corpora = ", ".join(usual[usual == rate].index.astype(str))
    reasons = [
        f"{rate:,} Hz, of {corpora}, is the lowest usual rate: no corpus has an empty upper band",
        f"uncut clips by length: {duration} (suggested), {', '.join(shorter)}",
    ]
    if lower := int((clips["sample_rate"] < rate).sum()):
        reasons.append(f"{lower:,} clips of a lower rate still have an empty upper band")
    return Standard(rate, lengths[WHOLE_FRACTION], len(clips), reasons)
