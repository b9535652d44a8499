"""A trained model for use from Python: `emotion.load`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion.config.schema import PredictorSettings
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

    Attributes:
        labels: the classes, in the order of the columns p_<label>.

    Raises:
        RunError: the folder is neither a run nor an export, or it is damaged.
    """

    def __init__(self, folder: str | Path, *, abstain_below: float = 0.0) -> None:
        settings = PredictorSettings(
            run=str(folder),
            output_root="outputs",
            debug=False,
            accelerator="auto",
            abstain_below=abstain_below,
            labels=None,
            priors=None,
            speech_gate=True,
            profile=True,
        )
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
            audio: a file, a folder, a pattern or a list of these; or samples, (T,) mono or
                (T, channels), floats in -1…1, with `sample_rate`.
            sample_rate: of samples, Hz. Their row has an empty path.

        Raises:
            ConfigError: no file matches, none can be read, or samples without a sample rate.
        """
        if sample_rate is not None:
            return [self._predict_samples(np.asarray(audio, dtype=np.float32), sample_rate)]
        names = audio if isinstance(audio, list | tuple) else [audio]
        if not all(isinstance(name, str | Path) for name in names):
            raise ConfigError("samples need their rate: predict(samples, sample_rate=16000).")
        with open_inputs([str(name) for name in names]) as files:
            parts = [AudioPart(file) for file in files]
            rows, _ = predict_parts(parts, self.predictor, batch_size=BATCH_SIZE)
        return rows

    def _predict_samples(self, samples: npt.NDArray[np.float32], sample_rate: int) -> Row:
        if samples.ndim == 2:
            samples = samples.mean(axis=1)
        if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
            raise ConfigError(
                f"samples of shape {samples.shape} cannot be used: give finite values, (T,) or "
                "(T, channels), with at least one sample."
            )
        if sample_rate < 1:
            raise ConfigError(f"sample_rate={sample_rate} must be at least 1 Hz.")
        (prediction,) = self.predictor.predict([self.predictor.prepare(samples, sample_rate)])
        return prediction_row({"path": ""}, prediction, self.labels)
