"""Gain from adapting a model to a new speaker with a few labelled clips.

    python -m benchmarks.adapt runs=RUN,RUN          test speakers; 1, 2 and 5 clips per class;
                                                     a table for each dataset; writes the page
    python -m benchmarks.adapt runs=RUN subset=val shots=5 settings="trainer.frozen=body"
                                                     validation speakers, to try a recipe; no page

Each speaker's clips are split by sentence: adaptation clips and evaluation clips share none. The
recipe was chosen on the validation speakers of CREMA-D's first fold (results/ablation.md), who are
test speakers in other folds: on CREMA-D only the first fold gives a valid measurement.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import (
    MACHINE,
    markdown_table,
    parse_options,
    scratch_folder,
    write_page,
)
from emotion.cli.evaluate import predict_test_clips
from emotion.config.composition import compose
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import OUT, TEST, Split
from emotion.evaluation.compare import compare_predictions
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.metrics.significance import holm
from emotion.runs.load_model import open_model
from emotion.runs.run import Run
from emotion.training.init_from import apply_init_from
from emotion.training.train import train
from emotion.utils.tables import write_table

HEAD = [
    *("clips per class", "clips", "UAR before", "after", "difference", "95 % interval", "p"),
    *("speakers better", "minimum to maximum", "calibration error before", "after", "seconds"),
]


@dataclass(frozen=True)
class SpeakerClips:
    """Clips of one speaker: `adaptation`, in the order that they are used, and `evaluation`."""

    adaptation: pd.DataFrame
    evaluation: pd.DataFrame


@dataclass(frozen=True)
class Trial:
    """Predictions for a speaker's evaluation clips before and after an adaptation.

    Attributes:
        shots: adaptation clips per class.
        clips: adaptation clips of all classes.
        before: predictions of the run.
        after: predictions of the adapted run.
        seconds: duration of the adaptation.
    """

    shots: int
    clips: int
    before: ScoredPredictions
    after: ScoredPredictions
    seconds: float


def split_by_sentence(table: pd.DataFrame, *, shots: int, seed: int = 0) -> Iterator[SpeakerClips]:
    """Yield each speaker's clips, split by sentence: `shots` sentences are for adaptation.

    At most half of the sentences are. The clips of a class are ordered so that each sentence comes
    once, then each a second time, and so on.
    """
    for _, clips in table.groupby("speaker"):
        drawn = clips.sample(frac=1, random_state=seed)
        texts = drawn["text"].unique()
        position = {text: n for n, text in enumerate(texts[: min(shots, len(texts) // 2)])}
        adaptation = drawn[drawn["text"].isin(list(position))]
        order = pd.DataFrame(
            {
                "turn": adaptation.groupby(["emotion", "text"]).cumcount(),
                "text": adaptation["text"].map(position),
            }
        ).sort_values(["turn", "text"], kind="stable")
        evaluation = clips[~clips["text"].isin(list(position))]
        yield SpeakerClips(adaptation.loc[order.index], evaluation)


def adapt(run: Run, clips: pd.DataFrame, folder: Path, *settings: str) -> Run:
    """Return the run of `emotion train experiment=adapt` on the given clips."""
    table = folder / "clips.csv"
    write_table(table, clips[["path", "emotion", "speaker"]])
    overrides = [
        *("experiment=adapt", "dataset=csv", "logger=[]"),
        f"dataset.path='{table}'",
        f"dataset.root='{run.settings.dataset['root']}'",
        f"init_from='{run.folder}'",
        f"output_root='{folder}'",
        *settings,
    ]
    composition = apply_init_from(compose("train", overrides), overrides)
    return train(composition.settings, folder / "run", choices=composition.choices)


def predict_clips(run: Run, data: EmotionDataModule, clips: pd.DataFrame) -> ScoredPredictions:
    """Return a run's predictions for clips of a datamodule, with calibrated logits."""
    chosen = data.index.table["path"].isin(clips["path"])
    data.use_split(Split(pd.Series(np.where(chosen, TEST, OUT), index=data.index.table.index)))
    model = open_model(run)
    temperature = float(model.temperature)
    scored = predict_test_clips(model, run.settings, data)
    return ScoredPredictions(scored.table, scored.logits / temperature, scored.labels)


