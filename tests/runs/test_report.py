"""The report shows what a run has, works offline and escapes all text."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from emotion.config.composition import compose, to_yaml
from emotion.data.splits.protocols import SpeakerSplit
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.plots.media import RATE
from emotion.runs.report import MAX_ERRORS, ReportData, report_data, write_report
from emotion.runs.run import Run
from emotion.runs.test_access_log import fingerprint_clips, record_test_access
from emotion.utils.files import file_digest, write_json, write_text
from emotion.utils.tables import write_table
from tests.support.archive import write_clip

LABELS = ("sad", "angry", "happy")
SPEAKERS, CLIPS = 4, 9
AWKWARD = "<b>&x.wav"


def scored_clips() -> ScoredPredictions:
    """Return predictions for test clips of four speakers, some of them wrong."""
    rng = np.random.default_rng(0)
    numbers = range(SPEAKERS * CLIPS)
    table = pd.DataFrame(
        {
            "path": [AWKWARD, *(f"clips/{number}.wav" for number in numbers[1:])],
            "corpus": "made",
            "speaker": [f"s{number // CLIPS}" for number in numbers],
            "sex": [("female", "male")[number // CLIPS % 2] for number in numbers],
            "emotion": [LABELS[number % 3] for number in numbers],
        }
    )
    logits = rng.normal(size=(len(table), 3)) + np.eye(3)[np.arange(len(table)) % 3]
    logits[0] = (0.0, 9.0, 0.0)  # the most confident error
    return ScoredPredictions(table, logits, LABELS)


def contents(root: Path, *, subset: str = "test", **metrics: Any) -> ReportData:
    """Return the contents of a report whose clips are under `root`."""
    scored = scored_clips()
    return ReportData(
        name="run",
        model="cnn",
        dataset="made",
        split_name="speaker",
        labels=LABELS,
        metrics={subset: scored.metrics(1.5), "best_epoch": 1} | metrics,
        split=scored.table.assign(subset=subset),
        predictions=scored.predictions(1.5) if subset == "test" else pd.DataFrame(),
        audio_root=root,
        split_description="Test speakers are new.",
        seed=3,
        config="seed: 3\n",
        input_s=0.2,
        history=pd.DataFrame(
            {"epoch": [0, 1], "train_loss": [1.5, 1.2], "val_loss": [1.6, 1.4]}
            | {"train_uar": [0.4, 0.6], "val_uar": [0.3, 0.45]}
        ),
        skipped=pd.DataFrame({"path": ["a.wav", "b.wav"], "reason": "is empty"}),
        environment={
            "versions": {"torch": "2.11"},
            "notes": ["<i>noted</i>"],
            "parameters": 1234,
            "licences": {"made": "CC0"},
        },
        timing={"fit": 12.5, "clips_per_second": 800.0},
    )


def write_run(folder: Path, *, test_uar: float = 0.8, val_uar: float = 0.7) -> Run:
    """Write the files of a tested run; its clips do not exist."""
    words = ["dataset=folder", "dataset.root=/nowhere", "dataset.labels=[sad,angry,happy]"]
    settings = compose("train", [*words, f"output_root={folder.parent}"]).settings
    data = contents(folder)
    write_text(folder / "config.yaml", to_yaml(settings))
    metrics = {"test": data.metrics["test"] | {"uar": test_uar}}
    write_json(folder / "metrics.json", metrics | {"val": data.metrics["test"] | {"uar": val_uar}})
    write_table(folder / "predictions.csv", data.predictions)
    write_table(folder / "split.csv", data.split)
    choices = {"model": "cnn", "split": "speaker"}
    split = {"split": file_digest(folder / "split.csv")}
    write_json(folder / "environment.json", {"choices": choices, "fingerprints": split})
    write_table(folder / "skipped.csv", data.skipped)
    write_table(folder / "history.csv", data.history)
    clips = fingerprint_clips(data.predictions["path"])
    record_test_access(folder.parent, clips, by=str(folder.resolve()))
    return Run(folder)


def page_of(data: ReportData, folder: Path) -> str:
    write_report(data, folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """Return the text of a page, without tags and with plain spaces."""
    texts: list[str] = []
    parser = HTMLParser()
    parser.handle_data = texts.append  # type: ignore[method-assign]
    parser.feed(page)
    return " ".join(" ".join(texts).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a tested run whose clips exist; only to be read."""
    root = tmp_path_factory.mktemp("page")
    for number, path in enumerate(scored_clips().table["path"]):
        write_clip(root / path, 0.3, seed=number)
    return page_of(contents(root), root)


