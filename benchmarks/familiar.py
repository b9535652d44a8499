"""Rate of out-of-distribution flags by corpus, and accuracy of flagged and other clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import (
    SCRATCH,
    markdown_table,
    open_index,
    parse_options,
    run_command,
    write_page,
)
from emotion.audio.decode import decode
from emotion.data.splits.base import TEST
from emotion.inference.load_models import open_runs
from emotion.inference.training_profile import load_or_compute_profile
from emotion.runs.run import Run
from emotion.runtime.predictor import Predictor

TRAINED_ON = "crema_d"
TRAITS = ("sample rate", "length", "level", "embedding")
"""Traits of a clip that can differ from the training clips, as the reasons name them."""

BATCH = 32


@dataclass(frozen=True)
class EvaluatedClip:
    """A clip: whether its prediction is right, and the traits for which it is flagged."""

    right: bool
    traits: frozenset[str]


def open_run(data_root: str, epochs: int) -> Run:
    """Return a cnn trained on CREMA-D, from the scratch folder or trained now."""
    run = Run(SCRATCH / "familiar")
    if not run.finished:
        run_command(
            "train",
            f"dataset={TRAINED_ON}",
            f"data_root={data_root}",
            "split=speaker",
            f"trainer.max_epochs={epochs}",
            f"output_root={SCRATCH}",
            f"hydra.run.dir={run.folder}",
        )
    return run


def draw_tables(data_root: str, run: Run, count: int) -> dict[str, pd.DataFrame]:
    """Return up to `count` of the run's test clips and of every other corpus."""
    index = open_index(f"data_root={data_root}", "dataset=cs334")
    own = run.split.loc[lambda split: split["subset"] == TEST]
    tables = {f"{TRAINED_ON}, test speakers": own.sample(min(count, len(own)), random_state=0)}
    for corpus, rows in index.table.groupby("corpus"):
        if corpus != TRAINED_ON:
            tables[str(corpus)] = rows.sample(min(count, len(rows)), random_state=0)
    return tables


def evaluate_clips(predictor: Predictor, table: pd.DataFrame, root: Path) -> list[EvaluatedClip]:
    """Return the clips of a table with correctness and flags of their predictions."""
    evaluated = []
    for start in range(0, len(table), BATCH):
        rows = table.iloc[start : start + BATCH]
        clips = [predictor.prepare(*decode(root / path)) for path in rows["path"]]
        for prediction, emotion in zip(predictor.predict(clips), rows["emotion"], strict=True):
            reasons = prediction.ood_reasons
            traits = frozenset(
                trait for trait in TRAITS if any(trait in reason for reason in reasons)
            )
            evaluated.append(EvaluatedClip(prediction.predicted == emotion, traits))
    return evaluated


def accuracy(clips: Sequence[EvaluatedClip]) -> str:
    """Return the accuracy and the number of clips, as text."""
    return f"{np.mean([clip.right for clip in clips]):.1%} of {len(clips)}" if clips else "0 clips"


def table_row(name: str, clips: Sequence[EvaluatedClip]) -> list[str]:
    """Return a row of the page's table."""

    def flagged_fraction(trait: str) -> str:
        return f"{np.mean([trait in clip.traits for clip in clips]):.1%}"

    return [
        name,
        f"{np.mean([bool(clip.traits) for clip in clips]):.1%}",
        *map(flagged_fraction, TRAITS),
        accuracy(clips),
        accuracy([clip for clip in clips if not clip.traits]),
        accuracy([clip for clip in clips if clip.traits]),
        accuracy([clip for clip in clips if "embedding" not in clip.traits]),
        accuracy([clip for clip in clips if "embedding" in clip.traits]),
    ]


def main() -> None:
    """Train one model, evaluate all corpora, and write the page."""
    options = parse_options(clips=300, epochs=8)
    if not options.data_root:
        raise SystemExit("This benchmark needs the real corpora: set data_root=FOLDER.")
    run = open_run(options.data_root, options.epochs)
    model = open_runs([run], "cpu")
    profile = load_or_compute_profile(run, partial(open_runs, [run], "cpu"))
    if profile is None:
        raise SystemExit(f"The training clips of {run.folder} are missing.")
    predictor = Predictor(model, profiles=[profile])
    evaluated = {
        name: evaluate_clips(predictor, table, Path(options.data_root))
        for name, table in draw_tables(options.data_root, run, options.clips).items()
    }
    own, *others = evaluated.values()
    other = [clip for clips in others for clip in clips]
    head = ["clips", "flagged", *(f"by {trait}" for trait in TRAITS), "accuracy, all"]
    head += [f"accuracy, {kind}" for kind in ("not flagged", "flagged")]
    head += [f"accuracy, {kind} by embedding" for kind in ("not flagged", "flagged")]
    write_page(
        "familiar",
        [
            "# Out-of-distribution flags and accuracy",
            "",
            f"`model=cnn`, {options.epochs} epochs on {TRAINED_ON}, split=speaker; up to "
            f"{options.clips} clips of each corpus, drawn at random. The flags of the first row "
            "are false alarms. Accuracy is the fraction of clips predicted correctly.",
            "",
            *markdown_table(
                head,
                [
                    *(table_row(name, clips) for name, clips in evaluated.items()),
                    table_row("the other corpora", other),
                    table_row("all", [*own, *other]),
                ],
            ),
        ],
    )


if __name__ == "__main__":
    main()
