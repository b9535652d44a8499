"""model.json of another person: every type and value is checked when it is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from emotion.errors import RunError
from emotion.runtime.description import read_about
from emotion.runtime.onnx_model import OnnxModel
from tests.runtime.test_onnx_model import copied

PROFILE: dict[str, Any] = {
    "sample_rate": [16000.0, 16000.0],
    "seconds": [1.0, 2.5],
    "level_db": [-40.0, -10.0],
    "window_s": None,
    "model_rate": 16000,
    "priors": {"sad": 0.5, "angry": 0.25, "happy": 0.25},
    "embedding": {
        "mean": [0.0, 1.0],
        "directions": [[1.0, 0.0]],
        "variances": [1.0],
        "residual_variance": 0.5,
        "max_distance": 2.0,
    },
}

WRONG: dict[str, Any] = {
    "format": ["2", 2.0, None, True, 10**400],
    "labels": [None, "sad", [], ["sad"], ["sad", 3], ["sad", "sad"], {"sad": 1}],
    "sample_rate": [None, "16000", 0, -1, True, 1e400, [16000]],
    "samples": ["many", 0, 1.5],
    "window_s": ["3", 0, -1.0, float("nan"), float("inf")],
    "standardisation": [None, [], {}, {"sample_rate": "x"}, {"sample_rate": 16000, "extra": 1}],
    "parameters": [None, "many", 1.5],
    "scores": [None, [], {"test": 0.5}, {"test": {"uar": "high", "n": 3}}, {"test": {"uar": 0.5}}],
    "leaks": [None, "no", 1],
    "training": [None, {}, {"corpora": "mine", "clips": 1, "speakers": 1}],
    "files": [None, [], {"model.onnx": 3}, {"model.onnx": None}],
    "profile": ["none", [], {}, 3],
}

WRONG_PROFILE: dict[str, Any] = {
    "sample_rate": [[16000.0], [1, 2, 3], "16000", ["a", "b"]],
    "level_db": [[float("nan"), 0.0]],
    "window_s": ["3"],
    "model_rate": [None],
    "priors": [[], {"sad": 1.0}, {"sad": "much", "angry": 0.1, "happy": 0.1}],
    "embedding": [
        {},
        {**PROFILE["embedding"], "mean": []},
        {**PROFILE["embedding"], "mean": [0.0, "x"]},
        {**PROFILE["embedding"], "directions": [[1.0]]},
        {**PROFILE["embedding"], "variances": [0.0]},
        {**PROFILE["embedding"], "variances": [1.0, 2.0]},
        {**PROFILE["embedding"], "residual_variance": 0},
    ],
}

CASES = [({key: value}) for key, values in WRONG.items() for value in values]
CASES += [
    {"profile": PROFILE | {key: value}} for key, values in WRONG_PROFILE.items() for value in values
]
CASES += [{key: ...} for key in WRONG]
CASES += [{"profile": {k: v for k, v in PROFILE.items() if k != key}} for key in PROFILE]


@pytest.fixture
def about(folder: Path, tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return content


@pytest.mark.parametrize("change", CASES, ids=lambda change: str(change)[:70])
def test_a_wrong_type_or_value_is_one_line_that_names_the_file(
    change: dict[str, Any], about: dict[str, Any], tmp_path: Path
) -> None:
    changed = {k: v for k, v in (about | change).items() if v is not ...}
    path = tmp_path / "model.json"
    path.write_text(json.dumps(changed))
    with pytest.raises(RunError, match=r"model\.json is damaged, or does not") as raised:
        read_about(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "3", '"text"', "[]", "[" * 100_000, "\ufeff{}", '{"format": NaN}']
)
def test_what_is_not_a_description_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(RunError, match="is damaged, or does not"):
        read_about(tmp_path)


def test_bytes_that_are_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(RunError, match="is damaged, or does not"):
        read_about(tmp_path)


def test_a_profile_of_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    target = copied(folder, tmp_path)
    about = json.loads((target / "model.json").read_text())
    (target / "model.json").write_text(json.dumps(about | {"profile": PROFILE}))
    with pytest.raises(RunError, match="does not have the inputs and outputs"):
        OnnxModel(target)


def test_a_description_with_further_entries_is_read(about: dict[str, Any], tmp_path: Path) -> None:
    more = {"profile": PROFILE, "note": {"from": "a later version"}}
    (tmp_path / "model.json").write_text(json.dumps(about | more))
    assert read_about(tmp_path)["profile"] == PROFILE
