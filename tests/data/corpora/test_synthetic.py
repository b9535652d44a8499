"""Synthetic corpus: equal bytes from equal seeds, and different voices."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotion.data.corpora.synthetic import synthesise_clip, synthesise_corpus
from emotion.data.labels import DEFAULT_LABELS, KNOWN_LABELS
from emotion.errors import ConfigError

SAMPLE_RATE = 16000


def measure_f0_hz(wave: np.ndarray) -> float:
    """Return the median pitch of a clip from the autocorrelation of its frames."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 800)[::400] * np.hanning(800)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)
    shortest, longest = SAMPLE_RATE // 500, SAMPLE_RATE // 70
    lags = correlation[:, shortest:longest].argmax(axis=1) + shortest
    peaks = correlation[np.arange(len(lags)), lags]
    voiced = (peaks > 0.4 * correlation[:, 0]) & (peaks > 0.1 * peaks.max())
    return float(np.median(SAMPLE_RATE / lags[voiced]))


def mean_spectrum_db(wave: np.ndarray) -> np.ndarray:
    """Return the spectrum up to 5 kHz in 40 bands, without the level: (40,)."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 512)[::256] * np.hanning(512)
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)
    bands_db = 10 * np.log10(power[1:161].reshape(-1, 4).mean(axis=1))
    return bands_db - bands_db.mean()


def energy_features(wave: np.ndarray) -> np.ndarray:
    """Return level features of a clip: statistics, slope and contour of its RMS."""
    rms = np.sqrt((wave[: len(wave) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1)) + 1e-5
    level_db = 20 * np.log10(rms)
    time = np.linspace(0, 1, len(rms))
    contour = np.interp(np.linspace(0, 1, 10), time, level_db - level_db.mean())
    steps_db = np.abs(np.diff(level_db))
    return np.array(
        [
            *(rms.mean(), rms.max(), rms.std(), rms.std() / rms.mean()),
            *(level_db.mean(), level_db.max(), level_db.std(), np.polyfit(time, level_db, 1)[0]),
            *(*np.quantile(level_db, (0.05, 0.25, 0.5, 0.75, 0.95)), steps_db.mean(), *contour),
        ]
    )


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a corpus of 3 speakers × 2 sentences × 6 emotions."""
    folder = tmp_path_factory.mktemp("small") / "clips"
    synthesise_corpus(folder, speakers=3, sentences=2, jobs=1)
    return read_bytes(folder)


def test_the_name_contains_speaker_sex_sentence_and_emotion(small: dict[str, bytes]) -> None:
    voices, sentences = ("S01_f", "S02_m", "S03_f"), ("01", "02")
    assert set(small) == {
        "_".join(parts) + ".wav" for parts in itertools.product(voices, sentences, DEFAULT_LABELS)
    }


def test_bytes_depend_on_the_seed_and_not_on_jobs(small: dict[str, bytes], tmp_path: Path) -> None:
    synthesise_corpus(tmp_path / "again", speakers=3, sentences=2, jobs=2)
    assert read_bytes(tmp_path / "again") == small
    synthesise_corpus(tmp_path / "other", speakers=1, sentences=1, seed=1, jobs=1)
    other = read_bytes(tmp_path / "other")
    assert all(small[name] != content for name, content in other.items())
    assert len(set(small.values())) == len(small)


def test_smaller_corpus_is_a_part_of_a_larger_one(small: dict[str, bytes], tmp_path: Path) -> None:
    synthesise_corpus(tmp_path / "part", speakers=2, sentences=1, emotions=["fear"], jobs=1)
    part = read_bytes(tmp_path / "part")
    assert set(part) == {"S01_f_01_fear.wav", "S02_m_01_fear.wav"}
    assert part.items() <= small.items()


def test_a_file_has_the_samples_of_synthesise_clip(tmp_path: Path) -> None:
    synthesise_corpus(tmp_path / "one", speakers=1, sentences=1, emotions=["happy"], jobs=1)
    wave, sample_rate = soundfile.read(tmp_path / "one" / "S01_f_01_happy.wav", dtype="float32")
    assert sample_rate == SAMPLE_RATE
    assert soundfile.info(tmp_path / "one" / "S01_f_01_happy.wav").subtype == "PCM_16"
    np.testing.assert_allclose(wave, synthesise_clip("happy"), atol=2**-15)


