"""Paths of a run lead to its files from every folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from emotion.config.composition import compose
from emotion.runs.relocate import relocate


def test_a_relative_path_is_relative_to_the_folder_of_the_training_while_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, here = tmp_path / "before", tmp_path / "here"
    (before / "clips").mkdir(parents=True)
    (here / "clips").mkdir(parents=True)
    monkeypatch.chdir(here)
    words = ["dataset=folder", "dataset.root=clips", "init_from=run"]
    settings = compose("train", words).settings
    found = relocate(settings, started_in=str(before))
    assert found.dataset["root"] == str(before / "clips")
    assert found.init_from == "run"  # not there: relative to the current folder
    assert relocate(settings, started_in=str(tmp_path / "gone")) == settings
    assert relocate(settings, started_in=str(here)) == settings
    assert relocate(settings, started_in=None) == settings


def test_a_table_below_the_clips_moves_with_them(tmp_path: Path) -> None:
    settings = compose("train", ["dataset=csv", f"dataset.path={tmp_path}/old/a/t.csv"]).settings
    settings = replace(settings, dataset={**settings.dataset, "root": f"{tmp_path}/old"})
    moved = relocate(settings, started_in=None, root=f"{tmp_path}/new").dataset
    assert (moved["root"], moved["path"]) == (f"{tmp_path}/new", f"{tmp_path}/new/a/t.csv")
    apart = replace(settings, dataset={**settings.dataset, "root": f"{tmp_path}/wav"})
    kept = relocate(apart, started_in=None, root=f"{tmp_path}/new").dataset
    assert (kept["root"], kept["path"]) == (f"{tmp_path}/new", f"{tmp_path}/old/a/t.csv")