def test_page_shows_the_score_its_interval_and_every_section(page: str) -> None:
    test, text = scored_clips().metrics(1.5), text_of(page)
    low, high = (100 * test["interval"][key] for key in ("uar_low", "uar_high"))
    assert f"{100 * test['uar']:.1f} %" in text
    assert f"95 % interval {low:.1f} to {high:.1f} % over 4 speakers" in text
    assert "Article 5(1)(f)" in text
    assert "Article 50(3)" in text
    assert "2 files were left out" in text
    assert "speaker. Test speakers are new." in text
    for name in ("confusion", "classes", "errors", "learning", "calibration", "protocol", "card"):
        assert f'id="{name}"' in page
    assert page.count("<svg") == 4
    assert "LEAKS" not in text


def test_page_loads_nothing_from_the_network(page: str) -> None:
    addresses: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda _, attributes: addresses.extend(  # type: ignore[method-assign]
        value or "" for name, value in attributes if name in ("src", "href", "srcset", "poster")
    )
    parser.feed(page)
    assert addresses
    assert [each[:90] for each in addresses if not each.startswith(("data:", "#"))] == []
    assert not re.search(r"https?://|<script|<link|url\(|@import", page, re.I)
    assert "default-src 'none'" in page


def test_leaks_are_marked_on_the_page_its_title_and_its_tables(tmp_path: Path) -> None:
    audit = {"leaks": ["speaker made s0 in test and in train"], "remarks": []}
    page = page_of(contents(tmp_path, leaks=True, audit=audit), tmp_path)
    assert '<div class="band" role="alert"><strong>LEAKS</strong>' in page
    assert re.search(r"<title>LEAKS", page)
    assert audit["leaks"][0] in page
    captions = re.findall(r"<caption>.*?</caption>", page, re.S)
    scores = [caption for caption in captions if "Clips" not in caption or "Rows" in caption]
    assert len(scores) >= 5
    assert all("LEAKS" in caption for caption in scores)


def test_names_of_files_and_notes_are_escaped(page: str) -> None:
    assert AWKWARD not in page
    assert "&lt;b&gt;&amp;x.wav" in page
    assert "<i>noted" not in page


def test_a_file_name_that_is_not_utf_8_does_not_break_the_page(tmp_path: Path) -> None:
    data = contents(tmp_path)
    data.predictions.loc[0, "path"] = "caf\udce9.wav"
    assert "caf\N{REPLACEMENT CHARACTER}.wav" in page_of(data, tmp_path)


def test_untested_run_shows_validation(tmp_path: Path) -> None:
    text = text_of(page_of(contents(tmp_path, subset="val"), tmp_path))
    assert "Untested. Validation UAR" in text
    assert "untested: " in text
    assert "Confusion matrix" in text
    assert (tmp_path / "confusion.png").exists()


def test_run_without_metrics_has_a_page(tmp_path: Path) -> None:
    data = replace(contents(tmp_path), metrics={}, predictions=pd.DataFrame())
    assert "No metrics yet" in page_of(data, tmp_path)


def test_a_run_without_validation_and_test_clips_says_so(tmp_path: Path) -> None:
    data = contents(tmp_path, subset="val")
    data = replace(data, split=data.split.assign(subset="train"), metrics={"best_epoch": 1})
    text = text_of(page_of(data, tmp_path))
    assert "All clips were used for training: none is left for validation or test." in text
    assert "no temperature was fitted, and the last epoch is kept" in text
    assert "No metrics yet" not in text


