"""The command line: fast start, errors as one line, exit codes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emotion.cli.commands import COMMANDS
from emotion.cli.main import run
from tests.support.archive import write_clip

FIRST_LINES = {
    "prepare dataset=ravdes": "dataset=ravdes does not exist. Did you mean ravdess?",
    "train experiment=bset": "experiment=bset does not exist. Did you mean best?",
    "train sweep=randm": "sweep=randm does not exist. Did you mean random?",
    "train space=cn": "space=cn does not exist. Did you mean cnn?",
    "study experiment=papre_table": "does not exist. Did you mean paper_table?",
    "evaluate run=latest dataset=svaee": "dataset=svaee does not exist. Did you mean savee?",
    "evaluate run=latest dataset=mine": "FOLDER/dataset/mine.yaml, add --config-dir FOLDER",
    "download ravdes": "source=ravdes does not exist. Did you mean ravdess?",
    "train experiment=null": "null is not a choice of a config group",
    "train +experiment=best": "experiment= is a setting already. Leave out the +",
    "train ++model=cnn": "model= is a setting already. Leave out the +",
    "train model=cnn,crnn": "3. To sweep over it, add --multirun",
    "train +seed=1": "Either remove + prefix: 'seed=1'",
    "benchmark models=cnn": "models takes a list, in brackets: models=[…]",
    "predict labels=happy x.wav": "labels takes a list, in brackets: labels=[…]",
    "prepare --config-dir nothing": "nothing is not a folder",
    "prepare datset.root=x": "there is no setting 'datset.root'. Did you mean dataset.root",
    "train trainer.max_epoch=3": "there is no setting 'trainer.max_epoch'. Did you mean",
    "train trainer.max_epochs=ten": "trainer.max_epochs",
    "train seed=abc": "seed",
    "prepare preprocessing.sample_rate=abc": "preprocessing.sample_rate='abc' is a str, but must",
    "prepare dataset=csv": "dataset.path is not set",
    "prepare dataset=folder": "dataset.root is not set",
    "prepare dataset=ravdess data_root=/nowhere": "folder /nowhere/Ravdess does not exist",
    "evaluate": "run= is not set",
    "evaluate run=latest": "there is no run under",
    "evaluate run=nothing": "there is no run folder nothing",
    "train resume=nothing": "there is no run folder nothing",
    "predict run=latest": "inputs= is not set",
    "predict run=latest nothing.wav": "no file, folder or pattern matches 'nothing.wav'",
    "serve": "run= is not set",
    "serve run=latest": "there is no run under",
    "serve run=latest max_mb=0": "max_mb=0 must be a number above 0",
    "predict run=latest output=x.txt .": "must end in .csv or .jsonl",
}


@pytest.mark.parametrize("line", FIRST_LINES)
def test_an_error_is_one_line(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(line.split()) == 1
    printed = capfd.readouterr()
    errors = [text for text in printed.err.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1
    assert FIRST_LINES[line] in errors[0]
    assert "Traceback" not in printed.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("words", [["trian"], ["train", "half"], ["prepare", "x"]])
def test_a_usage_error_has_exit_code_2(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert capfd.readouterr().err.startswith("error: ")


def test_a_name_cannot_command_the_terminal_or_end_the_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(["predict", "run=latest", "red\x1b[31m\u202e\udce9.wav"]) == 1
    line = capfd.readouterr().err.removesuffix("\n")
    assert line.isprintable()
    assert r"red\x1b[31m\u202e\udce9.wav" in line.replace("\\\\", "\\")


@pytest.mark.parametrize("locale", ["C.UTF-8", "POSIX"])
def test_a_name_that_is_not_utf8_is_printed(tmp_path: Path, locale: str) -> None:
    for name in (b"happy", b"s\xe4d"):
        write_clip(tmp_path / "new" / "a.wav", seed=len(name))
        (tmp_path / "new").rename(tmp_path / os.fsdecode(name))
    words = ["dataset=folder", f"dataset.root={tmp_path}", f"output_root={tmp_path}/out"]
    command = [sys.executable, "-m", "emotion", "prepare", *words]
    done = subprocess.run(
        command, capture_output=True, check=False, env=os.environ | {"LC_ALL": locale}
    )
    assert done.returncode == 0, done.stderr
    assert b"2 clips" in done.stdout


@pytest.mark.parametrize("word", ["debug=true", "--debug"])
def test_a_traceback_is_shown_only_in_debug_mode(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotion.errors import RunError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError):
        run(["evaluate", "run=nothing", word])


def timed(*words: str, code: str = "") -> tuple[float, str]:
    command = (
        [sys.executable, "-m", "emotion", *words] if not code else [sys.executable, "-c", code]
    )
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from emotion.cli.main import run; run(['--help']); "
        "heavy = {'torch', 'hydra', 'pandas', 'numpy', 'lightning'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    _, printed = timed(code=code)
    assert all(name in printed for name in COMMANDS)


def test_help_takes_under_half_a_second() -> None:
    assert min(timed("--help")[0] for _ in range(3)) < 0.5


def test_prepare_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from emotion.cli.main import run; "
        f"code = run(['prepare', 'output_root={tmp_path}', 'dataset.generate.speakers=2', "
        "'dataset.generate.sentences=1']); "
        "sys.exit(code or ('torch' in sys.modules and 'torch was imported') or 0)"
    )
    _, printed = timed(code=code)
    assert "12 clips" in printed


def test_completion_knows_commands_and_settings() -> None:
    def ask(line: str) -> list[str]:
        environment = os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))}
        command = [sys.executable, "-m", "emotion", "-sc", "query=bash"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.split()

    assert ask("emotion pre") == ["prepare", "predict"]
    assert "model=cnn" in ask("emotion train model=c")
    assert "trainer.max_epochs=" in ask("emotion train trainer.max_e")
