"""Segments of recordings, read from a CSV of start and end times or from RTTM."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from emotion.errors import ConfigError, suggest
from emotion.inference.inputs import InputFile

RTTM_COLUMNS = (9, 10)
"""Type, file, channel, onset, duration, orthography, subtype, speaker, confidence; in later
versions a signal lookahead time (NIST, Rich Transcription 2009 evaluation plan, appendix A)."""


@dataclass(frozen=True)
class Segment:
    """A part of a recording; `recording` and `speaker` are names in the table, or empty."""

    recording: str
    start_s: float
    end_s: float
    speaker: str


def read_segments(path: Path) -> list[Segment]:
    """Return the segments of a CSV (path, start_s, end_s, speaker) or of an RTTM file.

    The CSV's `path` is optional for a single recording, `speaker` always; `start` and `end` are
    the same as `start_s` and `end_s`, and `duration_s` or `duration` may replace the end.

    Raises:
        ConfigError: the file does not exist, or a line is invalid; the message has its number.
    """
    if not path.is_file():
        raise ConfigError(f"segments={path} does not exist.")
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    read = _read_rttm if path.suffix.lower() == ".rttm" else _read_csv
    found = list(read(lines, path))
    if not found:
        raise ConfigError(f"{path} contains no segments.")
    return found


def match_segments(
    segments: Iterable[Segment], sources: Sequence[InputFile]
) -> list[tuple[InputFile, Segment]]:
    """Return each segment with its recording, sorted by name and time.

    A segment names its recording by the input's path, or by the end of that path, with or without
    the suffix.

    Raises:
        ConfigError: a name matches no input, or several.
    """
    known: dict[str, list[InputFile]] = {"": list(sources)}
    for source in sources:
        parts = PurePath(source.name).parts
        for depth in range(len(parts)):
            tail = PurePath(*parts[depth:])
            for name in {source.name if not depth else str(tail), str(tail.with_suffix(""))}:
                known.setdefault(name, []).append(source)
    matched = []
    for segment in segments:
        name = repr(segment.recording) if segment.recording else "a segment without a path"
        fits = [source.name for source in known.get(segment.recording, [])]
        if not fits:
            hint = suggest(segment.recording, [source.name for source in sources])
            raise ConfigError(f"segments: {name} matches no input.{hint}")
        if len(fits) > 1:
            raise ConfigError(f"segments: {name} matches several inputs: {', '.join(fits[:3])}.")
        matched.append((known[segment.recording][0], segment))
    return sorted(matched, key=lambda pair: (pair[0].name, pair[1].start_s, pair[1].end_s))


def _read_csv(lines: Sequence[str], path: Path) -> Iterable[Segment]:
    table = csv.DictReader(lines)
    names = table.fieldnames or []
    start = next((name for name in ("start_s", "start") if name in names), None)
    end = next((name for name in ("end_s", "end") if name in names), None)
    duration = next((name for name in ("duration_s", "duration") if name in names), None)
    if start is None or (end or duration) is None:
        raise ConfigError(
            f"{path} needs the columns start_s and end_s, or duration_s; it has {', '.join(names)}."
        )
    for row in table:
        where = f"{path}, line {table.line_num}"
        stop = row[end] if end else _number(row[start], where) + _number(row[duration or ""], where)
        yield _segment(row.get("path") or "", row[start], stop, row.get("speaker") or "", where)


def _read_rttm(lines: Sequence[str], path: Path) -> Iterable[Segment]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0] != "SPEAKER":
            continue
        where = f"{path}, line {number}"
        if len(words) not in RTTM_COLUMNS:
            raise ConfigError(f"{where} has {len(words)} columns; RTTM has 9 or 10.")
        onset, length = _number(words[3], where), _number(words[4], where)
        yield _segment(words[1], onset, onset + length, words[7], where)


def _segment(name: str, start: str | float, end: str | float, speaker: str, where: str) -> Segment:
    start_s, end_s = _number(start, where), _number(end, where)
    if not 0 <= start_s < end_s < float("inf"):
        raise ConfigError(
            f"{where}: start {start_s:g} s and end {end_s:g} s must be 0 <= start < end."
        )
    return Segment(name, start_s, end_s, speaker)


def _number(text: str | float | None, where: str) -> float:
    try:
        return float(text if text is not None else "")
    except ValueError as err:
        raise ConfigError(f"{where}: {text!r} is not a number of seconds.") from err
