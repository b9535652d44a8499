"""What do a few labelled clips of a new speaker give? Paired, over speakers not trained on.

    python -m benchmarks.adapt runs=RUN,RUN          test speakers: 1, 2 and 5 clips a class,
                                                     a table for each dataset
    python -m benchmarks.adapt runs=RUN subset=val shots=5 settings="trainer.frozen=body"

The first measures. The second tries a recipe, on validation speakers, and writes no page.
Each speaker's clips are parted by sentence: those that adapt and those that judge share none. The
recipe was chosen on the validation speakers of CREMA-D's first fold (results/ablation.md), whom
other folds test: only the first fold measures on CREMA-D.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import MACHINE, RESULTS, grid, options, scratch_folder
from emotion.cli.evaluate import ask
from emotion.config.composition import composed
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import OUT, TEST, Split
from emotion.evaluation.compare import compare
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.metrics.significance import holm
from emotion.runs.load_model import open_model
from emotion.runs.run import Run
from emotion.training.init_from import apply_init_from
from emotion.training.train import train
from emotion.utils.tables import write_table

HEAD = [
    *("clips a class", "clips", "UAR before", "after", "difference", "95 % interval", "p"),
    *("speakers better", "least to most", "calibration error before", "after", "seconds"),
]


@dataclass(frozen=True)
class Voice:
    """A speaker's clips: `given` to adapt by, in the order that they are taken, and `judged`."""

    given: pd.DataFrame
    judged: pd.DataFrame


@dataclass(frozen=True)
class Trial:
    """What a speaker's judged clips were taken for, before and after so many clips a class."""

    shots: int
    given: int
    before: ScoredPredictions
    after: ScoredPredictions
    seconds: float


