"""The documentation is complete: the reference is generated, links lead to files, it builds."""

import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from emotion.cli.commands import COMMANDS
from tests.docs.pages import DOCS, GENERATED, ROOT, find_links, find_pages

EXTERNAL = re.compile(r"<(?:link|script|img|iframe)\b[^>]*\b(?:src|href)=\"https?://[^\"]*\"")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The module docs/generate_reference.py."""
    spec = spec_from_file_location("generate_reference", DOCS / "generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # needed by dataclasses
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated pages."""
    folder = tmp_path_factory.mktemp("reference")
    generator.generate(folder)
    return folder


def test_every_command_and_group_has_a_page(reference: Path) -> None:
    assert {page.stem for page in (reference / "commands").glob("*.md")} == {*COMMANDS, "index"}
    groups = {page.stem for page in (reference / "groups").glob("*.md")}
    assert {"dataset", "model", "split", "trainer", "experiment"} <= groups


def test_every_choice_has_a_section(reference: Path) -> None:
    for page in (reference / "groups").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for file in (ROOT / "conf" / page.stem).glob("**/*.yaml"):
            assert f"`conf/{file.relative_to(ROOT / 'conf')}`" in text, file


def test_setting_has_its_default_and_its_comment(generator: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(
        "# emotion train: one line.\n"
        "defaults: [_self_]\n"
        "\n"
        "run: null              # a run folder, or latest\n"
        "# above the key\n"
        "rate: 1e-3\n"
        "early: {monitor: val/uar, patience: 5}   # stopping rule\n"
        "names:\n"
        "  - a # first\n"
        "  - 'b # no comment'\n"
        "inner:\n"
        "  depth: 2             # levels\n"
    )
    config = generator.read_config(file)
    assert config.comment == "emotion train: one line."
    assert [(setting.name, setting.default, setting.comment) for setting in config.settings] == [
        ("run", "null", "a run folder, or latest"),
        ("rate", "1e-3", "above the key"),
        ("early", "", "stopping rule"),
        ("early.monitor", "val/uar", ""),
        ("early.patience", "5", ""),
        ("names", "[a, 'b # no comment']", "first"),
        ("inner.depth", "2", "levels"),
    ]


@pytest.mark.parametrize("page", find_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path, reference: Path) -> None:
    for target in find_links(page):
        path = (page.parent / target).resolve()
        if path.is_relative_to(GENERATED):
            path = reference / path.relative_to(GENERATED)
        assert path.exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("sphinx") is None, reason="the extra `docs` is not installed")
def test_documentation_builds_without_warnings_and_loads_nothing_from_the_web(
    tmp_path: Path,
) -> None:
    html = tmp_path / "html"
    words = ["-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "doctrees")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(DOCS), str(html)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-4000:]
    assert (html / "index.html").is_file()
    for page in html.glob("**/*.html"):
        assert not EXTERNAL.search(page.read_text(encoding="utf-8")), page
