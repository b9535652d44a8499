"""A trained model for use from Python: `emotion.load`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.config.schema import MovedClipsSettings, PredictorSettings
from emotion.config.trust import trusting
from emotion.errors import ConfigError
from emotion.inference.file_batches import AudioPart
from emotion.inference.inputs import open_inputs
from emotion.inference.load_models import open_predictor
from emotion.inference.predict_files import predict_parts
from emotion.runtime.rows import Row, prediction_row

BATCH_SIZE = 32


class LoadedModel:
    """Trained model of a run folder or an export folder.

    Args:
        folder: of the run or export; "latest" for the newest run under ./outputs.
        abstain_below: the note is "not sure" where the highest probability is below this.
        trust: modules whose classes a run of another person may use.

    Attributes:
        labels: the classes, in the order of the columns p_<label>.

    Raises:
        RunError: the folder is neither a run nor an export, or it is damaged.
    """

    def __init__(
        self, folder: str | Path, *, abstain_below: float = 0.0, trust: Sequence[str] = ()
    ) -> None:
        settings = PredictorSettings(
            run=str(folder),
            output_root="outputs",
            cache_dir="outputs/cache",
            debug=False,
            trust=list(trust),
            accelerator="auto",
            abstain_below=abstain_below,
            labels=None,
            priors=None,
            speech_gate=True,
            profile=True,
            dataset=MovedClipsSettings(root=None),
        )
        with trusting(settings.trust):
            self.predictor = open_predictor(settings)
        self.labels = self.predictor.labels

    def predict(
        self,
        audio: str | Path | Sequence[str | Path] | npt.ArrayLike,
        *,
        sample_rate: int | None = None,
    ) -> list[Row]:
        """Return one row per clip: path, predicted, note, p_<label>…, as `emotion predict` does.

        Args:
            audio: a file, a folder, a pattern or a list of these; or the samples of one clip with
                `sample_rate`: (T,), (T, channels) or (channels, T), floats with full scale at 1, or
                integers of 8, 16 or 32 bits.
            sample_rate: of samples, Hz. Their row has an empty path.

        Raises:
            ConfigError: no file matches, none can be read, or samples that cannot be used.
        """
        names: list[Any] = list(audio) if isinstance(audio, list | tuple) else [audio]
        if sample_rate is not None:
            if any(isinstance(name, str | Path) for name in names):
                raise ConfigError("sample_rate is for samples; a file has its own.")
            if names and isinstance(audio, list | tuple) and np.ndim(names[0]):
                raise ConfigError("a list of clips is given. Call predict once for each clip.")
            clip = self.predictor.prepare(audio, sample_rate)  # type: ignore[arg-type]
            (prediction,) = self.predictor.predict([clip])
            return [prediction_row({"path": ""}, prediction, self.labels)]
        if not all(isinstance(name, str | Path) for name in names):
            raise ConfigError("samples need their rate: predict(samples, sample_rate=16000).")
        with open_inputs([str(name) for name in names]) as files:
            parts = [AudioPart(file) for file in files]
            rows, _ = predict_parts(parts, self.predictor, batch_size=BATCH_SIZE)
        return rows
