"""A tiny four-corpus archive: the published layouts, names and irregularities, in noise."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf

from emotion.audio.decode import Wave

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 72862\n"

CLIPS = {"crema_d": 23, "ravdess": 17, "savee": 12, "tess": 9}
"""Rows that the readers find, by corpus; one row of CREMA-D is a Git LFS pointer."""

SKIPPED = {
    "Crema/._1001_DFA_ANG_XX.wav": "is a hidden file",
    "Crema/1001_DFA_XYZ_XX.wav": "has the unknown emotion code 'XYZ'",
    "Crema/1007_DFA_ANG_XX.wav": "is a Git LFS pointer, not audio (fetch it with 'git lfs pull')",
    "Crema/notes.wav": "has a name that does not match the pattern of the corpus",
    "Ravdess/Actor_01/03-02-05-01-01-01-01.wav": "is song, not speech",
    "Ravdess/audio_speech_actors_01-24/Actor_01/03-01-05-01-01-01-01.wav": (
        "is a second copy of Ravdess/Actor_01/03-01-05-01-01-01-01.wav"
    ),
}
"""Files skipped for their name or header, with the reason."""

CONFLICT = ("Crema/1006_TIE_HAP_XX.wav", "Crema/1006_TIE_NEU_XX.wav")
SILENT = "Crema/1076_MTI_SAD_XX.wav"
STEREO = "Ravdess/Actor_02/03-01-05-01-01-01-02.wav"
AIFF = ("Tess/YAF_angry/YAF_germ_angry.wav", "Tess/YAF_fear/YAF_neat_fear.wav")


def voice(seconds: float, rate: int, *, seed: int = 0, level: float = 0.1) -> Wave:
    """Return a hum with noise that rises and falls, (T,) float32, at about `level`."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    hum = sum(np.sin(2 * np.pi * rng.uniform(100, 3000) * time) for _ in range(5))
    wave = (hum + 0.3 * rng.standard_normal(len(time))) * np.sin(np.pi * (time + 0.01) / seconds)
    return (level / 2 * wave).astype(np.float32)


def write_clip(
    path: Path,
    seconds: float = 0.25,
    *,
    rate: int = 16_000,
    seed: int = 0,
    level: float = 0.1,
    channels: int = 1,
    container: str = "WAV",
) -> Path:
    """Write a 16-bit clip with equal channels in a container of any suffix; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.round(voice(seconds, rate, seed=seed, level=level) * 32767).astype(np.int16)
    sf.write(path, np.stack([samples] * channels, axis=1), rate, format=container, subtype="PCM_16")
    return path


def add_chunks(path: Path) -> None:
    """Add 4 kB of filler before the samples of a WAV file and 50 kB of notes after them."""
    content = path.read_bytes()
    start = content.index(b"data")
    filler, notes = bytes(4044), b"INFO" + b"note" * 12_500
    body = content[8:start] + b"FLLR" + struct.pack("<I", len(filler)) + filler
    body += content[start:] + b"LIST" + struct.pack("<I", len(notes)) + notes
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def write_archive(root: Path) -> Path:
    """Write the archive under `root`; clips are equal only where published ones are."""
    seeds = iter(range(1_000))
    _write_crema(root / "Crema", seeds)
    _write_ravdess(root / "Ravdess", seeds)
    _write_savee(root / "Savee", seeds)
    _write_tess(root / "Tess", seeds)
    return root


def _write_crema(folder: Path, seeds: Iterator[int]) -> None:
    names = [
        f"{actor}_DFA_{code}_XX" for actor in range(1001, 1006) for code in ("ANG", "HAP", "NEU")
    ]
    names += ["1001_IEO_DIS_LO", "1001_IEO_FEA_MD", "1001_IEO_SAD_HI"]
    names += ["1040_ITH_SAD_X", "1006_TIE_HAP_XX"]
    for name in names:
        write_clip(folder / f"{name}.wav", seed=next(seeds))
    (folder / "1006_TIE_NEU_XX.wav").write_bytes((folder / "1006_TIE_HAP_XX.wav").read_bytes())
    write_clip(folder / "1076_MTI_SAD_XX.wav", level=0)
    (folder / "1007_DFA_ANG_XX.wav").write_text(LFS_POINTER)
    (folder / "._1001_DFA_ANG_XX.wav").write_bytes(b"\x00\x05\x16\x07" + bytes(4092))
    (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1" + bytes(6140))
    (folder / "README.md").write_text("Crowd-sourced Emotional Mutimodal Actors Dataset\n")
    write_clip(folder / "1001_DFA_XYZ_XX.wav", seed=next(seeds))
    write_clip(folder / "notes.wav", seed=next(seeds))


def _write_ravdess(folder: Path, seeds: Iterator[int]) -> None:
    for actor in ("01", "02", "03", "04"):
        for code in ("01", "02", "05", "08"):
            name = f"Actor_{actor}/03-01-{code}-01-01-01-{actor}.wav"
            channels = 2 if (actor, code) == ("02", "05") else 1
            path = write_clip(folder / name, rate=48_000, seed=next(seeds), channels=channels)
            add_chunks(path)
    first = folder / "Actor_01/03-01-05-01-01-01-01.wav"
    first.with_name("03-01-05-01-01-02-01.wav").write_bytes(first.read_bytes())  # the same label
    write_clip(first.with_name("03-02-05-01-01-01-01.wav"), rate=48_000, seed=next(seeds))
    nested = folder / "audio_speech_actors_01-24/Actor_01" / first.name
    nested.parent.mkdir(parents=True)
    nested.write_bytes(first.read_bytes())


def _write_savee(folder: Path, seeds: Iterator[int]) -> None:
    for speaker, between in (("DC", "_"), ("JE", "/"), ("KL", "_")):
        for code in ("a01", "sa01", "su01", "n01"):
            level = 0.1 / 18 if speaker == "KL" else 0.1
            name = f"{speaker}{between}{code}.wav"
            write_clip(folder / name, rate=44_100, seed=next(seeds), level=level)


def _write_tess(folder: Path, seeds: Iterator[int]) -> None:
    for name in (
        "OAF_Fear/OAF_back_fear",
        "OAF_Fear/OAF_food_fear",
        "OAF_Sad/OAF_back_sad",
        "OAF_Pleasant_surprise/OAF_back_ps",
        "OAF_neutral/OA_bite_neutral",
        "YAF_angry/YAF_germ_angry",
        "YAF_fear/YAF_neat_fear",
        "YAF_happy/YAF_back_happy",
        "YAF_pleasant_surprised/YAF_back_ps",
    ):
        container = "AIFF" if f"Tess/{name}.wav" in AIFF else "WAV"
        rate = 96_000 if "food" in name else 24_414
        write_clip(folder / f"{name}.wav", rate=rate, seed=next(seeds), container=container)
