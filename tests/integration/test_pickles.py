"""No file runs code: a malicious pickle is refused in checkpoints, weights and caches."""

import ast
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import emotion
from emotion.cli.main import run
from emotion.data.waveform_cache import open_waveform_cache
from emotion.errors import CacheError
from emotion.utils.files import file_digest
from tests.support.cached_clips import FIXED, table_of, write_clips

FEW = ["dataset.generate.speakers=4", "dataset.generate.sentences=2", "trainer.max_epochs=1"]


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """The folder that a bomb would create; the test fails if one did."""
    yield tmp_path / "mark"
    assert not (tmp_path / "mark").exists(), "the bomb went off"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    assert run(["train", f"output_root={root}", f"hydra.run.dir={root}/run", *FEW]) == 0
    return root


def plant(file: Path, mark: Path, *, zipped: bool) -> None:
    """Replace a checkpoint by a bomb, zipped as torch does or not, with a correct checksum."""
    file.unlink(missing_ok=True)
    if zipped:
        torch.save({"state_dict": {"weight": torch.zeros(1)}, "epoch": Bomb(mark)}, file)
    else:
        file.write_bytes(pickle.dumps(Bomb(mark), protocol=2))
    file.with_name(f"{file.name}.sha256").write_text(file_digest(file) + "\n")


def test_the_bomb_of_these_tests_goes_off_when_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "bare"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("best.ckpt", "predict run={run} {root}/cache/synthetic"),
        ("best.ckpt", "evaluate run={run} output_root={root}"),
        ("best.ckpt", "train init_from={run} output_root={root} hydra.run.dir={here}/new"),
        ("last.ckpt", "train resume={run}"),
    ],
    ids=["predict", "evaluate", "init_from", "resume"],
)
def test_a_bomb_in_a_checkpoint_is_refused(
    trained: Path,
    tmp_path: Path,
    mark: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    words: str,
    zipped: bool,
) -> None:
    copy = Path(shutil.copytree(trained / "run", tmp_path / "run"))
    if "resume" in words:  # which leaves a finished run unchanged
        (copy / "metrics.json").unlink()
    plant(copy / "checkpoints" / name, mark, zipped=zipped)
    command = words.format(run=copy, root=trained, here=tmp_path).split()
    assert run([*command, *(FEW if "init_from" in words else [])]) == 1
    assert "contains more than tensors and plain values" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "bare"])
@pytest.mark.parametrize("model", ["mobilenet_v3", "wav2vec2 preprocessing=speech_16k"])
def test_a_bomb_in_a_file_of_weights_is_refused(
    trained: Path,
    tmp_path: Path,
    mark: Path,
    capfd: pytest.CaptureFixture[str],
    model: str,
    zipped: bool,
) -> None:
    plant(tmp_path / "weights.pth", mark, zipped=zipped)
    words = [
        *f"model={model}".split(),
        f"model.weights={tmp_path}/weights.pth",
        f"output_root={trained}",
    ]
    assert run(["train", *words, f"hydra.run.dir={tmp_path}/new", *FEW]) == 1
    assert "cannot be loaded safely" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["samples.bin", "index.csv", "skipped.csv", "about.json"])
def test_a_bomb_in_a_cache_is_refused(tmp_path: Path, mark: Path, name: str) -> None:
    root = write_clips(tmp_path / "clips")
    folder = tmp_path / "cache"
    cache = open_waveform_cache(table_of(root), FIXED, root=root, folder=folder)
    (cache.folder / name).write_bytes(pickle.dumps(Bomb(mark), protocol=2))
    with pytest.raises(CacheError, match="is damaged"):
        open_waveform_cache(table_of(root), FIXED, root=root, folder=folder)


@pytest.mark.slow
def test_a_bomb_in_the_features_of_a_cache_is_refused(
    trained: Path, tmp_path: Path, mark: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(trained / "cache", tmp_path / "cache"))
    for file in root.glob("features/*/*.bin"):
        file.write_bytes(pickle.dumps(Bomb(mark), protocol=2))
    words = [f"output_root={tmp_path}", f"dataset.root={trained}/cache/synthetic/v1-seed0-4x2"]
    assert run(["train", *words, f"hydra.run.dir={tmp_path}/new", *FEW]) == 1
    assert "is damaged" in capfd.readouterr().err


def test_nothing_in_the_program_unpickles() -> None:
    found = []
    for file in Path(emotion.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                found += [(file.name, name) for name in names if name in UNPICKLERS]
            if isinstance(node, ast.Call):
                words = {word.arg: word.value for word in node.keywords}
                text = ast.unparse(node)
                if "torch.load" in text.partition(",")[0] and not safe(words.get("weights_only")):
                    found.append((file.name, text))
                if text.startswith(("np.load(", "joblib.load(")) or "allow_pickle" in words:
                    found.append((file.name, text))
    assert found == []


UNPICKLERS = ("pickle", "dill", "cloudpickle", "shelve", "marshal")


def safe(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True
