from collections.abc import Sequence

import numpy as np

from emotion.audio.decode import Wave
from emotion.export.compare import BATCH_CLIPS, infer_all
from emotion.runtime.base import ModelOutput


def test_outputs_keep_the_order_of_the_waves_across_batches() -> None:
    sizes: list[int] = []

    def infer(waves: Sequence[Wave]) -> ModelOutput:
        sizes.append(len(waves))
        values = np.array([[len(wave)] for wave in waves], dtype=np.float64)
        return ModelOutput(np.ones_like(values), values, values.astype(np.float32))

    lengths = np.random.default_rng(0).permutation(np.arange(1, 41))
    output = infer_all(infer, [np.zeros(length, dtype=np.float32) for length in lengths])
    assert output.logits[:, 0].tolist() == lengths.tolist()
    assert output.embedding[:, 0].tolist() == lengths.tolist()
    assert sizes == [BATCH_CLIPS, BATCH_CLIPS, 40 - 2 * BATCH_CLIPS]