def test_clips_of_an_interrupted_run_are_written_again(
    small: dict[str, bytes], tmp_path: Path
) -> None:
    cut = tmp_path / "S01_f_01_happy.wav"
    cut.write_bytes(small[cut.name][:100])
    synthesise_corpus(tmp_path, speakers=1, sentences=1, jobs=1)
    assert cut.read_bytes() == small[cut.name]


def test_unknown_emotion_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'hapy'.*Did you mean happy\?"):
        synthesise_corpus(tmp_path / "clips", emotions=["sad", "hapy"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("emotion", KNOWN_LABELS)
def test_clip_is_speech_between_silences(emotion: str) -> None:
    for speaker in (1, 2):
        wave = synthesise_clip(emotion, speaker=speaker, sentence=3)
        assert wave.dtype == np.float32
        assert 1.1 < len(wave) / SAMPLE_RATE < 3.1
        assert 0.05 < np.abs(wave).max() < 0.99
        silence = np.concatenate([wave[:1280], wave[-1280:]])  # 80 ms at each end
        assert 0 < silence.std() < 0.1 * wave.std()


@pytest.mark.parametrize("sample_rate", [24414, 44100])
def test_clip_lasts_as_long_at_any_sample_rate(sample_rate: int) -> None:
    wave = synthesise_clip("angry", sample_rate=sample_rate)
    usual_s = len(synthesise_clip("angry")) / SAMPLE_RATE
    assert len(wave) / sample_rate == pytest.approx(usual_s, rel=0.01)


def mean_f0_hz(emotion: str, speaker: int) -> float:
    clips = (synthesise_clip(emotion, speaker=speaker, sentence=number) for number in range(1, 7))
    return float(np.mean([measure_f0_hz(clip) for clip in clips]))


@pytest.mark.parametrize("speaker", range(1, 7))
def test_angry_is_higher_than_sad_for_every_speaker(speaker: int) -> None:
    assert mean_f0_hz("angry", speaker) > 1.1 * mean_f0_hz("sad", speaker)


def test_women_have_higher_voices_than_men_and_all_voices_differ() -> None:
    f0_hz = [mean_f0_hz("neutral", speaker) for speaker in range(1, 7)]
    assert min(f0_hz[::2]) > 1.2 * max(f0_hz[1::2])
    assert len(set(np.round(f0_hz))) == len(f0_hz)


def test_the_spectrum_identifies_the_speaker_of_other_sentences() -> None:
    spectra = np.array(
        [
            [
                mean_spectrum_db(synthesise_clip("neutral", speaker=speaker, sentence=sentence))
                for sentence in range(1, 13)
            ]
            for speaker in range(1, 7)
        ]
    )  # (6, 12, 40)
    spectra -= spectra.mean(axis=0)  # without the sentence
    known, unknown = spectra[:, :8].mean(axis=1), spectra[:, 8:]
    distance = np.linalg.norm(unknown[:, :, None] - known, axis=-1)  # (6, 4, 6)
    right = distance.argmin(axis=-1) == np.arange(6)[:, None]
    assert right.mean() > 0.4  # chance: 1 in 6


@pytest.mark.slow
def test_level_features_do_not_identify_the_emotion(tmp_path: Path) -> None:
    synthesise_corpus(tmp_path / "clips", jobs=2)
    paths = sorted((tmp_path / "clips").iterdir())
    assert len(paths) == 30 * 6 * 8
    speakers = [path.stem.split("_")[0] for path in paths]
    emotions = [path.stem.split("_")[3] for path in paths]
    features = np.array([energy_features(soundfile.read(path)[0]) for path in paths])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    predicted = cross_val_predict(
        model, features, emotions, groups=speakers, cv=GroupKFold(n_splits=6)
    )
    assert 0.1 < recall_score(emotions, predicted, average="macro") < 0.35
