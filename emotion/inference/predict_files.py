"""Predicts files and segments of files: one row each."""

import logging
from collections.abc import Sequence

from emotion.inference.file_batches import AudioPart, FileBatches
from emotion.runtime.predictor import Predictor
from emotion.runtime.rows import Row, prediction_row

log = logging.getLogger(__name__)

EXAMPLES = 5
"""Out-of-distribution clips whose reasons are logged."""


def predict_parts(
    parts: Sequence[AudioPart], predictor: Predictor, *, batch_size: int
) -> tuple[list[Row], int]:
    """Return one row per readable part, and the number of parts that could not be read.

    Raises:
        ConfigError: no part can be read.
    """
    batches = FileBatches(
        parts, predictor.prepare, batch_size=batch_size, window_s=predictor.window_s
    )
    rows: list[Row] = []
    reasons: list[str] = []
    for batch in batches.batches():
        predictions = predictor.predict([clip for _, clip in batch])
        for (part, _), prediction in zip(batch, predictions, strict=True):
            rows.append(prediction_row(part.columns, prediction, predictor.labels))
            if prediction.ood_reasons:
                reasons.append(f"{part.source.name}: {'; '.join(prediction.ood_reasons)}")
    if reasons:
        log.warning("%d of %d clips are unlike the training clips", len(reasons), len(rows))
    for line in reasons[:EXAMPLES]:
        log.info("  %s", line)
    if len(reasons) > EXAMPLES:
        log.info("  … and %d more", len(reasons) - EXAMPLES)
    return rows, batches.unreadable
