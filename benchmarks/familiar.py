"""Which clips are said to be unlike the training clips, and is the model worse on them?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import RESULTS, SCRATCH, command, grid, options
from emotion.audio.decode import decode
from emotion.config.composition import composed
from emotion.data.corpora.index import build_index
from emotion.data.splits.base import TEST
from emotion.inference.load_models import open_runs
from emotion.inference.training_profile import open_profile
from emotion.runs.run import Run
from emotion.runtime.predictor import Predictor

TRAINED_ON = "crema_d"
WAYS = ("rate", "length", "level", "sound")
BATCH = 32


@dataclass(frozen=True)
class TestClips:
    """A clip: whether the model was right, and in which ways it is unlike the training clips."""

    right: bool
    ways: frozenset[str]


def trained(data_root: str, epochs: int) -> Run:
    """Return a small network, trained on CREMA-D's training speakers where it is not there yet."""
    run = Run(SCRATCH / "familiar")
    if not run.finished:
        command(
            "train",
            f"dataset={TRAINED_ON}",
            f"data_root={data_root}",
            "split=speaker",
            f"trainer.max_epochs={epochs}",
            f"output_root={SCRATCH}",
            f"hydra.run.dir={run.folder}",
        )
    return run


def other_clips(data_root: str, run: Run, count: int) -> dict[str, pd.DataFrame]:
    """Return the run's own test clips, and as many at most of every other corpus, drawn."""
    words = [f"data_root={data_root}", "dataset=cs334"]
    with composed("prepare", words) as config:
        index = build_index(config.build("dataset"), SCRATCH / "corpora" / "index")
    own = run.split.loc[lambda split: split["subset"] == TEST]
    found = {f"{TRAINED_ON}, test speakers": own.sample(min(count, len(own)), random_state=0)}
    for corpus, rows in index.table.groupby("corpus"):
        if corpus != TRAINED_ON:
            found[str(corpus)] = rows.sample(min(count, len(rows)), random_state=0)
    return found


def judge(predictor: Predictor, table: pd.DataFrame, root: Path) -> list[TestClips]:
    """Return what is made of each clip."""
    found = []
    for start in range(0, len(table), BATCH):
        rows = table.iloc[start : start + BATCH]
        heard = [predictor.prepare(*decode(root / path)) for path in rows["path"]]
        for opinion, emotion in zip(predictor.judge(heard), rows["emotion"], strict=True):
            ways = frozenset(
                way for way in WAYS if any(f"its {way}" in said for said in opinion.unlike)
            )
            found.append(TestClips(opinion.predicted == emotion, ways))
    return found


def accuracy(clips: Sequence[TestClips]) -> str:
    """Return the share of right answers and of how many, in words."""
    return f"{np.mean([clip.right for clip in clips]):.1%} of {len(clips)}" if clips else "none"


def line(name: str, clips: Sequence[TestClips]) -> list[str]:
    """Return a line of the page's table."""

    def shared(way: str) -> str:
        return f"{np.mean([way in clip.ways for clip in clips]):.1%}"

    return [
        name,
        f"{np.mean([bool(clip.ways) for clip in clips]):.1%}",
        *map(shared, WAYS),
        accuracy(clips),
        accuracy([clip for clip in clips if not clip.ways]),
        accuracy([clip for clip in clips if clip.ways]),
        accuracy([clip for clip in clips if "sound" not in clip.ways]),
        accuracy([clip for clip in clips if "sound" in clip.ways]),
    ]


def main() -> None:
    """Train once, judge all, and write the page."""
    chosen = options(clips=300, epochs=8)
    if not chosen.data_root:
        raise SystemExit("this benchmark needs the real corpora: data_root=FOLDER.")
    run = trained(chosen.data_root, chosen.epochs)
    network = open_runs([run], "cpu")
    profile = open_profile(run, partial(open_runs, [run], "cpu"))
    if profile is None:
        raise SystemExit(f"the clips of {run.folder} are not there any more.")
    predictor = Predictor(network, profiles=[profile])
    judged = {
        name: judge(predictor, table, Path(chosen.data_root))
        for name, table in other_clips(chosen.data_root, run, chosen.clips).items()
    }
    own, *others = judged.values()
    strangers = [clip for clips in others for clip in clips]
    everything = [*own, *strangers]
    head = ["clips", "unlike", *(f"by {way}" for way in WAYS), "right, of all", "of the like"]
    head += ["of the unlike", "of those of like sound", "of those of unlike sound"]
    lines = [
        "# Which clips are said to be unlike the training clips, and is the model worse on them?",
        "",
        f"`model=cnn`, {chosen.epochs} epochs on {TRAINED_ON}, split=speaker; up to {chosen.clips} "
        "clips of each corpus, drawn. False alarms are the first line's; accuracy is over clips.",
        "",
        *grid(
            head,
            [
                *(line(name, clips) for name, clips in judged.items()),
                line("the other corpora", strangers),
                line("all", everything),
            ],
        ),
        "",
    ]
    text = "\n".join(lines)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "familiar.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
