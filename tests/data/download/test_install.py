"""Installation of corpora in the layout of their readers, from a local server."""

import io
import itertools
import os
import signal
import subprocess
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from emotion.cli.main import run
from emotion.config.build import build
from emotion.config.composition import compose
from emotion.data.download.install import CorpusSource
from tests.conftest import build_dataset, write_clip
from tests.support.web import Site, serving

CLIP = b"RIFF" + bytes(60)
SLOW = pytest.mark.slow


def ravdess_names() -> Iterator[str]:
    """Yield the 1,440 members of the published archive."""
    for actor, emotion, statement, repetition in itertools.product(
        range(1, 25), range(1, 9), (1, 2), (1, 2)
    ):
        for intensity in (1,) if emotion == 1 else (1, 2):
            code = f"{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
            yield f"Actor_{actor:02}/03-01-{code}.wav"


def savee_names() -> Iterator[str]:
    for speaker in ("DC", "JE", "JK", "KL"):
        for code, count in {"n": 30, **dict.fromkeys(("a", "d", "f", "h", "sa", "su"), 15)}.items():
            for number in range(1, count + 1):
                yield f"AudioData/{speaker}/{code}{number:02}.wav"


def tess_names() -> Iterator[str]:
    emotions = {"angry": "angry", "Fear": "fear", "Pleasant_surprise": "ps", "neutral": "neutral"}
    emotions |= {"disgust": "disgust", "happy": "happy", "Sad": "sad"}
    for speaker, (folder, code) in itertools.product(("OAF", "YAF"), emotions.items()):
        for number in range(200):
            word = chr(97 + number // 26) + chr(97 + number % 26)
            yield f"TESS/{speaker}_{folder}/{speaker}_{word}_{code}.wav"


def crema_names() -> Iterator[str]:
    """Yield as many names as CREMA-D has, each matching its pattern."""
    sentences = [f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(14)]
    codes = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    names = itertools.product(range(1001, 1092), sentences, codes)
    for actor, sentence, code in itertools.islice(names, 7442):
        yield f"{actor}/{actor}_{sentence}_{code}_XX.wav"


def zipped(names: Iterator[str] | list[str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, CLIP + number.to_bytes(4, "big"))
        archive.writestr("README.md", "hello")
    return content.getvalue()


def command(site: Site, root: Path, *more: str) -> list[str]:
    plain = [f"source.fetch.url={site.url}", "source.fetch.size=null", "source.fetch.checksum=null"]
    return ["download", "ravdess", f"data_root={root}", *plain, *more]


def count(name: str, root: Path) -> int:
    readers = build_dataset(f"dataset={name}", f"data_root={root}").readers
    return sum(len(reader.scan(root).rows) for reader in readers.values())


def test_the_published_archive_is_installed_in_the_layout_of_its_reader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    with serving(Site(zipped(ravdess_names()), cuts=[100_000])) as site:
        assert run(command(site, root)) == 0
        printed = capsys.readouterr().out
        terms, citation = printed.index("CC BY-NC-SA 4.0"), printed.index("Livingstone")
        assert terms < citation < printed.index("1,440 clips")
        assert count("ravdess", root) == 1440
        assert (root / "Ravdess/audio_speech_actors_01-24/Actor_24").is_dir()
        assert [path.name for path in root.iterdir()] == ["Ravdess"]
        assert site.ranges_requested == ["", "bytes=100000-"]
        assert run(command(site, root)) == 0  # nothing is fetched twice
        assert "already here" in capsys.readouterr().out
    assert len(site.ranges_requested) == 2


def test_an_incomplete_archive_is_never_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    with serving(Site(zipped(list(ravdess_names())[:-1]))) as site:
        assert run(command(site, root)) == 1
        assert "has 1,439 of the 1,440 clips" in capsys.readouterr().err
        assert run([*command(site, root), "source.fetch.checksum=md5:00"]) == 1
        assert "the md5" in capsys.readouterr().err
        site.content = zipped(["../Ravdess/x.wav", *ravdess_names()])
        assert run(command(site, root)) == 1
        assert "leads out of its folder" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not (root / "Ravdess").exists()


def test_existing_files_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "Ravdess/Actor_01/03-01-01-01-01-01-01.wav"
    write_clip(mine)
    before = mine.read_bytes()
    with serving(Site(zipped(ravdess_names()))) as site:
        assert run(command(site, tmp_path)) == 1
    assert "has 1 of the 1,440" in capsys.readouterr().err
    assert mine.read_bytes() == before
    assert not site.ranges_requested


def test_one_download_runs_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".download").mkdir()
    with serving(Site(b"")) as site, FileLock(tmp_path / ".download/ravdess.lock"):
        assert run(command(site, tmp_path)) == 1
    assert "another process is downloading ravdess" in capsys.readouterr().err


@SLOW
def test_a_killed_call_is_continued(tmp_path: Path) -> None:
    content = zipped(ravdess_names())
    with serving(Site(content, cuts=[200_000])) as site:
        words = command(site, tmp_path / "data")
        call = subprocess.Popen(
            [sys.executable, "-c", KILLED, *words], env=os.environ, stderr=subprocess.DEVNULL
        )
        assert call.wait(60) == -signal.SIGKILL
        assert not (tmp_path / "data/Ravdess").exists()
        assert run(words) == 0
    assert site.ranges_requested == ["", "bytes=200000-"]
    assert count("ravdess", tmp_path / "data") == 1440


KILLED = """
import os, signal, sys, time
from emotion.cli.main import run
time.sleep = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # called after the interruption
run(sys.argv[1:])
"""


def test_every_source_has_the_readers_and_licence_of_its_dataset() -> None:
    for name in ("crema_d", "cs334", "ravdess", "savee", "tess"):
        config = compose("download", [f"source={name}"])
        source: CorpusSource = build(config.settings.source, "source")
        assert source.fetch is not None or source.steps
        dataset = build_dataset(f"dataset={name}")
        assert set(source.readers) == set(dataset.readers)
        assert all(terms in source.licence for terms in dataset.licences.values())


@pytest.mark.parametrize(
    ("name", "names", "first"),
    [
        ("savee", savee_names, "Savee/DC_n01.wav"),
        pytest.param("tess", tess_names, "Tess/OAF_angry/OAF_aa_angry.wav", marks=SLOW),
        pytest.param("crema_d", crema_names, "Crema/1001_SAA_ANG_XX.wav", marks=SLOW),
    ],
)
def test_an_archive_given_by_the_user_is_installed_the_same(
    name: str, names: object, first: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "my archive (1).zip"
    archive.write_bytes(zipped(names()))  # type: ignore[operator]
    root = tmp_path / "data"
    assert run(["download", name, f"archive={archive}", f"data_root={root}"]) == 0
    assert (root / first).is_file()
    assert archive.is_file()
    assert f"emotion prepare dataset={name}" in capsys.readouterr().out


def test_the_steps_of_a_manual_download_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["download", "savee", f"data_root={tmp_path / 'data'}"]) == 1
    printed = capsys.readouterr()
    assert "1. open http://kahlan.eps.surrey.ac.uk/savee/" in printed.out
    assert "academic use" in printed.out
    assert "savee cannot be downloaded automatically" in printed.err
    assert run(["download", "savee", f"data_root={tmp_path / 'data'}", "archive=x.zip"]) == 1
    assert "archive x.zip does not exist" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@SLOW
def test_the_kaggle_archive_installs_all_four_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "kaggle"
    parts = {
        "Ravdess/audio_speech_actors_01-24": ravdess_names(),
        "Savee": (name.split("/", 1)[1].replace("/", "_") for name in savee_names()),
        "Tess": (name.removeprefix("TESS/") for name in tess_names()),
        "Crema": (name.partition("/")[2] for name in crema_names()),
    }
    for folder, names in parts.items():
        for name in names:
            path = fetched / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CLIP)
    kagglehub = types.ModuleType("kagglehub")
    kagglehub.dataset_download = lambda handle: str(fetched)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    root = tmp_path / "data"
    assert run(["download", "cs334", f"data_root={root}"]) == 0
    assert count("cs334", root) == 7442 + 1440 + 480 + 2800
    assert fetched.is_dir()
