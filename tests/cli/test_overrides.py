"""Whatever stands on the command line, it composes or is refused in one line."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotion.cli.main import run
from emotion.cli.overrides import quote_paths, to_hydra
from emotion.config.composition import compose

KEYS = st.sampled_from(
    [
        "seed", "model", "trainer", "split", "dataset", "logger", "recipe", "experiment", "loader",
        "trainer.max_epochs", "trainer.optimizer", "model._target_", "dataset.labels",
        "loader.batch_size", "model.augment.time_mask", "data_root", "hydra.run.dir", "hydra.job",
        "hydra/launcher", "trainer@model", "nothing", "dataset.root", "split.path",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.sampled_from(
        [
            "cnn", "null", "[]", "{}", "[cnn,crnn]", "{a: 1}", "${seed}", "${oc.env:NOPE}", "'",
            "1e400", "-1", "nan", "???", "glob(*)", "choice(1,2)", "range(1,9)", "../../x", "a,b",
            "{a: [1, {b: 2}]}", "int(3.7)", "shuffle(1)", "${nope:}", "\\", "${", "[[[[", '"',
        ]
    ),
)  # fmt: skip
WORDS = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["", "+", "++", "~"]), KEYS, VALUES),
    st.builds("~{}".format, KEYS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).filter(
        lambda word: not word.startswith("-")
    ),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=120)
@given(st.lists(WORDS, min_size=1, max_size=4))
@example(["model=null"])
@example(["seed=\x1b[31m"])
def test_any_words_compose_or_are_refused_in_one_line(words: list[str]) -> None:
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        code = run(["train", "--cfg", "job", *words])
    if code == 0:
        assert "trainer" in printed.getvalue()
        return
    assert code in (1, 2)
    lines = [line for line in errors.getvalue().split("\n") if line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert lines[0].isprintable()


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "my clip (1).wav",
        "a,b.wav",
        "it's.wav",
        "a#1.wav",
        "émotion.wav",
        "[x].wav",
        "a{b}.wav",
        "x=y.wav",
        "100%.wav",
        'say "hi".wav',
        "back\\slash.wav",
        "trail\\",
        "dollar${x}.wav",
        "tab\tname.wav",
        "new\nline.wav",
        "😀.wav",
    ],
)
def test_any_file_name_reaches_the_command_unchanged(name: str) -> None:
    for words in ([f"./{name}"], [f"inputs=./{name}"]):
        composition = compose("predict", to_hydra("predict", words))
        got = composition.settings.inputs
        assert got in ([f"./{name}"], f"./{name}")


def test_list_of_runs_stays_a_list() -> None:
    assert quote_paths("[a b,c]") == "['a b','c']"
    assert quote_paths("null") == "null"


def test_home_is_expanded() -> None:
    assert quote_paths("~/x") == f"'{Path.home()}/x'"


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["dataset=csv", "dataset.labels=[colère,joie]"], "labels", ["colère", "joie"]),
        (["dataset=csv", "dataset.labels=[0,01,1e3,true,nan,null,no]"], "labels",
         ["0", "01", "1e3", "true", "nan", "null", "no"]),
        (["dataset=csv", "dataset.labels=['a b',\"c\", é d]"], "labels", ["a b", "c", "é d"]),
        (["dataset=csv", "dataset.emotions={ang: 1e3, 01: no}"], "emotions",
         {"ang": "1e3", "01": "no"}),
        (["dataset=csv", "dataset.emotions={colère: wütend, 01: x}"], "emotions",
         {"colère": "wütend", "01": "x"}),
        (["dataset=cs334", "dataset.corpora=[tess,ö]"], "corpora", ["tess", "ö"]),
        (["dataset=folder", "dataset.speaker=zoë(?=_)"], "speaker", "zoë(?=_)"),
        (["dataset=csv", "dataset.labels=null"], "labels", None),
    ],
)  # fmt: skip
def test_names_are_text_and_letters_beyond_ascii_need_no_quotes(
    words: list[str], key: str, value: object
) -> None:
    assert compose("train", to_hydra("train", words)).settings.dataset[key] == value


def test_letters_beyond_ascii_need_no_quotes_in_priors_and_labels() -> None:
    words = ["priors={wütend: .7, 0: .2}", "labels=[wütend,0]"]
    settings = compose("predict", to_hydra("predict", words)).settings
    assert settings.priors == {"wütend": 0.7, "0": 0.2}
    assert settings.labels == ["wütend", "0"]


@pytest.mark.parametrize(
    "word", ["seed=1,2", "model=cnn,crnn", "dataset.labels=[a,b],[a,c]", "name='é'", "x=${y}é"]
)
def test_what_hydra_can_parse_is_not_changed(word: str) -> None:
    quoted = word.replace("[a,b],[a,c]", "['a','b'],['a','c']")
    assert to_hydra("train", [word]) == [quoted]
