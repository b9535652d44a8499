"""A study's table: a row a model, folds pooled, seeds averaged, each against the first row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion.corpora.splits import TEST
from emotion.errors import EmotionError
from emotion.evaluation.compare import Comparison, compare
from emotion.evaluation.metrics import score
from emotion.evaluation.statistics import holm, interval_over_speakers_and_seeds, seed_spread
from emotion.evaluation.study_page import write_study_page
from emotion.files import write_table, write_text
from emotion.runs import Run

Finished = tuple[str, int, int, Run]
"""Row, fold, seed, run."""


def write_tables(folder: Path, cells: Sequence[Finished], *, settings: str) -> str:
    """Write table.csv, table.md and report.html of what is finished; return the table as text."""
    rows = list(dict.fromkeys(cell[0] for cell in cells))
    pooled = {row: _pool([cell for cell in cells if cell[0] == row]) for row in rows}
    table = pd.DataFrame([_describe(row, cells, pooled[row]) for row in rows])
    table = table.join(_against_first(rows, pooled))
    write_table(folder / "table.csv", table)
    head, body = for_people(table)
    text = "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        + ["| " + " | ".join(row) + " |" for row in body]
    )
    write_text(folder / "table.md", text + "\n")
    runs = [run.folder.name for _, _, _, run in cells if run.finished]
    write_study_page(folder, table, head=head, cells=body, settings=settings, runs=runs)
    return text


def _pool(cells: Sequence[Finished]) -> dict[int, pd.DataFrame]:
    """Return, by seed, the predictions of all folds that every seed has finished."""
    done = {
        (fold, seed): run for _, fold, seed, run in cells if run.finished and TEST in run.metrics
    }
    seeds = sorted({seed for _, seed in done})
    folds = [
        fold for fold in sorted({fold for fold, _ in done}) if all((fold, s) in done for s in seeds)
    ]
    if not folds:
        return {}
    return {
        seed: pd.concat([done[fold, seed].predictions for fold in folds], ignore_index=True)
        for seed in seeds
    }


def _describe(
    row: str, cells: Sequence[Finished], pooled: dict[int, pd.DataFrame]
) -> dict[str, Any]:
    """Return a row's own figures."""
    mine = [run for name, _, _, run in cells if name == row]
    done = [run for run in mine if run.finished]
    said: dict[str, Any] = {"row": row, "cells": f"{len(done)}/{len(mine)}"}
    if not pooled:
        return said
    tables = list(pooled.values())
    labels = sorted(
        set(tables[0]["target"]) | {name for table in tables for name in table["predicted"]}
    )
    ids = {label: place for place, label in enumerate(labels)}
    target = tables[0]["target"].map(ids).to_numpy(dtype=np.int64)
    predicted = [table["predicted"].map(ids).to_numpy(dtype=np.int64) for table in tables]
    speaker = (tables[0]["corpus"] + "/" + tables[0]["speaker"]).to_numpy()
    interval = interval_over_speakers_and_seeds(target, predicted, speaker, n_classes=len(labels))
    scores = [score(target, answers, labels) for answers in predicted]
    spread = seed_spread([each.uar for each in scores])
    said |= {
        "uar": interval.estimate,
        "uar_low": interval.low,
        "uar_high": interval.high,
        "seed_sd": spread.sd,
        "seeds": spread.n,
        "wa": float(np.mean([each.wa for each in scores])),
        "macro_f1": float(np.mean([each.macro_f1 for each in scores])),
        "speakers": interval.n_clusters,
        "clips": len(target),
        "leaks": any(run.leaks for run in done),
        "parameters": done[0].environment.get("parameters"),
        "seconds": sum(sum(run.timing.get(part, 0.0) for part in ("fit", "test")) for run in done),
    }
    for corpus in sorted(set(tables[0]["corpus"])):
        here = (tables[0]["corpus"] == corpus).to_numpy()
        by_seed = [score(target[here], answers[here], labels).uar for answers in predicted]
        said[f"uar_{corpus}"] = float(np.mean(by_seed))
    return said


def _against_first(rows: Sequence[str], pooled: dict[str, dict[int, pd.DataFrame]]) -> pd.DataFrame:
    """Return each row's paired comparison with the first, p adjusted for their number."""
    found: list[Comparison | None] = [None]
    for row in rows[1:]:
        seeds = sorted(set(pooled[row]) & set(pooled[rows[0]]))
        if not seeds:
            found.append(None)
            continue
        # Seeds side by side: a speaker's clips of all seeds stay one cluster.
        a, b = (
            pd.concat(
                [
                    pooled[name][seed].assign(path=pooled[name][seed]["path"] + f"#{seed}")
                    for seed in seeds
                ]
            )
            for name in (row, rows[0])
        )
        try:
            found.append(compare(a, b, names=(row, rows[0])))
        except EmotionError:
            found.append(None)
    adjusted = holm([each.p if each else np.nan for each in found])
    return pd.DataFrame(
        [
            {
                "difference": each.difference if each else None,
                "difference_low": each.low if each else None,
                "difference_high": each.high if each else None,
                "p_holm": None if np.isnan(p) else float(p),
                "smallest_shown": each.smallest if each else None,
                "verdict": each.verdict if each else "",
            }
            for each, p in zip(found, adjusted, strict=True)
        ]
    )


def for_people(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return a study's table in percent: headings, and a row of texts a model."""
    corpora = [str(name) for name in table if str(name).startswith("uar_")]
    corpora = [name for name in corpora if name not in ("uar_low", "uar_high")]
    corpora = corpora if len(corpora) > 1 else []
    counts = ("speakers", "clips", "parameters", "seconds")
    head = ["model", "UAR", "95 % interval", "seeds", "WA", "macro-F1"]
    head += [name.removeprefix("uar_") for name in corpora]
    head += ["against the first", "p (Holm)", "verdict", *counts, "cells"]
    body = []
    for row in table.to_dict("records"):
        seeds = "" if _missing(row.get("seeds")) else f"{int(row['seeds'])}"
        if not _missing(row.get("seed_sd")):
            seeds += f" (± {row['seed_sd']:.1%})"
        difference = _percent(row.get("difference"), sign="+")
        if difference:
            difference += f" ({_range(row, 'difference', '+') or 'no interval'})"
        body.append(
            [
                f"{row['row']} LEAKS" if row.get("leaks") is True else str(row["row"]),
                _percent(row.get("uar")),
                _range(row, "uar", ""),
                seeds,
                _percent(row.get("wa")),
                _percent(row.get("macro_f1")),
                *(_percent(row[name]) for name in corpora),
                difference,
                "" if _missing(row.get("p_holm")) else f"{row['p_holm']:.3f}",
                str(row.get("verdict") or ""),
                *("" if _missing(row.get(name)) else f"{int(row[name]):,}" for name in counts),
                str(row["cells"]),
            ]
        )
    return head, body


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _percent(value: Any, sign: str = "") -> str:
    return "" if _missing(value) else f"{value:{sign}.1%}"


def _range(row: dict[Any, Any], name: str, sign: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return "" if _missing(low) else f"{low:{sign}.1%} to {high:{sign}.1%}"
