"""HTTP downloads: interrupted transfers and checks."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from emotion.data.download.http import fetch_file
from emotion.errors import CorpusError
from tests.support.web import Site, serving

CONTENT = bytes(range(256)) * 4000
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


def fetch(site: Site, folder: Path, **settings: Any) -> Path:
    return fetch_file(site.url, folder / "file", **{"pause_seconds": 0.0, **settings})


def test_a_whole_file_is_fetched_once(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    with serving(Site(CONTENT)) as site:
        settings = {"size": len(CONTENT), "checksum": MD5}
        file = fetch(site, tmp_path, progress=lambda *at: calls.append(at), **settings)
        assert fetch(site, tmp_path, **settings) == file
    assert file.read_bytes() == CONTENT
    assert calls[-1] == (len(CONTENT), len(CONTENT))
    assert site.ranges_requested == [""]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_transfer_is_continued(tmp_path: Path) -> None:
    with serving(Site(CONTENT, cuts=[300_000, 0, 400_000])) as site:
        assert fetch(site, tmp_path, checksum=MD5).read_bytes() == CONTENT
    assert site.ranges_requested == ["", "bytes=300000-", "bytes=300000-", "bytes=700000-"]


def test_a_later_call_continues_the_transfer(tmp_path: Path) -> None:
    with serving(Site(CONTENT, cuts=[500_000, 0])) as site:
        with pytest.raises(CorpusError, match="500,000 bytes are here"):
            fetch(site, tmp_path, attempts=2)
        assert not (tmp_path / "file").exists()
        assert fetch(site, tmp_path, checksum=MD5).read_bytes() == CONTENT
    assert site.ranges_requested[-1] == "bytes=500000-"


def test_a_server_without_ranges_sends_the_whole_file_again(tmp_path: Path) -> None:
    with serving(Site(CONTENT, ranges=False, cuts=[1000])) as site:
        assert fetch(site, tmp_path, checksum=MD5).read_bytes() == CONTENT


def test_two_versions_of_a_file_are_never_mixed(tmp_path: Path) -> None:
    with serving(Site(CONTENT, cuts=[500_000])) as site:
        with pytest.raises(CorpusError, match="interrupted at 500,000"):
            fetch(site, tmp_path, attempts=1)
        site.content, site.tag = CONTENT[::-1], '"2"'
        assert fetch(site, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_partial_file_that_is_too_long_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(bytes(len(CONTENT) + 1))
    with serving(Site(CONTENT)) as site:
        assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_temporary_errors_are_retried_and_permanent_ones_are_not(tmp_path: Path) -> None:
    with serving(Site(CONTENT, codes=[503, 429])) as site:
        assert fetch(site, tmp_path).read_bytes() == CONTENT
    with serving(Site(CONTENT, codes=[404])) as site:
        with pytest.raises(CorpusError, match=r"404 Not Found.*archive=FILE"):
            fetch(site, tmp_path / "other")
        assert len(site.ranges_requested) == 1


def test_an_unreachable_server_and_an_invalid_address_are_named(tmp_path: Path) -> None:
    with serving(Site(CONTENT)) as site:
        pass
    with pytest.raises(CorpusError, match="no connection"):
        fetch(site, tmp_path, attempts=2)
    with pytest.raises(CorpusError, match="is not a web address"):
        fetch_file("file:///etc/hostname", tmp_path / "file")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"checksum": "md5:" + "0" * 32}, "the md5 .* not 000"),
        ({"checksum": "sha256:" + "0" * 64}, "the sha256"),
        ({"size": len(CONTENT) + 1}, "not the published 1,024,001"),
    ],
)
def test_a_file_that_differs_from_the_published_one_is_removed(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with serving(Site(CONTENT)) as site, pytest.raises(CorpusError, match=message):
        fetch(site, tmp_path, **settings)
    assert not list(tmp_path.iterdir())
