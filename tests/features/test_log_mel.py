import pytest
import torch
import torchaudio.transforms as AT  # noqa: N812 - torchaudio's own abbreviation
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emotion.audio.standardise import ms_to_samples
from emotion.errors import ConfigError
from emotion.features.log_mel import LogMel, fit_waves, power_to_db, solve_hop
from emotion.features.padding import mask_padding
from tests.support.archive import voice
from tests.support.models import full_lengths

RATES = (16_000, 24_414, 44_100, 48_000)
FRAMES = (128, 192, 224, 299)


def voices(*seconds: float, rate: int = 24_414) -> Tensor:
    """Return voices side by side, (B, T), zeros after the shorter ones."""
    waves = [torch.from_numpy(voice(s, rate, seed=n)) for n, s in enumerate(seconds)]
    return torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)


def spectrogram(features: LogMel, wave: Tensor) -> Tensor:
    return features(wave, full_lengths(wave))


def cropped(image: Tensor, frames: int) -> Tensor:
    start = (image.shape[-1] - frames) // 2
    return image[..., start : start + frames]


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("rate", RATES)
def test_a_spectrogram_is_exactly_the_models_size(rate: int, frames: int) -> None:
    features = LogMel(rate, 2618, n_mels=64, frames=frames)
    assert spectrogram(features, voices(2.618, rate=rate)).shape == (1, 1, 64, frames)
    assert spectrogram(features, voices(1.0, 3.0, rate=rate)).shape == (2, 1, 64, frames)


@given(st.integers(2, 200_000), st.integers(2, 400))
def test_the_hop_is_the_largest_that_gives_enough_frames(length: int, frames: int) -> None:
    if length < frames:
        with pytest.raises(ConfigError, match=rf"{length} samples cannot give {frames} frames"):
            solve_hop(length, frames)
        return
    hop = solve_hop(length, frames)
    assert 1 + length // hop >= frames > 1 + length // (hop + 1)


@pytest.mark.parametrize(
    ("rate", "duration_ms", "frames"),
    [(16_000, 2618, 299), (24_414, 2618, 128), (8_000, 500, 299)],
)
def test_it_is_torchaudios_cropped_evenly(rate: int, duration_ms: int, frames: int) -> None:
    features = LogMel(rate, duration_ms, n_mels=128, frames=frames)
    waves = voices(2.618, 2.5, 2.0, rate=rate)
    waves = fit_waves(waves, ms_to_samples(duration_ms, rate))
    mel = AT.MelSpectrogram(rate, n_fft=2048, hop_length=features.hop, n_mels=128)
    to_db = AT.AmplitudeToDB(top_db=80)
    for wave, image in zip(waves, spectrogram(features, waves), strict=True):
        power = mel(wave[None])
        assert power.shape[-1] >= frames
        torch.testing.assert_close(image, to_db(cropped(power, frames)), atol=1e-3, rtol=0)


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    features = LogMel(24_414, 2618, n_mels=128, frames=128)
    waves = voices(2.618, 2.0, 1.0)
    together = spectrogram(features, waves * torch.tensor([[1_000.0], [1.0], [0.001]]))
    for wave, gain, image in zip(waves, (1_000, 1, 0.001), together, strict=True):
        torch.testing.assert_close(
            spectrogram(features, gain * wave[None])[0], image, atol=1e-3, rtol=0
        )


def test_a_clip_does_not_depend_on_samples_beyond_its_length() -> None:
    features = LogMel(16_000, 2618, n_mels=128, frames=128)
    wave = voices(1.0, rate=16_000)
    noisy = torch.cat([wave, torch.randn(1, 30_000)], dim=1)
    masked = mask_padding(noisy, torch.tensor([16_000]))
    assert torch.equal(spectrogram(features, masked), spectrogram(features, wave))


def test_each_clip_spans_at_most_its_own_80_db() -> None:
    image = spectrogram(LogMel(24_414, 2618, n_mels=128, frames=128), voices(1.0, 2.618) * 5)
    spread = image.amax(dim=(1, 2, 3)) - image.amin(dim=(1, 2, 3))
    torch.testing.assert_close(spread, torch.tensor([80.0, 80.0]))
    narrow = power_to_db(torch.rand(3, 1, 9, 9), range_db=6)
    assert (narrow.amax(dim=(1, 2, 3)) - narrow.amin(dim=(1, 2, 3))).max() <= 6.0001


def test_silence_is_finite() -> None:
    image = spectrogram(LogMel(24_414, 2618, n_mels=128, frames=128), torch.zeros(2, 63_916))
    assert torch.equal(image, torch.full_like(image, -100.0))


def test_a_checkpoint_contains_nothing_of_it() -> None:
    assert LogMel(24_414, 2618, n_mels=128, frames=128).state_dict() == {}


def test_mel_bands_cover_0_hz_to_half_the_rate() -> None:
    features = LogMel(16_000, 2618, n_mels=40, frames=128)
    covered = features.filters.amax(dim=0) > 0
    assert covered[1:-1].all()
    tones = torch.sin(
        2 * torch.pi * torch.tensor([[200.0], [7_500.0]]) * torch.arange(41_888) / 16_000
    )
    low, high = spectrogram(features, tones).mean(dim=(1, 3)).argmax(dim=-1).tolist()
    assert low < 4
    assert high > 36


def test_too_short_a_duration_is_refused() -> None:
    with pytest.raises(ConfigError, match="160 samples cannot give 224 frames"):
        LogMel(16_000, 10, n_mels=64, frames=224)
    with pytest.raises(ConfigError, match="50 ms are shorter than half a window of 2048"):
        LogMel(16_000, 50, n_mels=64, frames=32)


def test_frames_of_a_clip_follow_from_its_samples_alone() -> None:
    features = LogMel(16_000, 4_000, n_mels=64, frames=251, n_fft=1024)
    length = torch.tensor([1, 255, 256, 32_000, 63_999, 64_000, 96_000])
    assert features.hop == 256
    assert features.frame_lengths(length).tolist() == [1, 1, 2, 126, 250, 251, 251]


def test_cropped_frames_do_not_count() -> None:
    features = LogMel(8_000, 500, n_mels=32, frames=224, n_fft=512)
    assert (features.hop, features.spectrum.first) == (17, 6)
    lengths = torch.tensor([50, 17 * 100, 4_000, 9_000])
    assert features.frame_lengths(lengths).tolist() == [1, 95, 224, 224]
