"""Fetchers of corpora: checked files, interrupted fetches and missing packages."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest

from emotion.data.download.fetchers import AudbDatabase, Fetcher, KaggleDataset, WebArchive
from emotion.errors import CorpusError, DependencyError
from tests.support.archive import write_clip
from tests.support.web import Site, serving


def ignore(*_: int) -> None:
    """Show no progress."""


def test_a_web_archive_is_saved_under_its_name_in_the_address(tmp_path: Path) -> None:
    with serving(Site(b"content")) as site:
        path = WebArchive(site.url).fetch(tmp_path, ignore)
    assert path == tmp_path / "archive.zip"
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize(
    ("fetcher", "expected"),
    [
        (WebArchive("https://x/a.zip", checksum="md5:00"), "md5 of the archive"),
        (WebArchive("https://x/a.zip"), "none was published"),
        (AudbDatabase("mine", "1.0.0"), "md5 of every file"),
        (KaggleDataset("me/mine"), "checksum that Kaggle sends"),
    ],
)
def test_every_fetcher_names_its_check(fetcher: Fetcher, expected: str) -> None:
    assert expected in fetcher.checked


@pytest.mark.parametrize(
    "fetcher", [AudbDatabase("mine", "1.0.0"), KaggleDataset("me/mine")], ids=["audb", "kaggle"]
)
def test_a_missing_package_is_named_with_its_extra(
    fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "audb", None)
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DependencyError, match=r"pip install 'emotion\[download\]'"):
        fetcher.fetch(tmp_path, ignore)


def test_a_failure_of_kagglehub_is_one_line_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: str) -> str:
        raise RuntimeError(f"403 for {handle}\nmore lines")

    kagglehub = types.ModuleType("kagglehub")
    kagglehub.dataset_download = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    with pytest.raises(
        CorpusError, match=r"403 for me/mine\. The same command continues"
    ) as caught:
        KaggleDataset("me/mine").fetch(tmp_path, ignore)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("audb") is None, reason="needs the extra `download`")
def test_an_audb_database_is_fetched_and_every_file_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import audb
    import audformat

    build, files = tmp_path / "build", ["1001/1001_DFA_ANG_XX.wav", "1002/1002_DFA_SAD_XX.wav"]
    for seed, file in enumerate(files):
        write_clip(build / file, seed=seed)
    database = audformat.Database("mine")
    database["files"] = audformat.Table(audformat.filewise_index(files))
    database.save(str(build))
    host = tmp_path / "host"
    (host / "repository").mkdir(parents=True)
    repository = audb.Repository("repository", str(host), "file-system")
    monkeypatch.setattr(audb.config, "REPOSITORIES", [repository])
    audb.publish(str(build), "1.0.0", repository, verbose=False)

    calls: list[tuple[int, int]] = []
    staging = tmp_path / "staging"
    source = AudbDatabase("mine", "1.0.0")
    fetched = source.fetch(staging, lambda *at: calls.append(at))
    assert [(fetched / file).read_bytes() for file in files] == [
        (build / file).read_bytes() for file in files
    ]
    assert calls[-1] == (2, 2)
    (fetched / files[0]).unlink()  # as after an interruption
    assert (source.fetch(staging, ignore) / files[0]).is_file()
    with pytest.raises(CorpusError, match=r"audb cannot fetch mine 2.0.0"):
        AudbDatabase("mine", "2.0.0").fetch(staging, ignore)
