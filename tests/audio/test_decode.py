import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emotion.audio import decode as decoding
from emotion.audio.decode import (
    SUFFIXES,
    Header,
    decode,
    decode_segment,
    frame_at,
    read_blocks,
    read_header,
)
from emotion.audio.mono import OPPOSITE_PHASE
from emotion.errors import AudioError, TooLongError
from tests.support.archive import LFS_POINTER, add_chunks, voice, write_clip
from tests.support.compressed import flac_of_silence, hum, mp3, ogg, without_tag
from tests.support.hostile import flac_that_claims

OPENERS = pytest.mark.parametrize("opener", [read_header, decode])


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = voice(0.1, 16_000, seed=1), voice(0.1, 16_000, seed=2)
    sf.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16_000, subtype="FLOAT")
    wave, rate = decode(tmp_path / "a.wav")
    assert (wave.ndim, wave.dtype, rate) == (1, np.float32, 16_000)
    np.testing.assert_allclose(wave, (left + right) / 2, atol=1e-7)


def test_equal_channels_give_exactly_the_mono_clip(tmp_path: Path) -> None:
    mono = write_clip(tmp_path / "mono.wav", seed=3)
    stereo = write_clip(tmp_path / "stereo.wav", seed=3, channels=2)
    np.testing.assert_array_equal(decode(mono)[0], decode(stereo)[0])


@pytest.mark.parametrize("container", ["AIFF", "FLAC", "WAV", "W64", "AU"])
def test_the_content_decides_and_not_the_suffix(tmp_path: Path, container: str) -> None:
    path = write_clip(tmp_path / "a.wav", 0.5, rate=24_414, seed=4, container=container)
    assert read_header(path) == Header(24_414, 12_207, 1, container)
    wave, rate = decode(path)
    assert rate == 24_414
    np.testing.assert_allclose(wave, voice(0.5, 24_414, seed=4), atol=2**-15)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_that_is_searched_for_can_be_read(tmp_path: Path, suffix: str) -> None:
    container = {".aif": "AIFF", ".opus": "OGG"}.get(suffix, suffix[1:].upper())
    path = tmp_path / f"a{suffix}"
    subtype = {"OGG": "OPUS" if suffix == ".opus" else "VORBIS"}.get(container)
    sf.write(path, voice(1.0, 48_000), 48_000, format=container, subtype=subtype)
    header = read_header(path)
    wave, rate = decode(path)
    assert (header.frames, header.sample_rate) == (len(wave), rate) == (48_000, 48_000)


def test_metadata_chunks_are_not_decoded_as_samples(tmp_path: Path) -> None:
    plain = write_clip(tmp_path / "plain.wav", seed=5)
    chunky = write_clip(tmp_path / "chunky.wav", seed=5)
    add_chunks(chunky)
    assert chunky.stat().st_size > plain.stat().st_size + 50_000
    assert read_header(chunky) == read_header(plain)
    np.testing.assert_array_equal(decode(chunky)[0], decode(plain)[0])


def test_a_file_name_that_is_not_utf8_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    try:
        write_clip(tmp_path / "a.wav").rename(path)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    assert read_header(path).frames == len(decode(path)[0]) == 4_000


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "is not there"),
    "folder": (Path.mkdir, "is a folder, not a file"),
    "dangling": (lambda path: path.symlink_to("nowhere.wav"), "is a broken link"),
    "empty": (Path.touch, "is empty"),
    "pointer": (lambda path: path.write_text(LFS_POINTER), "git lfs pull"),
    "m4a": (lambda path: path.write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0"), "ffmpeg"),
    "text": (lambda path: path.write_text("hello " * 50), "is not readable audio"),
    "no samples": (lambda path: sf.write(path, np.zeros(0), 16_000), "holds no samples"),
    "slow": (lambda path: sf.write(path, np.zeros(99), 500), "sample rate of 500 Hz"),
    "wide": (lambda path: sf.write(path, np.zeros((9, 65)), 16_000), "has 65 channels"),
}


