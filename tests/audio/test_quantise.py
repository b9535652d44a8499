import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emotion.audio.quantise import dequantise, quantise

waves = arrays.arrays(
    np.float32, st.integers(1, 50), elements=st.floats(-4, 4, width=32, allow_subnormal=False)
)


@given(waves)
def test_int16_storage_has_an_error_of_half_a_step_of_the_clips_peak(
    wave: npt.NDArray[np.float32],
) -> None:
    samples, scale = quantise(wave, "int16")
    step = np.abs(wave).max() / 32_767
    assert samples.dtype == np.int16
    assert np.abs(dequantise(samples, scale) - wave).max() <= 0.502 * step


def test_a_silent_clip_stays_silent() -> None:
    samples, scale = quantise(np.zeros(9, np.float32), "int16")
    assert not dequantise(samples, scale).any()
