import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from PIL import Image

from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.plots.charts import Axis, Chart, Line, round_ticks
from emotion.plots.format import percent
from emotion.plots.media import RATE, mp3, spectrogram_png
from emotion.runs.report import MISTAKES, write_report
from emotion.runs.run import Run
from emotion.runs.test_access_log import fingerprint_clips, record_test_access
from emotion.utils.files import write_json, write_text
from emotion.utils.tables import write_table
from tests.support.archive import voice, write_clip

LABELS = ("sad", "angry", "happy")
SPEAKERS, CLIPS = 4, 9
AWKWARD = "<b>&x.wav"
CONFIG = """
seed: 3
output_root: {root}/outputs
dataset: {{root: {root}, labels: [sad, angry, happy]}}
preprocessing: {{sample_rate: 16000, duration_ms: 200, trim_db: null}}
split: {{_target_: emotion.data.splits.protocols.SpeakerSplit, seed: 3, test_fraction: 0.2}}
model: {{_target_: emotion.models.cnn.CNN}}
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a tested run, its clips at hand; only to be read."""
    return page_of(write_run(tmp_path_factory.mktemp("page")))


def write_run(root: Path, *, tested: bool = True, audio: bool = True, **metrics: Any) -> Run:
    """Return a run folder as a run would leave it before its report, its clips under `root`."""
    folder = root / "run"
    folder.mkdir(parents=True)
    write_text(folder / "config.yaml", CONFIG.format(root=root))
    outcome = _outcome()
    if audio:
        for number, path in enumerate(outcome.table["path"]):
            write_clip(root / path, 0.3, seed=number)
    part = "test" if tested else "val"
    write_json(folder / "metrics.json", {part: outcome.figures(1.5), "best_epoch": 1} | metrics)
    if tested:
        write_table(folder / "predictions.csv", outcome.predictions(1.5))
    split = outcome.table[["path", "corpus", "speaker", "emotion"]].assign(subset=part)
    write_table(folder / "split.csv", split)
    write_text(folder / "skipped.csv", "path,reason\na.wav,is empty\nb.wav,is empty\n")
    rows = "0,1.5,1.6,0.4,0.3\n1,1.2,1.4,0.6,0.45\n"
    write_text(folder / "history.csv", f"epoch,train_loss,val_loss,train_uar,val_uar\n{rows}")
    described = {"versions": {"torch": "2.11"}, "notes": ["<i>noted</i>"], "parameters": 1234}
    write_json(folder / "environment.json", described | {"licences": {"made": "CC0"}})
    write_json(folder / "timing.json", {"fit": 12.5, "clips_per_second": 800.0})
    return Run(folder)


def _outcome() -> ScoredPredictions:
    """Return test clips of four speakers, some of them taken for another emotion."""
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
    logits[0] = (0.0, 9.0, 0.0)  # the surest mistake
    return ScoredPredictions(table, logits, LABELS)


def page_of(run: Run) -> str:
    write_report(run)
    return (run.folder / "report.html").read_text(encoding="utf-8")


def words_of(page: str) -> str:
    """Return what a page says, without its tags and with plain spaces."""
    words: list[str] = []
    parser = HTMLParser()
    parser.handle_data = words.append  # type: ignore[method-assign]
    parser.feed(page)
    return " ".join(" ".join(words).split())


def test_page_shows_the_score_its_interval_and_every_section(page: str) -> None:
    test, words = _outcome().figures(1.5), words_of(page)
    low, high = (100 * test["interval"][key] for key in ("uar_low", "uar_high"))
    assert f"{100 * test['uar']:.1f} %" in words
    assert f"95 % interval {low:.1f} to {high:.1f} % over 4 speakers" in words
    assert "Article 5(1)(f)" in words
    assert "Article 50(3)" in words
    assert "2 files were left out" in words
    for name in ("confusion", "classes", "mistakes", "learning", "calibration", "protocol", "card"):
        assert f'id="{name}"' in page
    assert page.count("<svg") == 4
    assert "LEAKS" not in words


def test_page_fetches_nothing(page: str) -> None:
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
    page = page_of(write_run(tmp_path, audio=False, leaks=True, audit=audit))
    assert '<div class="band" role="alert"><strong>LEAKS</strong>' in page
    assert re.search(r"<title>LEAKS", page)
    assert audit["leaks"][0] in page
    captions = re.findall(r"<caption>.*?</caption>", page, re.S)
    figures = [caption for caption in captions if "Clips" not in caption or "Rows" in caption]
    assert len(figures) >= 5
    assert all("LEAKS" in caption for caption in figures)


def test_names_of_files_and_notes_are_escaped(page: str) -> None:
    assert AWKWARD not in page
    assert "&lt;b&gt;&amp;x.wav" in page
    assert "<i>noted" not in page


def test_a_name_that_is_no_utf_8_does_not_break_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path, audio=False)
    table = run.predictions
    table.loc[0, "path"] = "caf\udce9.wav"
    write_table(run.folder / "predictions.csv", table)
    assert "caf\N{REPLACEMENT CHARACTER}.wav" in page_of(run)


def test_untested_run_shows_validation(tmp_path: Path) -> None:
    run = write_run(tmp_path, tested=False)
    words = words_of(page_of(run))
    assert "Untested. Validation UAR" in words
    assert "untested: " in words
    assert "Confusions" in words
    assert (run.folder / "confusion.png").exists()


