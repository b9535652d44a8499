"""Table of a study: one row per model, folds pooled, seeds averaged, compared with the first row.

A row of several seeds is followed by a row of their ensemble.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from emotion.data.labels import encode_labels
from emotion.data.speakers import speaker_ids
from emotion.data.splits.base import TEST, VAL
from emotion.errors import EmotionError
from emotion.evaluation.compare import Comparison, compare_predictions
from emotion.evaluation.ensemble import mean_predictions
from emotion.experiments.study_columns import UAR_KEYS, format_rows, markdown_table, study_columns
from emotion.experiments.study_report import write_study_report
from emotion.metrics.classification import score
from emotion.metrics.intervals import interval_over_speakers_and_seeds, seed_spread
from emotion.metrics.significance import holm
from emotion.runs.run import Run
from emotion.utils.files import write_text
from emotion.utils.tables import read_table, write_table


class CellRun(NamedTuple):
    """A cell of the table: its position, and its run."""

    protocol: str
    row: str
    fold: int
    seed: int
    run: Run


def write_tables(
    folder: Path, cells: Sequence[CellRun], *, settings: str, recorded: Path | None = None
) -> str:
    """Write table.csv, table.md and report.html of the finished cells; return the table as text.

    `cells` are all cells, finished or not; `settings` are the overrides that they share. With an
    earlier table.csv as `recorded`, the new one states whether it agrees with it.
    """
    parts = []
    for protocol in dict.fromkeys(cell.protocol for cell in cells):
        own = [cell for cell in cells if cell.protocol == protocol]
        part = tabulate_protocol(own)
        parts.append(part.assign(protocol=protocol) if protocol else part)
    table = pd.concat([part.astype(object) for part in parts], ignore_index=True).infer_objects()
    if recorded is not None:
        table = compare_with_recorded(table, read_table(recorded))
    write_table(folder / "table.csv", table)
    columns = study_columns(table)
    rows = format_rows(table, columns)
    text = markdown_table(columns, rows)
    write_text(folder / "table.md", text + "\n")
    runs = [cell.run.folder.name for cell in cells if cell.run.finished]
    write_study_report(folder, table, columns=columns, rows=rows, settings=settings, runs=runs)
    return text


def tabulate_protocol(cells: Sequence[CellRun]) -> pd.DataFrame:
    """Return the table of the cells of one protocol: one row per model, compared with the first."""
    pooled: dict[str, dict[int, pd.DataFrame]] = {}
    rows = []
    for row in dict.fromkeys(cell.row for cell in cells):
        own = [cell for cell in cells if cell.row == row]
        pooled[row] = _pool_folds(own)
        rows.append(_row_metrics(row, own, pooled[row]))
        if len(pooled[row]) > 1:
            ensemble = mean_predictions(list(pooled[row].values()))
            name = f"{row}, {len(pooled[row])} seeds together"
            rows.append(_ensemble_metrics(name, rows[-1], ensemble))
            pooled[name] = dict.fromkeys(pooled[row], ensemble)
    return _mark_chosen(pd.DataFrame(rows).join(_compare_with_first(list(pooled), pooled)))


def compare_with_recorded(table: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the recorded UAR of each row, and whether the two agree.

    They agree if either value is inside the other's interval, or if they are equal. Without any
    interval, unequal values are marked "no interval".
    """
    keys = [name for name in ("protocol", "row") if name in table and name in recorded]
    table = table.reindex(columns=list(dict.fromkeys([*table, *UAR_KEYS])))
    values = recorded[list(UAR_KEYS)].apply(pd.to_numeric)  # a missing value is an empty text
    before = recorded[keys].join(values).rename(columns={name: f"{name}_was" for name in UAR_KEYS})
    both = table.merge(before, on=keys, how="left")
    inside = both["uar_was"].between(both["uar_low"], both["uar_high"])
    inside |= both["uar"].between(both["uar_low_was"], both["uar_high_was"])
    known = both["uar"].notna() & both["uar_was"].notna()
    same = inside | np.isclose(both["uar"].astype(float), both["uar_was"].astype(float))
    comparable = both["uar_low"].notna() | both["uar_low_was"].notna()
    agrees = np.select([~known, same, comparable], ["", "agrees", "differs"], "no interval")
    return table.assign(recorded_uar=both["uar_was"].to_numpy(), recorded=agrees)


