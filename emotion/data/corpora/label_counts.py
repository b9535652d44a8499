"""Labels without clips, and clips without a label that the run distinguishes."""

from collections.abc import Iterator, Mapping

import pandas as pd

from emotion.data.corpora.index import Index
from emotion.data.labels import DEFAULT_LABELS
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.errors import CorpusError, suggest


def check_labels(index: Index, *, inherited: bool = False) -> None:
    """Check that every label has a clip.

    A label of the default that no clip has is only noted (`label_notes`), unless clips of further
    classes were left out: they may be the same class by another name.

    Args:
        index: the usable clips, and the classes that were left out.
        inherited: the labels are those of another run, which may have further classes.

    Raises:
        CorpusError: a label has no clip; the message has near names.
    """
    missing = labels_without_clips(index)
    if inherited or not missing or (index.labels == DEFAULT_LABELS and not index.left_out):
        return
    found = sorted({*index.table["emotion"], *index.left_out})
    others = f"; {describe_left_out(index.left_out)}" if index.left_out else ""
    near = suggest(missing[0], found)
    raise CorpusError(
        f"no clip has the label {' or '.join(missing)}{others}.{near} Correct dataset.labels, or "
        "map the names of the corpus to the labels by `emotions` of its reader."
    )


def labels_without_clips(index: Index) -> list[str]:
    """Return the labels that no usable clip has."""
    found = set(index.table["emotion"])
    return [label for label in index.labels if label not in found]


def label_notes(index: Index, subset: "pd.Series[str]") -> Iterator[str]:
    """Yield warnings of labels without clips, and without training clips."""
    missing = labels_without_clips(index)
    if missing:
        yield f"warning: no clip has the label {', '.join(missing)}"
    counts = pd.crosstab(index.table["emotion"], subset)
    trained = set(index.table["emotion"][subset == TRAIN])
    for label in index.labels:
        untrained = label in counts.index and label not in trained
        parts = {part: int(counts[part].get(label, 0)) for part in (VAL, TEST) if part in counts}
        if untrained and any(parts.values()):
            named = " and ".join(f"{count:,} {part}" for part, count in parts.items() if count)
            yield f"warning: no training clip has the label {label}, but {named} clips have it"


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Return the number of clips of classes that are not among the labels, by class."""
    classes = ", ".join(f"{name} {count:,}" for name, count in left_out.items())
    return f"{sum(left_out.values()):,} clips of other classes are left out: {classes}"
