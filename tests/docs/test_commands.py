"""Every command of README and documentation is valid; those that are marked are executed."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from hydra.core.override_parser.overrides_parser import OverridesParser

from emotion.cli import main
from emotion.cli.commands import COMMANDS
from emotion.cli.list import list_choices
from emotion.cli.overrides import FLAGS_WITH_VALUE, to_hydra
from emotion.config import composition
from emotion.data.corpora.synthetic import synthesise_corpus
from tests.docs.pages import (
    DOCS,
    ROOT,
    SESSIONS,
    SHELLS,
    Block,
    Example,
    find_examples,
    find_pages,
    read_blocks,
    split_commands,
)

BLOCKS = [block for page in find_pages() for block in read_blocks(page)]
EXAMPLES = [example for block in BLOCKS for example in find_examples(block)]
EXECUTED = [example for example in EXAMPLES if example.executed]
MOST_EXECUTED = 12

WRONG_ON_PURPOSE = frozenset((("train", "trainer.max_epoch=3"),))
"""Commands whose error message a page shows."""

FLAGS = frozenset(("-m", "--multirun", "-h", "--help", "--debug"))

SMALL_DATASET = ["dataset.generate.speakers=10", "dataset.generate.sentences=2"]
SHORTENED = {
    "train": ["trainer.max_epochs=1"],
    "export": ["clips=4"],
    "benchmark": ["models=[cnn]", "repeats=2", "seconds=0.01", "batch_sizes=[1]", "threads=[1]"],
}
"""Settings that are added to a command when it is executed."""

RUN = re.compile(r"\bRUN(?:_[ABC])?\b")


# --- parsing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("emotion train seed=1 # a comment", [("train", "seed=1")]),
        ("cat a.wav | emotion predict run=latest -", [("predict", "run=latest", "-")]),
        ("srun emotion list", [("list",)]),
        ("PYTHONPATH=. emotion doctor", [("doctor",)]),
        ("torchrun --nnodes 2 -m emotion train trainer=ddp", [("train", "trainer=ddp")]),
        ("if [ -f a ]; then emotion list; fi", [("list",)]),
        ("git clone <this repository> emotion && cd emotion", []),
        ("pip install 'emotion[onnx]'", []),
        ("python -m benchmarks.adapt", []),
        ("emotion train 'a=[1, 2]' b=$run", [("train", "a=[1, 2]", "b=0")]),
    ],
)
def test_shell_lines_are_split_into_commands(line: str, expected: list[tuple[str, ...]]) -> None:
    assert split_commands(line) == expected


def test_no_command_of_a_code_block_is_overlooked() -> None:
    names = "|".join(COMMANDS)
    for block in BLOCKS:
        if block.language not in SHELLS | SESSIONS:
            continue
        text = re.sub(r"#.*", "", block.text)
        if block.language in SESSIONS:
            text = "\n".join(line for line in text.splitlines() if line.startswith("$ "))
        written = len(re.findall(rf"(?<![\w/-])(?:\S*/)?emotion (?:{names})\b", text))
        assert len(find_examples(block)) >= written, f"{block.page}:{block.line}"


# --- composition ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """A folder for each page, with the files that its blocks show."""
    folders = {page: tmp_path_factory.mktemp("page") for page in find_pages()}
    for page, folder in folders.items():
        write_files(page, folder)
    return folders


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_every_command_of_the_documentation_is_valid(
    example: Example, workspaces: dict[Path, Path]
) -> None:
    command, *words = example.words
    if command.startswith("-"):
        assert command in ("-h", "--help", "--version", "-sc", "--shell-completion")
    elif command not in COMMANDS:
        pytest.fail(f"there is no command {command!r}")
    elif command == "list":
        assert list_choices(words)
    elif command == "doctor":
        assert not words
    elif example.words in WRONG_ON_PURPOSE:
        with pytest.raises(Exception, match=r"trainer\.max_epoch"):
            compose(command, words, workspaces[example.page])
    else:
        compose(command, words, workspaces[example.page])


def compose(command: str, words: list[str], workspace: Path) -> None:
    """Compose each job of a command and check the types of its settings."""
    folders: list[Path] = []
    settings: list[str] = []
    rest = iter(to_hydra(command, words))
    for word in rest:
        if word in FLAGS_WITH_VALUE:
            value = next(rest)
            if word in ("--config-dir", "-cd"):
                folders.append(config_dir(workspace, value))
        elif word not in FLAGS:
            settings.append(word)
    if folders:
        settings.append(f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in folders)}]")
    for job in expand_sweep(settings):
        assert composition.compose(command, job).settings


def expand_sweep(settings: list[str]) -> Iterator[list[str]]:
    """Yield the overrides of some jobs: each value of a list once, of a range the first."""
    values = []
    for text, override in zip(
        settings, OverridesParser.create().parse_overrides(settings), strict=True
    ):
        key = text.partition("=")[0]
        swept = list(override.sweep_string_iterator()) if override.is_sweep_override() else []
        swept = swept[:1] if override.is_range_sweep() else swept
        values.append([f"{key}={value}" for value in swept] or [text])
    for job in range(max(map(len, values), default=1)):
        yield [choices[min(job, len(choices) - 1)] for choices in values]


def config_dir(workspace: Path, name: str) -> Path:
    """Return a folder of configs: the page's own, or one that a search could have written."""
    folder = workspace / name
    if not folder.is_dir():
        (folder / "experiment").mkdir(parents=True)
        (folder / "experiment" / "best_found.yaml").write_text("# @package _global_\nseed: 0\n")
    return folder