def try_run(
    run: Run, subset: str, shots: Sequence[int], folder: Path, settings: Sequence[str]
) -> Iterator[Trial]:
    """Yield the trials of every speaker in a subset of a run."""
    data = build_datamodule(run.settings)
    data.prepare_data()
    wanted = run.split["path"][run.split["subset"] == subset]
    table = data.index.table[data.index.table["path"].isin(wanted)]
    for number, speaker in enumerate(split_by_sentence(table, shots=max(shots))):
        before = predict_clips(run, data, speaker.evaluation)
        for count in shots:
            clips = speaker.adaptation.groupby("emotion").head(count)
            start = time.perf_counter()
            adapted = adapt(run, clips, folder / run.folder.name / f"{number}-{count}", *settings)
            seconds = time.perf_counter() - start
            after = predict_clips(adapted, data, speaker.evaluation)
            gain = after.metrics(1.0)["uar"] - before.metrics(1.0)["uar"]
            print(f"{run.folder.name} {number} {count}: {gain:+.1%}", file=sys.stderr, flush=True)
            yield Trial(count, len(clips), before, after, seconds)


def concatenate(parts: Sequence[ScoredPredictions]) -> ScoredPredictions:
    """Return the predictions for all speakers in one record."""
    table = pd.concat([part.table for part in parts], ignore_index=True)
    return ScoredPredictions(
        table, np.concatenate([part.logits for part in parts]), parts[0].labels
    )


def group_name(run: Run) -> str:
    """Return model, dataset and split of a run; runs that agree in them share a table."""
    choices = run.environment["choices"]
    return " ".join(f"{group}={choices[group]}" for group in ("model", "dataset", "split"))


def trial_table(trials: Sequence[Trial]) -> list[str]:
    """Return a table in Markdown, one row per number of clips; p is corrected over all rows."""
    cases = {
        count: [trial for trial in trials if trial.shots == count]
        for count in dict.fromkeys(trial.shots for trial in trials)
    }
    rows, p_values = [], []
    for count, case in cases.items():
        before = concatenate([trial.before for trial in case])
        after = concatenate([trial.after for trial in case])
        found = compare_predictions(
            after.predictions(1.0), before.predictions(1.0), names=("adapted", "before")
        )
        old, new = before.metrics(1.0), after.metrics(1.0)
        gains = [
            new["by_speaker"][name]["uar"] - old["by_speaker"][name]["uar"]
            for name in old["by_speaker"]
        ]
        interval = "" if found.low is None else f"{found.low:+.1%} to {found.high:+.1%}"
        p_values.append(found.p)
        rows.append(
            [
                str(count),
                f"{statistics.mean(trial.clips for trial in case):.0f}",
                f"{old['uar']:.1%}",
                f"{new['uar']:.1%}",
                f"**{found.difference:+.1%}**",
                interval,
                "",
                f"{sum(gain > 0 for gain in gains)} of {len(gains)}",
                f"{min(gains):+.0%} to {max(gains):+.0%}",
                f"{old['calibration']['ece']:.1%}",
                f"{new['calibration']['ece']:.1%}",
                f"{statistics.median(trial.seconds for trial in case):.0f}",
            ]
        )
    for row, p in zip(rows, holm(p_values), strict=True):
        row[HEAD.index("p")] = f"{p:.3f}"
    return markdown_table(HEAD, rows)


def main() -> None:
    """Adapt to every speaker and print the tables; write the page for test speakers."""
    options = parse_options()
    runs = [Run(Path(name)) for name in options.runs.split(",") if name]
    if not runs:
        raise SystemExit("Set runs=RUN,RUN,… to the finished runs whose speakers are adapted to.")
    shots = [int(word) for word in options.shots.split(",")]
    lines = [
        "# Adaptation to a new speaker with a few labelled clips",
        "",
        "`emotion train experiment=adapt init_from=RUN` for each test speaker of the runs, which "
        "were not trained on these speakers. Adaptation clips and evaluation clips share no "
        "sentence, and all rows of a table are evaluated on the same clips. The interval and p "
        "(sign flips, corrected for the number of rows) are over speakers; seconds are the median "
        f"duration of one adaptation, without start-up. {MACHINE}.",
    ]
    for group in dict.fromkeys(map(group_name, runs)):
        members = [run for run in runs if group_name(run) == group]
        with scratch_folder() as folder:
            trials = [
                trial
                for run in members
                for trial in try_run(run, options.subset, shots, folder, options.settings.split())
            ]
        speakers = [trial for trial in trials if trial.shots == shots[0]]
        clips = sum(len(trial.before.table) for trial in speakers)
        lines += [
            *("", f"## {group}", ""),
            f"{len(speakers)} {options.subset} speakers, {clips:,} evaluation clips, "
            f"runs: {len(members)}.",
            *("", *trial_table(trials)),
        ]
    if options.subset == TEST:
        write_page("adapt", lines)
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
