from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from emotion.audio import standardise
from emotion.audio.clip_statistics import SILENT_DB, measure_clip
from emotion.audio.decode import decode
from tests.support.archive import add_chunks, voice, write_clip

RATE = 16_000


def test_the_hash_is_independent_of_the_container(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "a.wav", seed=1)
    copies = [
        write_clip(tmp_path / "b.wav", seed=1, channels=2),
        write_clip(tmp_path / "c.wav", seed=1, container="AIFF"),
        write_clip(tmp_path / "d.flac", seed=1, container="FLAC"),
        write_clip(tmp_path / "e.wav", seed=1),
    ]
    add_chunks(copies[-1])
    hashes = {measure_clip(*decode(path)).audio_hash for path in (first, *copies)}
    assert len(hashes) == 1
    assert measure_clip(*decode(write_clip(tmp_path / "f.wav", seed=2))).audio_hash not in hashes


def test_the_hash_changes_with_one_sample() -> None:
    wave = voice(0.2, RATE)
    other = wave.copy()
    other[1_000] += 2**-15
    assert measure_clip(wave, RATE).audio_hash != measure_clip(other, RATE).audio_hash


def test_level_peak_and_offset_of_a_known_tone() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE) + 0.01
    statistics = measure_clip(tone.astype(np.float32), RATE)
    assert statistics.peak == pytest.approx(0.51, abs=1e-5)
    assert statistics.dc == pytest.approx(0.01, abs=1e-5)
    assert statistics.level_db == pytest.approx(10 * np.log10(0.5**2 / 2 + 0.01**2), abs=0.01)
    assert statistics.loudest_db == pytest.approx(statistics.level_db, abs=0.1)
    assert statistics.clipped == 0


def test_clipped_samples_are_counted() -> None:
    wave = np.clip(voice(0.2, RATE, level=5), -1, 1)
    assert measure_clip(wave, RATE).clipped == pytest.approx(
        np.count_nonzero(np.abs(wave) == 1), abs=5
    )


def test_leading_and_trailing_silence_are_relative_to_the_clips_level() -> None:
    wave = np.concatenate([np.zeros(RATE), 0.3 * np.tile([1, -1], RATE // 2), np.zeros(RATE // 2)])
    wave = wave.astype(np.float32)
    loud, quiet = measure_clip(wave, RATE), measure_clip(wave / 18, RATE)
    assert (loud.lead_ms, loud.tail_ms) == (1000.0, 500.0)
    assert (quiet.lead_ms, quiet.tail_ms) == (1000.0, 500.0)
    assert loud.level_db - quiet.level_db == pytest.approx(20 * np.log10(18), abs=0.01)


def test_the_quietest_voice_is_above_the_silence_threshold_and_hiss_below() -> None:
    quietest = voice(0.5, RATE)
    quietest *= 0.006 / np.abs(quietest).max()
    assert measure_clip(quietest, RATE).loudest_db > SILENT_DB
    hiss = np.random.default_rng(0).integers(-1, 2, RATE).astype(np.float32) / 2**15
    assert measure_clip(hiss, RATE).loudest_db < SILENT_DB
    assert measure_clip(np.zeros(RATE, np.float32), RATE).loudest_db < SILENT_DB


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_clip_shorter_than_a_frame_has_finite_statistics(size: int) -> None:
    statistics = measure_clip(np.full(size, 0.5, np.float32), RATE)
    assert statistics == replace(statistics, peak=0.5, dc=0.5, level_db=-120.0, loudest_db=-120.0)


def test_a_dc_offset_changes_neither_silence_nor_level() -> None:
    wave = np.pad(voice(0.5, RATE), RATE)
    plain, offset = measure_clip(wave, RATE), measure_clip(wave + np.float32(0.045), RATE)
    assert offset.dc == pytest.approx(plain.dc + 0.045, abs=1e-4)
    assert offset.lead_ms == plain.lead_ms >= 1000
    assert offset.level_db == pytest.approx(plain.level_db, abs=0.1)


def test_a_long_clip_is_measured_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = voice(2.0, 16_000, level=3.0)
    whole = measure_clip(wave, 16_000)
    assert whole.clipped > 100
    monkeypatch.setattr(standardise, "BLOCK_SAMPLES", 5_000)
    assert asdict(measure_clip(wave, 16_000)) == pytest.approx(asdict(whole), abs=1e-3)
