"""Which parts of recordings are judged: a table of starts and ends, or RTTM."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from emotion.errors import ConfigError, near
from emotion.inference.inputs import InputFile

RTTM_COLUMNS = (9, 10)
"""Type, file, channel, onset, duration, orthography, subtype, speaker, confidence; in later
versions a signal lookahead time (NIST, Rich Transcription 2009 evaluation plan, appendix A)."""


@dataclass(frozen=True)
class Segment:
    """A part of a recording.

    Attributes:
        recording: the name that the table gives it; empty where it gives none.
        start_s, end_s: in seconds.
        speaker: who speaks, where the table says so.
    """

    recording: str
    start_s: float
    end_s: float
    speaker: str


def read_segments(path: Path) -> list[Segment]:
    """Return the segments of a CSV (path, start_s, end_s, speaker) or of an RTTM file.

    The CSV's `path` may be left out for a single recording, `speaker` always; `start` and `end`
    are the same as `start_s` and `end_s`.

    Raises:
        ConfigError: there is no such file, or a line that cannot be used, with its number.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file segments={path}.")
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    found = list(
        _read_rttm(lines, path) if path.suffix.lower() == ".rttm" else _read_csv(lines, path)
    )
    if not found:
        raise ConfigError(f"{path} names no segment.")
    return found


def match_segments(
    segments: Iterable[Segment], sources: Sequence[InputFile]
) -> list[tuple[InputFile, Segment]]:
    """Return each segment with its recording, in the order of names and of time.

    A recording is named as in the rows, or by the end of that path, with or without its suffix.

    Raises:
        ConfigError: a name fits no input, or several.
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
        fits = known.get(segment.recording, [])
        if len(fits) != 1:
            name = repr(segment.recording) if segment.recording else "a segment without a path"
            says = (
                f"may be {' or '.join(source.name for source in fits[:3])}" if fits else "is none"
            )
            hint = near(segment.recording, [source.name for source in sources]) if not fits else ""
            raise ConfigError(f"segments: {name} {says} of the inputs.{hint}")
        matched.append((fits[0], segment))
    return sorted(matched, key=lambda pair: (pair[0].name, pair[1].start_s, pair[1].end_s))


def _read_csv(lines: Sequence[str], path: Path) -> Iterable[Segment]:
    table = csv.DictReader(lines)
    names = table.fieldnames or []
    start = next((name for name in ("start_s", "start") if name in names), None)
    end = next((name for name in ("end_s", "end") if name in names), None)
    if start is None or end is None:
        raise ConfigError(f"{path} needs the columns start_s and end_s, not {', '.join(names)}.")
    for row in table:
        where = f"{path}, line {table.line_num}"
        yield _segment(row.get("path") or "", row[start], row[end], row.get("speaker") or "", where)


def _read_rttm(lines: Sequence[str], path: Path) -> Iterable[Segment]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith(";;") or words[0] != "SPEAKER":
            continue
        where = f"{path}, line {number}"
        if len(words) not in RTTM_COLUMNS:
            raise ConfigError(f"{where} has {len(words)} columns; RTTM has 9 or 10.")
        onset, length = _number(words[3], where), _number(words[4], where)
        yield _segment(words[1], onset, onset + length, words[7], where)


def _segment(
    recording: str, start: str | float, end: str | float, speaker: str, where: str
) -> Segment:
    start_s, end_s = _number(start, where), _number(end, where)
    if not 0 <= start_s < end_s < float("inf"):
        raise ConfigError(f"{where}: a segment from {start_s:g} to {end_s:g} s is none.")
    return Segment(recording, start_s, end_s, speaker)


def _number(text: str | float | None, where: str) -> float:
    try:
        return float(text if text is not None else "")
    except ValueError as err:
        raise ConfigError(f"{where}: {text!r} is no number of seconds.") from err