def test_errors_have_a_sound_and_a_spectrogram_if_their_clips_exist(page: str) -> None:
    sounds = re.findall(r'<audio[^>]* src="data:audio/mpeg;base64,([^"]+)"', page)
    wrong = int((scored_clips().target != scored_clips().predicted).sum())
    assert len(sounds) == page.count('<img src="data:image/png') == min(MAX_ERRORS, wrong)
    wave, rate = sf.read(io.BytesIO(base64.b64decode(sounds[0])))
    assert rate == RATE
    assert np.abs(wave).max() > 0.5
    assert page.index("&lt;b&gt;") < page.index("clips/")  # the most confident error comes first


def test_errors_without_their_clips_are_named(tmp_path: Path) -> None:
    page = page_of(contents(tmp_path), tmp_path)
    assert "<audio" not in page
    assert "could not be read" in page
    assert "&lt;b&gt;&amp;x.wav" in page


def test_probes_robustness_and_other_datasets_are_shown_if_measured(tmp_path: Path) -> None:
    data = contents(tmp_path, shortcuts={"emotion": 0.99, "chance": 1 / 3, "corpus": None})
    points = [{"strength": x, "uar": 0.3, "label": f"white noise {x} dB SNR"} for x in (20, 0)]
    data = replace(
        data,
        robustness={"clean": 0.5, "curves": {"white_noise": points}},
        other_metrics={"elsewhere": scored_clips().metrics(1.0)},
    )
    text = text_of(page_of(data, tmp_path))
    assert "The probe is as good as the model" in text
    assert "Lowest at 20 dB SNR: 30.0 %, −20.0 points." in text
    assert "elsewhere" in text


def test_predictions_of_another_tool_have_a_page_without_settings(tmp_path: Path) -> None:
    data = replace(contents(tmp_path), config="", environment={}, history=pd.DataFrame(), seed=None)
    text = text_of(page_of(data, tmp_path))
    assert "Predictions of another tool for the test clips of speaker" in text
    assert "Temperature" not in text
    assert "Environment" not in text
    assert "None" not in text


def test_the_same_contents_have_the_same_page(tmp_path: Path) -> None:
    first = page_of(contents(tmp_path), tmp_path)
    image = (tmp_path / "confusion.png").read_bytes()
    assert page_of(contents(tmp_path), tmp_path) == first
    assert (tmp_path / "confusion.png").read_bytes() == image


def test_contents_are_read_from_a_run_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_json(
        run.folder / "evaluate" / "elsewhere" / "metrics.json", run.metrics | {"leaks": True}
    )
    data = report_data(run)
    assert (data.model, data.dataset, data.split_name) == ("cnn", "made", "speaker")
    assert (data.labels, data.seed, data.test_accesses) == (LABELS, run.settings.seed, 1)
    assert data.split_description == SpeakerSplit.description != ""
    assert data.split_settings["test_fraction"] == 0.2
    assert data.audio_root == Path("/nowhere")
    assert set(data.other_metrics) == {"elsewhere LEAKS"}
    assert len(data.predictions) == len(data.split) == SPEAKERS * CLIPS
    assert data.config == (run.folder / "config.yaml").read_text()
    assert "Test UAR" in text_of(page_of(data, run.folder))


def test_a_run_that_is_best_by_its_test_score_only_is_marked(tmp_path: Path) -> None:
    lucky = write_run(tmp_path / "lucky", test_uar=0.9, val_uar=0.5)
    sound = write_run(tmp_path / "sound", test_uar=0.8, val_uar=0.7)
    pages = [text_of(page_of(report_data(Run(run.folder)), run.folder)) for run in (lucky, sound)]
    assert ["chosen by its test score" in page for page in pages] == [True, False]
    assert "Test set used by 2 runs or prediction files" in pages[1]
