"""A study's table: a row a model, folds pooled, seeds averaged, each against the first row.

Where a row has several seeds, a second one says what they reach together, as an ensemble.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from emotion.data.splits.base import TEST, VAL
from emotion.errors import EmotionError
from emotion.evaluation.compare import Comparison, compare
from emotion.evaluation.ensemble import mean_predictions
from emotion.experiments.study_report import write_study_page
from emotion.metrics.classification import score
from emotion.metrics.intervals import interval_over_speakers_and_seeds, seed_spread
from emotion.metrics.significance import holm
from emotion.runs.run import Run
from emotion.utils.files import write_text
from emotion.utils.tables import read_table, write_table

FIGURES = ("uar", "uar_low", "uar_high")


class Finished(NamedTuple):
    """A cell of the table: where it stands, and its run."""

    protocol: str
    row: str
    fold: int
    seed: int
    run: Run


def write_tables(
    folder: Path, cells: Sequence[Finished], *, settings: str, recorded: Path | None = None
) -> str:
    """Write table.csv, table.md and report.html of what is finished; return the table as text.

    Args:
        folder: the study's.
        cells: all of its cells, finished or not.
        settings: what all cells share, in words.
        recorded: a table.csv of before; the new one says whether it agrees with it.
    """
    parts = []
    for protocol in dict.fromkeys(cell.protocol for cell in cells):
        own = [cell for cell in cells if cell.protocol == protocol]
        part = tabulate(own)
        parts.append(part.assign(protocol=protocol) if protocol else part)
    table = pd.concat([part.astype(object) for part in parts], ignore_index=True).infer_objects()
    if recorded is not None:
        table = beside_recorded(table, read_table(recorded))
    write_table(folder / "table.csv", table)
    head, body = for_people(table)
    text = "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        + ["| " + " | ".join(row) + " |" for row in body]
    )
    write_text(folder / "table.md", text + "\n")
    runs = [cell.run.folder.name for cell in cells if cell.run.finished]
    write_study_page(folder, table, head=head, cells=body, settings=settings, runs=runs)
    return text


def tabulate(cells: Sequence[Finished]) -> pd.DataFrame:
    """Return the table of one protocol's cells: a row a model, each against the first."""
    pooled: dict[str, dict[int, pd.DataFrame]] = {}
    described = []
    for row in dict.fromkeys(cell.row for cell in cells):
        mine = [cell for cell in cells if cell.row == row]
        pooled[row] = _pool(mine)
        described.append(_describe(row, mine, pooled[row]))
        if len(pooled[row]) > 1:
            together = mean_predictions(list(pooled[row].values()))
            name = f"{row}, {len(pooled[row])} seeds together"
            described.append(_describe_ensemble(name, described[-1], together))
            pooled[name] = dict.fromkeys(pooled[row], together)
    return _mark_chosen(pd.DataFrame(described).join(_against_first(list(pooled), pooled)))