def _mark_chosen(table: pd.DataFrame) -> pd.DataFrame:
    """Mark the row that validation selects, and the one that is best by its test score only."""
    table = table.assign(chosen="")
    if "uar" not in table or table["uar"].isna().any():
        return table
    validated = table[table["val_uar"].notna()]  # an ensemble has no validation score
    if len(validated) > 1:
        by_test, by_val = validated["uar"].idxmax(), validated["val_uar"].idxmax()
        table.loc[by_test, "chosen"] = "best by its test score only"
        table.loc[by_val, "chosen"] = "chosen on validation"
    return table


def _pool_folds(cells: Sequence[CellRun]) -> dict[int, pd.DataFrame]:
    """Return the predictions of the folds that all seeds have finished, by seed."""
    tested = [cell for cell in cells if cell.run.finished and TEST in cell.run.metrics]
    done = {(cell.fold, cell.seed): cell.run for cell in tested}
    seeds = sorted({seed for _, seed in done})
    folds = sorted({fold for fold, _ in done if all((fold, seed) in done for seed in seeds)})
    if not folds:
        return {}
    return {
        seed: pd.concat([done[fold, seed].predictions for fold in folds], ignore_index=True)
        for seed in seeds
    }


def _row_metrics(
    row: str, cells: Sequence[CellRun], pooled: dict[int, pd.DataFrame]
) -> dict[str, Any]:
    """Return the metrics of a row."""
    done = [cell.run for cell in cells if cell.run.finished]
    found: dict[str, Any] = {"row": row, "cells": f"{len(done)}/{len(cells)}"}
    if not pooled:
        return found
    validated = [run.metrics[VAL]["uar"] for run in done if VAL in run.metrics]
    return found | {
        **_score_predictions(list(pooled.values())),
        "val_uar": float(np.mean(validated)) if validated else None,
        "leaks": any(run.leaks for run in done),
        "test_accesses": max(len(run.test_accesses) for run in done),
        "parameters": done[0].environment["parameters"],
        "seconds": sum(sum(run.timing.get(part, 0.0) for part in ("fit", "test")) for run in done),
    }


def _ensemble_metrics(row: str, single: dict[str, Any], ensemble: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics of the ensemble of a row's seeds, given those of the row."""
    shared = {name: single[name] for name in ("cells", "leaks", "test_accesses", "seconds")}
    members = {"parameters": single["parameters"] and single["parameters"] * single["seeds"]}
    return {"row": row, **shared, **members, **_score_predictions([ensemble]), "val_uar": None}


def _score_predictions(tables: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """Return the metrics of predictions of the same clips, one table per seed."""
    labels = sorted(set(tables[0]["target"]).union(*(table["predicted"] for table in tables)))
    target = encode_labels(tables[0]["target"], labels)
    predicted = [encode_labels(table["predicted"], labels) for table in tables]
    speaker = speaker_ids(tables[0]).to_numpy()
    interval = interval_over_speakers_and_seeds(target, predicted, speaker, n_classes=len(labels))
    scores = [score(target, each, labels) for each in predicted]
    spread = seed_spread([each.uar for each in scores])
    found: dict[str, Any] = {
        "uar": interval.estimate,
        "uar_low": interval.low,
        "uar_high": interval.high,
        "seed_sd": spread.sd,
        "seeds": spread.n,
        "wa": float(np.mean([each.wa for each in scores])),
        "macro_f1": float(np.mean([each.macro_f1 for each in scores])),
        "speakers": interval.n_clusters,
        "clips": len(target),
    }
    for corpus in sorted(set(tables[0]["corpus"])):
        here = (tables[0]["corpus"] == corpus).to_numpy()
        by_seed = [score(target[here], each[here], labels).uar for each in predicted]
        found[f"uar_{corpus}"] = float(np.mean(by_seed))
    return found


def _compare_with_first(
    rows: Sequence[str], pooled: dict[str, dict[int, pd.DataFrame]]
) -> pd.DataFrame:
    """Return the paired comparison of each row with the first; p is corrected for their number."""
    found: list[Comparison | None] = [None]
    for row in rows[1:]:
        seeds = sorted(set(pooled[row]) & set(pooled[rows[0]]))
        found.append(None)
        if seeds:
            a, b = (_concat_seeds(pooled[name], seeds) for name in (row, rows[0]))
            with suppress(EmotionError):
                found[-1] = compare_predictions(a, b, names=(row, rows[0]))
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


def _concat_seeds(tables: dict[int, pd.DataFrame], seeds: Sequence[int]) -> pd.DataFrame:
    """Return the predictions of several seeds; a speaker's clips in all seeds are one cluster."""
    return pd.concat([tables[s].assign(path=tables[s]["path"] + f"#{s}") for s in seeds])