@OPENERS
@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_file_is_refused_with_its_reason(
    tmp_path: Path, kind: str, opener: Callable[[Path], object]
) -> None:
    write, reason = UNUSABLE[kind]
    write(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=reason):
        opener(tmp_path / "a.wav")


@OPENERS
def test_raw_samples_without_a_header_are_refused(
    tmp_path: Path, opener: Callable[[Path], object]
) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(3_200))
    with pytest.raises(AudioError, match="is not readable audio"):
        opener(tmp_path / "a.raw")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    wave = voice(0.1, 16_000)
    wave[7] = bad
    sf.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        decode(tmp_path / "a.wav")


def test_a_truncated_file_gives_the_samples_it_has(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", seed=6)
    whole = decode(path)[0]
    path.write_bytes(path.read_bytes()[:-4_000])
    wave, _ = decode(path)
    assert len(wave) == len(whole) - 2_000 == read_header(path).frames
    np.testing.assert_array_equal(wave, whole[: len(wave)])


def test_variable_bit_rate_without_a_length_is_read_to_its_end(tmp_path: Path) -> None:
    for samples in (hum(44.0), hum(44.0)[::-1]):  # the first frames are small, or large
        whole = mp3(samples)
        (tmp_path / "whole.mp3").write_bytes(whole)
        (tmp_path / "a.mp3").write_bytes(without_tag(whole))
        expected, _ = decode(tmp_path / "whole.mp3")
        wave, _ = decode(tmp_path / "a.mp3")
        assert len(expected) == 44 * 16_000
        assert abs(len(wave) - len(expected)) < 4 * 576  # the tag trims the encoder's delay
        assert read_header(tmp_path / "a.mp3").frames == len(wave)
        assert sum(len(block) for block, _ in read_blocks(tmp_path / "a.mp3")) == len(wave)


JOINED = {
    "MP3": [mp3(hum(5.0)), mp3(hum(7.0), mode="CONSTANT"), without_tag(mp3(hum(4.0)))],
    "MP3 of one and of two channels": [mp3(hum(3.0)), mp3(hum(2.0, channels=2))],
    "Vorbis": [ogg(hum(5.0), "VORBIS"), ogg(hum(7.0), "VORBIS")],
    "Opus": [ogg(hum(5.0), "OPUS"), ogg(hum(3.0), "OPUS")],
}


@pytest.mark.parametrize("kind", JOINED)
def test_all_recordings_of_a_joined_file_are_read(tmp_path: Path, kind: str) -> None:
    waves = []
    for content in JOINED[kind]:
        (tmp_path / "part").write_bytes(content)
        waves.append(decode(tmp_path / "part")[0])
    path = tmp_path / "joined"
    path.write_bytes(b"".join(JOINED[kind]))
    expected = np.concatenate(waves)
    wave, rate = decode(path)
    np.testing.assert_array_equal(wave, expected)
    assert read_header(path).frames == len(expected)
    part, _ = decode(path, start_s=4.5, stop_s=5.5)
    np.testing.assert_allclose(part, wave[72_000:88_000], atol=1e-6)
    with pytest.raises(AudioError, match=f"ends at {len(wave) / rate:.2f} s, before 99.00 s"):
        decode(path, start_s=99.0)


def test_joined_recordings_of_different_rates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    path.write_bytes(ogg(hum(1.0), "VORBIS") + ogg(hum(1.0), "VORBIS", rate=24_000))
    with pytest.raises(AudioError, match="joins recordings of 16000 and of 24000 Hz"):
        decode(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_part_of_a_file_has_the_samples_of_the_whole(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.ogg"
    path.write_bytes(ogg(hum(90.0), subtype))
    wave, _ = decode(path)
    for start in (1, 20, 45, 88, 89.5):
        part, _ = decode(path, start_s=start, stop_s=start + 0.5)
        np.testing.assert_array_equal(part, wave[int(start * 16_000) :][:8_000])


def test_opposite_phase_is_reported_once_and_the_clip_is_not_silent(tmp_path: Path) -> None:
    left = voice(0.5, 16_000)
    sf.write(tmp_path / "a.wav", np.stack([left, -left], axis=1), 16_000, subtype="FLOAT")
    warnings: list[str] = []
    wave, _ = decode(tmp_path / "a.wav", warn=warnings.append)
    np.testing.assert_array_equal(wave, left)
    assert warnings == [OPPOSITE_PHASE]
    assert "phase" in OPPOSITE_PHASE


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff"])
def test_a_segment_has_exactly_the_samples_of_the_whole_file(tmp_path: Path, suffix: str) -> None:
    container, subtype = {".opus": ("OGG", "OPUS")}.get(suffix, (suffix[1:].upper(), None))
    path = tmp_path / f"a{suffix}"
    sf.write(path, voice(3.0, 16_000), 16_000, format=container, subtype=subtype)
    whole, rate = decode(path)
    for start_s, end_s in ((0.0, 1.0), (0.33333, 0.75), (1.1, 2.9), (2.5, 3.0), (1.0, np.inf)):
        stop = None if end_s == np.inf else frame_at(end_s, rate)
        wave, _ = decode_segment(path, start_s, end_s)
        np.testing.assert_array_equal(wave, whole[frame_at(start_s, rate) : stop])


def test_a_segment_beyond_the_end_of_its_file_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", 2.0)
    assert len(decode_segment(path, 1.0, 2.01)[0]) == 16_000, "an end that was rounded"
    with pytest.raises(AudioError, match=r"^ends at 2\.00 s, before the end of its segment, 2\.02"):
        decode_segment(path, 1.0, 2.02)
    with pytest.raises(AudioError, match=r"^ends at 2\.00 s, before 3\.00 s"):
        decode_segment(path, 3.0, 4.0)
    with pytest.raises(AudioError, match=r"^holds no samples"):
        decode_segment(path, 1.0, 1.00001)


def test_a_clip_with_too_many_samples_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(flac_that_claims(600 * 655_350, rate=655_350))  # ten minutes, 88 kB if silent
    assert read_header(path).frames == 600 * 655_350
    with pytest.raises(TooLongError, match="is too long: more than 134,217,728 samples"):
        decode(path)
    assert len(decode(path, stop_s=0.01)[0]) == 6_554, "a part within the limit is read"


@pytest.mark.parametrize("channels", [1, 2])
def test_limits_count_the_samples_of_all_channels(tmp_path: Path, channels: int) -> None:
    path = write_clip(tmp_path / "a.wav", 1.0, channels=channels)
    assert len(decode(path, max_samples=16_000 * channels)[0]) == 16_000
    with pytest.raises(TooLongError):
        decode(path, max_samples=16_000 * channels - 1)
    warnings: list[str] = []
    limit = 8_000 * channels
    wave, _ = decode(path, max_samples=limit, truncate=True, warn=warnings.append)
    np.testing.assert_array_equal(wave, decode(path)[0][:8_000])
    assert warnings == ["is long: only its first 0.5 s are read"]


@pytest.mark.parametrize("opener", [read_header, decode])
def test_a_file_without_a_length_is_read_no_further_than_the_limit(
    tmp_path: Path, opener: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(flac_of_silence(60, length=False))
    assert read_header(path).frames == len(decode(path)[0]) == 60 * 16_000
    monkeypatch.setattr(decoding, "BLOCK_SAMPLES", 1_000)
    sizes: list[int] = []
    read = decoding._SequentialFile.read

    def counted(self: sf.SoundFile, *args: int, **settings: object) -> object:
        samples = read(self, *args, **settings)
        sizes.append(len(samples))
        return samples

    monkeypatch.setattr(decoding._SequentialFile, "read", counted)
    with pytest.raises(TooLongError):
        opener(path, max_samples=10_000)
    assert sum(sizes) <= 11_000