def beside_recorded(table: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """Add to each row the UAR that was recorded, and whether the two agree.

    They agree where either figure lies within the other's interval, or where they are the same;
    without an interval on either side, nothing can be said of two that are not.
    """
    keys = [name for name in ("protocol", "row") if name in table and name in recorded]
    table = table.reindex(columns=list(dict.fromkeys([*table, *FIGURES])))
    figures = recorded[list(FIGURES)].apply(pd.to_numeric)  # none is written as an empty text
    before = recorded[keys].join(figures).rename(columns={name: f"{name}_was" for name in FIGURES})
    both = table.merge(before, on=keys, how="left")
    inside = both["uar_was"].between(both["uar_low"], both["uar_high"])
    inside |= both["uar"].between(both["uar_low_was"], both["uar_high_was"])
    known = both["uar"].notna() & both["uar_was"].notna()
    same = inside | np.isclose(both["uar"].astype(float), both["uar_was"].astype(float))
    judged = both["uar_low"].notna() | both["uar_low_was"].notna()
    agrees = np.select([~known, same, judged], ["", "agrees", "differs"], "no interval")
    return table.assign(recorded_uar=both["uar_was"].to_numpy(), recorded=agrees)


def _mark_chosen(table: pd.DataFrame) -> pd.DataFrame:
    """Mark the row that validation would choose, and one that only the test's score favours."""
    table = table.assign(chosen="")
    if "uar" not in table or table["uar"].isna().any():
        return table
    judged = table[table["val_uar"].notna()]  # an ensemble has no validation score of its own
    if len(judged) > 1:
        by_test, by_val = judged["uar"].idxmax(), judged["val_uar"].idxmax()
        table.loc[by_test, "chosen"] = "best by its test score only"
        table.loc[by_val, "chosen"] = "chosen on validation"
    return table


def _pool(cells: Sequence[Finished]) -> dict[int, pd.DataFrame]:
    """Return, by seed, the predictions of all folds that every seed has finished."""
    done = {
        (cell.fold, cell.seed): cell.run
        for cell in cells
        if cell.run.finished and TEST in cell.run.metrics
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
    """Return the figures of a row whose cells these are."""
    done = [cell.run for cell in cells if cell.run.finished]
    said: dict[str, Any] = {"row": row, "cells": f"{len(done)}/{len(cells)}"}
    if not pooled:
        return said
    validated = [run.metrics[VAL]["uar"] for run in done if VAL in run.metrics]
    return said | {
        **_judge(list(pooled.values())),
        "val_uar": float(np.mean(validated)) if validated else None,
        "leaks": any(run.leaks for run in done),
        "test_accesses": max(len(run.test_accesses) for run in done),
        "parameters": done[0].environment.get("parameters"),
        "seconds": sum(sum(run.timing.get(part, 0.0) for part in ("fit", "test")) for run in done),
    }


def _describe_ensemble(row: str, single: dict[str, Any], together: pd.DataFrame) -> dict[str, Any]:
    """Return the figures of the ensemble of a row's seeds, given those of the row."""
    shared = {name: single[name] for name in ("cells", "leaks", "test_accesses", "seconds")}
    members = {"parameters": single["parameters"] and single["parameters"] * single["seeds"]}
    return {"row": row, **shared, **members, **_judge([together]), "val_uar": None}


def _judge(tables: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """Return the figures of predictions of the same clips, a table a seed."""
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
    said: dict[str, Any] = {
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
    """Return a study's table in percent: headings, and a row of texts a model; no empty column."""
    corpora = [str(name) for name in table if str(name).startswith("uar_")]
    corpora = [name for name in corpora if name not in FIGURES]
    corpora = corpora if len(corpora) > 1 else []
    counts = ("speakers", "clips", "test_accesses", "parameters", "seconds")
    head = ["protocol"] if "protocol" in table else []
    head += ["model", "UAR", "95 % interval", "seeds", "WA", "macro-F1", "validation UAR"]
    head += [name.removeprefix("uar_") for name in corpora]
    head += ["against the first", "p (Holm)", "verdict", "chosen"]
    head += [name.replace("_", " ") for name in counts] + ["cells"]
    head += ["recorded UAR", "agreement"] if "recorded" in table else []
    body = []
    for row in table.to_dict("records"):
        seeds = "" if _missing(row.get("seeds")) else f"{int(row['seeds'])}"
        if not _missing(row.get("seed_sd")):
            seeds += f" (± {row['seed_sd']:.1%})"
        difference = _percent(row.get("difference"), sign="+")
        if difference:
            difference += f" ({_range(row, 'difference', '+') or 'no interval'})"
        cells = [str(row["protocol"])] if "protocol" in table else []
        cells += [
            f"{row['row']} LEAKS" if row.get("leaks") is True else str(row["row"]),
            _percent(row.get("uar")),
            _range(row, "uar", ""),
            seeds,
            *(_percent(row.get(name)) for name in ("wa", "macro_f1", "val_uar")),
            *(_percent(row[name]) for name in corpora),
            difference,
            _chance(row.get("p_holm")),
            str(row.get("verdict") or ""),
            str(row.get("chosen") or ""),
            *("" if _missing(row.get(name)) else f"{int(row[name]):,}" for name in counts),
            str(row["cells"]),
        ]
        if "recorded" in table:
            cells += [_percent(row["recorded_uar"]), str(row["recorded"])]
        body.append(cells)
    said = [place for place, _ in enumerate(head) if any(row[place] for row in body)]
    return [head[place] for place in said], [[row[place] for place in said] for row in body]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _percent(value: Any, sign: str = "") -> str:
    return "" if _missing(value) else f"{value:{sign}.1%}"


def _range(row: dict[Any, Any], name: str, sign: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return "" if _missing(low) else f"{low:{sign}.1%} to {high:{sign}.1%}"


def _chance(value: Any) -> str:
    if _missing(value):
        return ""
    return f"{value:.3f}" if value >= 0.001 else "<0.001"