def write_files(page: Path, folder: Path) -> None:
    """Write the files that the blocks of a page show, but those of the package itself."""
    for block in read_blocks(page):
        if block.file and not block.file.startswith(("emotion/", "conf/", "tests/")):
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    "block",
    [
        block
        for block in BLOCKS
        if block.language == "python" and not (block.file or "").startswith("emotion/")
    ],
    ids=lambda block: f"{block.page.relative_to(ROOT)}:{block.line}",
)
def test_python_of_the_documentation_imports_what_exists(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emotion"):
            module = importlib.import_module(node.module or "")
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not missing, f"{node.module} has no {', '.join(missing)}"
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith("emotion"):
                    importlib.import_module(name.name)


# --- execution -----------------------------------------------------------------------------------


def test_at_most_twelve_commands_are_marked_as_executed() -> None:
    assert 0 < len(EXECUTED) <= MOST_EXECUTED, "\n".join(map(str, EXECUTED))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in: recordings of four speakers, and one run of one epoch."""
    folder = tmp_path_factory.mktemp("work")
    synthesise_corpus(folder / "voices", speakers=4, sentences=2, jobs=1)
    codes = {"angry": "ang", "happy": "hap", "neutral": "neu"}
    for name in ("my_recordings", "recordings"):
        (folder / name).mkdir()
    for file in sorted((folder / "voices").glob("*.wav")):
        speaker, _, sentence, emotion = file.stem.split("_")
        samples, rate = soundfile.read(file)
        if emotion in codes:
            name = f"{speaker}-{codes[emotion]}-{sentence}.wav"
            soundfile.write(folder / "recordings" / name, samples, rate)
        if speaker == "S01":
            soundfile.write(folder / "my_recordings" / file.name, samples, rate)
    return folder


@pytest.fixture(scope="module")
def trained(outputs: Path) -> Path:
    """The folder of the run, relative to the folder to work in."""
    run = Path("outputs/train/2026-01-01_00-00-00-000000")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(outputs)
        words = ["train", *SMALL_DATASET, "trainer.max_epochs=1", f"hydra.run.dir={run}"]
        assert main.run(words) == 0
    return run


@pytest.mark.slow
@pytest.mark.parametrize("example", EXECUTED, ids=str)
def test_marked_commands_run(
    example: Example, outputs: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(outputs)
    monkeypatch.syspath_prepend(str(outputs))
    write_files(example.page, outputs)
    for name in [name for name in sys.modules if name.startswith("mine")]:
        monkeypatch.delitem(sys.modules, name)
    words = [RUN.sub(str(trained), word) for word in example.words]
    assert main.run(shorten(words)) == 0


def shorten(words: list[str]) -> list[str]:
    """Return a command with the settings that make it short."""
    command = words[0]
    words = [*words, *SHORTENED.get(command, [])]
    takes_dataset = command in ("train", "prepare", "stats", "inspect", "study")
    if takes_dataset and not any(word.startswith("dataset=") for word in words):
        words += SMALL_DATASET
    return words


def test_documentation_is_read() -> None:
    assert len(EXAMPLES) > 50
    assert any(example.page.is_relative_to(DOCS) for example in EXAMPLES)