def voices(table: pd.DataFrame, *, shots: int, seed: int = 0) -> Iterator[Voice]:
    """Yield each speaker's clips, parted by sentence: as many sentences given as `shots`.

    Where there are too few, half of them are given. A class's clips are taken one a sentence, then
    a second one a sentence, and so on.
    """
    for _, clips in table.groupby("speaker"):
        drawn = clips.sample(frac=1, random_state=seed)
        texts = drawn["text"].unique()
        place = {text: n for n, text in enumerate(texts[: min(shots, len(texts) // 2)])}
        given = drawn[drawn["text"].isin(list(place))]
        order = pd.DataFrame(
            {
                "turn": given.groupby(["emotion", "text"]).cumcount(),
                "text": given["text"].map(place),
            }
        ).sort_values(["turn", "text"], kind="stable")
        yield Voice(given.loc[order.index], clips[~clips["text"].isin(list(place))])


def adapt(run: Run, clips: pd.DataFrame, folder: Path, *settings: str) -> Run:
    """Return the run that `emotion train experiment=adapt` makes of some clips."""
    table = folder / "clips.csv"
    write_table(table, clips[["path", "emotion", "speaker"]])
    words = [
        *("experiment=adapt", "dataset=csv", "logger=[]"),
        f"dataset.path='{table}'",
        f"dataset.root='{run.config['dataset.root']}'",
        f"init_from='{run.folder}'",
        f"output_root='{folder}'",
        *settings,
    ]
    with composed("train", words) as config:
        return train(apply_init_from(config, words), folder / "run")


def judge(run: Run, data: EmotionDataModule, clips: pd.DataFrame) -> ScoredPredictions:
    """Return what a run says of some clips of a datamodule, its logits calibrated."""
    there = data.index.table["path"].isin(clips["path"])
    data.divide(Split(pd.Series(np.where(there, TEST, OUT), index=data.index.table.index)))
    said = ask(run, run.config, data)
    return ScoredPredictions(
        said.table, said.logits / float(open_model(run).temperature), said.labels
    )


def try_run(
    run: Run, subset: str, shots: Sequence[int], folder: Path, settings: Sequence[str]
) -> Iterator[Trial]:
    """Yield the trials of every speaker of a subset of a run."""
    data = build_datamodule(run.config)
    data.prepare_data()
    wanted = run.split["path"][run.split["subset"] == subset]
    table = data.index.table[data.index.table["path"].isin(wanted)]
    for number, voice in enumerate(voices(table, shots=max(shots))):
        before = judge(run, data, voice.judged)
        for count in shots:
            clips = voice.given.groupby("emotion").head(count)
            start = time.perf_counter()
            adapted = adapt(run, clips, folder / run.folder.name / f"{number}-{count}", *settings)
            seconds = time.perf_counter() - start
            after = judge(adapted, data, voice.judged)
            gain = after.figures(1.0)["uar"] - before.figures(1.0)["uar"]
            print(f"{run.folder.name} {number} {count}: {gain:+.1%}", file=sys.stderr, flush=True)
            yield Trial(count, len(clips), before, after, seconds)


def together(outcomes: Sequence[ScoredPredictions]) -> ScoredPredictions:
    """Return the answers to all speakers as one."""
    table = pd.concat([each.table for each in outcomes], ignore_index=True)
    return ScoredPredictions(
        table, np.concatenate([each.logits for each in outcomes]), outcomes[0].labels
    )


def described(run: Run) -> str:
    """Return which kind of run it is: those of one kind share a table."""
    choices = run.environment["choices"]
    return " ".join(f"{group}={choices[group]}" for group in ("model", "dataset", "split"))


def table_of(trials: Sequence[Trial]) -> list[str]:
    """Return a table in Markdown, a line a number of clips; p counts all lines."""
    cases = {
        count: [trial for trial in trials if trial.shots == count]
        for count in dict.fromkeys(trial.shots for trial in trials)
    }
    rows, chances = [], []
    for count, some in cases.items():
        before = together([trial.before for trial in some])
        after = together([trial.after for trial in some])
        found = compare(
            after.predictions(1.0), before.predictions(1.0), names=("adapted", "as it was")
        )
        old, new = before.figures(1.0), after.figures(1.0)
        gains = [
            new["by_speaker"][name]["uar"] - old["by_speaker"][name]["uar"]
            for name in old["by_speaker"]
        ]
        interval = "" if found.low is None else f"{found.low:+.1%} to {found.high:+.1%}"
        chances.append(found.p)
        rows.append(
            [
                str(count),
                f"{statistics.mean(trial.given for trial in some):.0f}",
                f"{old['uar']:.1%}",
                f"{new['uar']:.1%}",
                f"**{found.difference:+.1%}**",
                interval,
                "",
                f"{sum(gain > 0 for gain in gains)} of {len(gains)}",
                f"{min(gains):+.0%} to {max(gains):+.0%}",
                f"{old['calibration']['ece']:.1%}",
                f"{new['calibration']['ece']:.1%}",
                f"{statistics.median(trial.seconds for trial in some):.0f}",
            ]
        )
    for row, p in zip(rows, holm(chances), strict=True):
        row[HEAD.index("p")] = f"{p:.3f}"
    return grid(HEAD, rows)


def main() -> None:
    """Adapt to every speaker, print the table and, of test speakers, write the page."""
    chosen = options()
    runs = [Run(Path(name)) for name in chosen.runs.split(",") if name]
    if not runs:
        raise SystemExit("runs=RUN,RUN,… names the finished runs whose speakers are adapted to.")
    shots = [int(word) for word in chosen.shots.split(",")]
    text = [
        "# What do a few labelled clips of a new speaker give?",
        "",
        "`emotion train experiment=adapt init_from=RUN` for each test speaker of runs that never "
        "met them. Clips that adapt and clips that judge share no sentence, and all lines of a "
        "table judge the same clips. The interval and p (sign flips, corrected for the number of "
        f"lines) are over speakers; seconds are of one adaptation, without start-up. {MACHINE}.",
    ]
    for kind in dict.fromkeys(map(described, runs)):
        same = [run for run in runs if described(run) == kind]
        with scratch_folder() as folder:
            trials = [
                trial
                for run in same
                for trial in try_run(run, chosen.subset, shots, folder, chosen.settings.split())
            ]
        firsts = [trial for trial in trials if trial.shots == shots[0]]
        judged = sum(len(trial.before.table) for trial in firsts)
        about = (
            f"{len(firsts)} {chosen.subset} speakers, {judged:,} clips judged; runs: {len(same)}."
        )
        text += ["", f"## {kind}", "", about, "", *table_of(trials)]
    print("\n".join(text))
    if chosen.subset != TEST:
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "adapt.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
