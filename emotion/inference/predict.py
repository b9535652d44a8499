"""The command `predict`: files and folders -> one row a readable file."""

import csv
import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from emotion.audio.decode import SUFFIXES, decode
from emotion.config import Config
from emotion.corpora.readers import find_files
from emotion.errors import AudioError, ConfigError
from emotion.files import write_text
from emotion.inference.predictor import Ensemble
from emotion.progress import bars
from emotion.runs import find_run

log = logging.getLogger(__name__)

MUCH = 0.5
"""A file of which more than this share lies outside the model's window is said."""
NOT_SURE = "not sure"
DONE, PARTLY = 0, 3


def predict(config: Config) -> int:
    """Label the inputs, print or write the rows; return 3 where some could not be read.

    Raises:
        ConfigError: no input, or an output of an unknown kind.
        RunError: no such run.
    """
    import torch

    output = Path(config["output"]).expanduser() if config["output"] else None
    if output is not None and output.suffix not in (".csv", ".jsonl"):
        raise ConfigError(f"output={output} must end in .csv or .jsonl.")
    files = find_inputs(config["inputs"])
    names = config["run"] if isinstance(config["run"], list) else [config["run"]]
    if not names:
        raise ConfigError("run=[] names no run. Give one, run=latest, or several, run=[A,B].")
    runs = [find_run(name, Path(config["output_root"])) for name in names]
    device = torch.device(
        "cuda" if config["accelerator"] != "cpu" and torch.cuda.is_available() else "cpu"
    )
    predictor = Ensemble(runs, device)
    rows: list[dict[str, Any]] = []
    unread = []
    tell = bars("predicting") if len(files) > config["batch_size"] else None
    for batch in _batches(files, config["batch_size"]):
        clips = []
        for name in batch:
            try:
                wave, rate = decode(Path(name))
            except AudioError as err:
                unread.append(name)
                log.warning("%s %s", name, err)
                continue
            clips.append((name, predictor.standardise(wave, rate)))
            _warn_of_length(name, len(wave) / rate, predictor.window)
        if clips:
            answers = predictor.answer([clip for _, clip in clips])
            rows += [
                make_row(name, chances, predictor.labels, abstain_below=config["abstain_below"])
                for (name, _), chances in zip(clips, answers.probabilities.tolist(), strict=True)
            ]
        if tell is not None:
            tell(len(rows) + len(unread), len(files))
    if not rows:
        raise ConfigError(f"none of the {len(files)} inputs could be read.")
    show(rows, output)
    if unread:
        log.warning("%d of %d inputs could not be read", len(unread), len(files))
    return PARTLY if unread else DONE


def find_inputs(inputs: str | Sequence[str]) -> list[str]:
    """Return the files that the inputs name, sorted, each once: files, folders, globs.

    A path is the input joined with what lies under it.

    Raises:
        ConfigError: nothing is named, or an input names nothing.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    if not names:
        raise ConfigError(
            "inputs= is not set. Give files or folders: emotion predict run=latest FILE…"
        )
    found: set[str] = set()
    for name in names:
        path = Path(name)
        if path.is_dir():
            below = [str(path / relative) for relative, _ in find_files(path, "audio")]
            if not below:
                raise ConfigError(f"folder {name} holds no audio ({', '.join(sorted(SUFFIXES))}).")
            found |= set(below)
        elif path.exists() or path.is_symlink():
            found.add(name)
        else:
            matches = [match for match in glob(name, recursive=True) if Path(match).is_file()]  # noqa: PTH207 - keeps the name as it was given
            if not matches:
                raise ConfigError(f"there is no file, folder or pattern {name!r}.")
            found |= set(matches)
    return sorted(found)


def make_row(
    path: str, probabilities: Sequence[float], labels: Sequence[str], *, abstain_below: float
) -> dict[str, Any]:
    """Return one row: path, predicted, note, p_<label>…"""
    best = max(range(len(labels)), key=probabilities.__getitem__)
    note = NOT_SURE if probabilities[best] < abstain_below else ""
    chances = {f"p_{label}": chance for label, chance in zip(labels, probabilities, strict=True)}
    return {"path": path, "predicted": labels[best], "note": note, **chances}


def show(rows: Sequence[dict[str, Any]], output: Path | None) -> None:
    """Write the rows to a file, or print a table for a person, JSON lines for a program."""
    if output is not None:
        write_text(output, as_csv(rows) if output.suffix == ".csv" else as_json_lines(rows))
        log.info("%s rows in %s", f"{len(rows):,}", output)
    elif sys.stdout.isatty():
        Console().print(as_table(rows))
    else:
        sys.stdout.write(as_json_lines(rows))


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as CSV, floats to the last bit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json_lines(rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as JSON, one a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return rows as a table for a terminal, the note first."""
    table = Table(box=None, pad_edge=False)
    chances = [key for key in rows[0] if key.startswith("p_")]
    for heading in ("file", "emotion", *(key.removeprefix("p_") for key in chances)):
        table.add_column(heading, justify="left" if heading in ("file", "emotion") else "right")
    for row in rows:
        said = f"{row['note']} ({row['predicted']})" if row["note"] else row["predicted"]
        table.add_row(row["path"], said, *(f"{row[key]:.0%}" for key in chances))
    return table


def _batches(files: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(files), size):
        yield files[start : start + size]


def _warn_of_length(name: str, seconds: float, window: float) -> None:
    """Say where much of a file lies outside what the model hears."""
    if seconds > window / (1 - MUCH):
        log.warning("%s: only the first %.1f of its %.1f s are heard", name, window, seconds)