def test_a_run_that_only_its_test_score_favours_is_marked(tmp_path: Path) -> None:
    runs = []
    for name, test, val in (("lucky", 0.9, 0.5), ("sound", 0.8, 0.7)):
        run = write_run(tmp_path / name)
        metrics = run.metrics | {"val": run.metrics["test"] | {"uar": val}}
        metrics["test"] = metrics["test"] | {"uar": test}
        write_json(run.folder / "metrics.json", metrics)
        config = (run.folder / "config.yaml").read_text()
        config = config.replace(f"{tmp_path / name}/outputs", str(tmp_path))
        write_text(run.folder / "config.yaml", config)
        clips = fingerprint_clips(run.predictions["path"])
        record_test_access(tmp_path, clips, by=str(run.folder.resolve()))
        runs.append(run)
    assert [run.chosen_by_test for run in runs] == [True, False]
    assert "chosen by its test score" in words_of(page_of(runs[0]))
    assert "chosen by its test score" not in words_of(page_of(runs[1]))
    assert "2 runs or files of predictions" in words_of(page_of(runs[1]))


def test_run_without_figures_has_a_page(tmp_path: Path) -> None:
    write_text(tmp_path / "config.yaml", CONFIG.format(root=tmp_path))
    assert "No figures yet" in page_of(Run(tmp_path))


def test_a_run_that_keeps_no_clip_back_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path, tested=False)
    write_table(run.folder / "split.csv", run.split.assign(subset="train"))
    write_json(run.folder / "metrics.json", {"best_epoch": 1})
    words = words_of(page_of(run))
    assert "Every clip trains: none is left to judge this run by." in words
    assert "no temperature was fitted, and the last epoch is kept" in words
    assert "No figures yet" not in words


def test_mistakes_can_be_heard_and_seen_where_the_clips_are_there(page: str) -> None:
    sounds = re.findall(r'<audio[^>]* src="data:audio/mpeg;base64,([^"]+)"', page)
    wrong = int((_outcome().target != _outcome().predicted).sum())
    assert len(sounds) == page.count('<img src="data:image/png') == min(MISTAKES, wrong)
    wave, rate = sf.read(io.BytesIO(base64.b64decode(sounds[0])))
    assert rate == RATE
    assert np.abs(wave).max() > 0.5
    assert page.index("&lt;b&gt;") < page.index("clips/")  # the surest mistake comes first


def test_mistakes_without_their_clips_are_named(tmp_path: Path) -> None:
    page = page_of(write_run(tmp_path, audio=False))
    assert "<audio" not in page
    assert "could not be read" in page
    assert "&lt;b&gt;&amp;x.wav" in page


def test_probes_robustness_and_other_clips_are_shown_if_measured(tmp_path: Path) -> None:
    run = write_run(
        tmp_path, audio=False, shortcuts={"emotion": 0.99, "chance": 1 / 3, "corpus": None}
    )
    points = [{"strength": x, "uar": 0.3, "label": f"white noise {x} dB SNR"} for x in (20, 0)]
    found = {"clean": 0.5, "curves": {"white_noise": points}}
    write_json(run.folder / "evaluate" / "perturbed" / "robustness.json", found)
    figures = {"test": _outcome().figures(1.0)}
    write_json(run.folder / "evaluate" / "elsewhere" / "metrics.json", figures)
    words = words_of(page_of(run))
    assert "The probe does as well as the model" in words
    assert "Lowest at 20 dB SNR: 30.0 %, −20.0 points." in words
    assert "elsewhere" in words


def test_confusion_png_is_a_picture(tmp_path: Path) -> None:
    run = write_run(tmp_path, audio=False)
    write_report(run)
    with Image.open(run.folder / "confusion.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300
    assert not list(run.folder.glob("*.partial"))


def test_the_same_run_has_the_same_page(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    first, picture = page_of(run), (run.folder / "confusion.png").read_bytes()
    assert page_of(run) == first
    assert (run.folder / "confusion.png").read_bytes() == picture


def test_chart_leaves_gaps_and_escapes_its_words() -> None:
    chart = Chart(
        "<t>", Axis([0, 2]), Axis([0, 1]), [Line("a", [0, 1, 2], [0, np.nan, 1])], says=""
    )
    assert chart.svg.count("<circle") == 2
    assert "nan" not in chart.svg
    assert "<t>" not in chart.svg


@pytest.mark.parametrize(("low", "high"), [(0.21, 0.35), (3.0, 3.0), (-2, 700), (1e-4, 1e-3)])
def test_ticks_span_what_they_are_for(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 2 <= len(ticks) <= 8


@pytest.mark.parametrize("samples", [1, 100, RATE])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_any_clip_has_a_spectrogram_and_a_sound(samples: int, level: float) -> None:
    wave = voice(1.0, RATE, level=level)[:samples]
    with Image.open(io.BytesIO(spectrogram_png(wave, heard_s=0.5))) as picture:
        assert picture.mode == "LA"
    assert sf.info(io.BytesIO(mp3(wave))).samplerate == RATE


def test_spectrogram_puts_high_tones_on_top_and_pales_what_is_not_heard() -> None:
    wave = np.sin(2 * np.pi * 7000 * np.arange(RATE) / RATE).astype(np.float32)
    with Image.open(io.BytesIO(spectrogram_png(wave, heard_s=0.5))) as picture:
        ink = np.asarray(picture)[..., 1].astype(float)  # (bands, frames)
    quarter, half = len(ink) // 4, ink.shape[1] // 2
    assert ink[:quarter].sum() > 10 * ink[quarter:].sum()
    assert ink[:, 5 : half - 5].max() > 2 * ink[:, half + 5 : -5].max()


@pytest.mark.parametrize(
    ("share", "text"), [(0.3541, "35.4 %"), (None, "–"), (float("nan"), "–"), (1, "100.0 %")]
)
def test_percent_says_what_is_known(share: float | None, text: str) -> None:
    assert percent(share).replace("\N{NARROW NO-BREAK SPACE}", " ") == text
