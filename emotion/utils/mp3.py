"""MP3 encoding of a waveform."""

from io import BytesIO

import numpy as np
import numpy.typing as npt
import soundfile as sf


def encode_mp3(wave: npt.NDArray[np.float32], sample_rate: int, *, kbps: float) -> bytes:
    """Return a wave, (T,), as an MPEG-2 layer III file at a constant 8 to 160 kbit/s."""
    file = BytesIO()
    level = (160 - kbps) / (160 - 8)  # libsndfile: 0 is MPEG-2's highest bitrate, 1 its lowest
    sf.write(
        file, wave, sample_rate, format="MP3", compression_level=level, bitrate_mode="CONSTANT"
    )
    return file.getvalue()
