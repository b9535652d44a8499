"""The page in Chromium, served by `emotion serve`; no request may leave this machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.cli.main import run
from emotion.data.corpora.synthetic import synthesise_clip

pytest.importorskip("gradio", reason="the extra `app` is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
httpx = pytest.importorskip("httpx", reason="the extra `app` is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]

RATE = 16_000
MAX_SECONDS = 12
SCREENS = [("light", 1100), ("dark", 1100), ("light", 375), ("dark", 375)]
SHOTS = os.environ.get("EMOTION_SCREENSHOTS")
"""A folder for screenshots of every test."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of one epoch."""
    root = tmp_path_factory.mktemp("runs")
    tiny = ["dataset.generate.speakers=10", "dataset.generate.sentences=2", "trainer.max_epochs=1"]
    assert run(["train", *tiny, f"output_root={root}", f"hydra.run.dir={root}/first"]) == 0
    shutil.copytree(root / "first", root / "second")
    return [root / "first", root / "second"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of the server."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def url(runs: list[Path], scratch: Path) -> Iterator[str]:
    """The address of the page; the server must leave no files when it is stopped."""
    words = [f"run=[{','.join(map(str, runs))}]", "port=0", f"max_seconds={MAX_SECONDS}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion", "serve", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.match(r"http://127\.0\.0\.1:\d+", line):
            yield found[0]
            break
    process.send_signal(signal.SIGTERM)
    last = process.communicate(timeout=60)[1]
    assert process.returncode == 143, "".join(lines) + last
    assert not [path for path in scratch.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings by their kind; `clip` is a real one if there is a corpus."""
    folder = tmp_path_factory.mktemp("clips")
    voice = synthesise_clip("angry", sample_rate=RATE)
    waves = {
        "clip": voice,
        "silence": np.zeros(2 * RATE),
        "long": np.tile(voice, 10)[: 9 * RATE],
        "too long": np.tile(voice, 10)[: round(12.1 * RATE)],
    }
    paths = {name: folder / f"{name}.wav" for name in waves}
    for name, path in paths.items():
        soundfile.write(path, waves[name], RATE)
    paths["text"] = folder / "text.wav"
    paths["text"].write_text("not a recording\n" * 100)
    real = Path(os.environ.get("EMOTION_DATA_ROOT", "/nowhere"))
    paths["clip"] = next(iter(sorted(real.glob("Crema/*.wav"))), paths["clip"])
    return paths


@pytest.fixture(scope="module")
def browser(clips: dict[str, Path]) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={clips['long']}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture(params=SCREENS, ids=[f"{scheme}-{width}" for scheme, width in SCREENS])
def screen(request: pytest.FixtureRequest) -> tuple[str, int]:
    screen: tuple[str, int] = request.param
    return screen


@pytest.fixture
def page(browser: Any, url: str, screen: tuple[str, int]) -> Iterator[Any]:
    """The page, just opened; none of its requests may leave this machine."""
    scheme, width = screen
    viewport = {"width": width, "height": 900}
    context = browser.new_context(
        color_scheme=scheme, viewport=viewport, permissions=["microphone"]
    )
    page = context.new_page()
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    page.get_by_text("Drop Audio Here").wait_for()
    yield page
    context.close()
    assert requests
    assert not [sent for sent in requests if not sent.startswith((url, f"blob:{url}", "data:"))]


def drop(page: Any, file: Path) -> Any:
    """Drop a file on the page; return the result."""
    page.locator("#upload input[type=file]").set_input_files(file)
    result = page.locator("#result .result")
    result.wait_for()
    page.get_by_text("Drop Audio Here").wait_for()  # the page has removed the file
    return result


def check_layout(page: Any, name: str, screen: tuple[str, int]) -> None:
    """Check that nothing is wider than the screen; write a screenshot if wanted."""
    assert page.evaluate("document.documentElement.scrollWidth") <= screen[1]
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}-{screen[0]}-{screen[1]}.png", full_page=True)


def remaining_files(scratch: Path) -> list[Path]:
    """Return the files of the server other than its examples."""
    return [path for path in scratch.rglob("*") if path.is_file() and "examples" not in path.parts]


def test_page_and_json_service_give_the_same_result(
    page: Any, url: str, clips: dict[str, Path], scratch: Path, screen: tuple[str, int]
) -> None:
    result = drop(page, clips["clip"])
    row = httpx.post(f"{url}/predict", content=clips["clip"].read_bytes()).json()
    assert result.locator("h2").inner_text() == (row["note"] or row["predicted"])
    bars = [text.split("\n") for text in result.locator(".bars li").all_inner_texts()]
    shown = {label: int(percent.split("\u202f")[0]) for label, percent in bars}
    assert shown == {
        key.removeprefix("p_"): round(100 * value)
        for key, value in row.items()
        if key.startswith("p_")
    }
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    assert result.locator("img").evaluate("image => image.naturalHeight") > 0
    assert not remaining_files(scratch)
    check_layout(page, "clip", screen)


def test_long_recording_is_shown_over_time_and_plays_from_a_click(
    page: Any, clips: dict[str, Path], screen: tuple[str, int]
) -> None:
    result = drop(page, clips["long"])
    assert result.locator(".track").count() == 1 + 6 + 1  # spectrogram, labels, seconds
    time = result.locator(".strip").nth(1)
    time.click(position={"x": time.bounding_box()["width"] * 0.75, "y": 5})
    audio = result.locator("audio")
    page.wait_for_function("audio => audio.currentTime > 6", arg=audio.element_handle())
    assert audio.evaluate("audio => audio.duration") == pytest.approx(9, abs=0.2)
    result.locator("summary").click()
    assert (
        result.locator("tbody tr").count() == result.locator(".strip").nth(1).locator("i").count()
    )
    check_layout(page, "long", screen)


def test_microphone_recording_is_classified(
    page: Any, scratch: Path, screen: tuple[str, int]
) -> None:
    recorder = page.locator("#microphone")
    recorder.get_by_role("button", name="Record").click()
    recorder.get_by_text("0:02").wait_for()
    recorder.locator(".stop-button").click()
    result = page.locator("#result .result")
    result.wait_for()
    assert result.locator(".bars li").count() == 6
    seconds = float(result.locator(".player").get_attribute("data-seconds"))
    assert 1.5 < seconds < 8
    recorder.get_by_role("button", name="Record").wait_for()
    assert not remaining_files(scratch)
    check_layout(page, "microphone", screen)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ("text", "The recording is not readable audio"),
        ("too long", "is 12.1 s long; at most 12 s are allowed"),
        ("silence", "No speech was detected"),
    ],
)
def test_recording_without_a_prediction_gets_a_message(
    page: Any,
    clips: dict[str, Path],
    scratch: Path,
    clip: str,
    message: str,
    screen: tuple[str, int],
) -> None:
    result = drop(page, clips[clip])
    assert message in result.inner_text()
    assert result.locator("h2").inner_text() == (
        "no speech" if clip == "silence" else "no prediction"
    )
    assert not remaining_files(scratch)
    check_layout(page, clip.replace(" ", "_"), screen)


class TestOnce:
    """Tests that do not depend on the screen."""

    @pytest.fixture
    def screen(self) -> tuple[str, int]:
        return SCREENS[0]

    def test_example_is_classified_and_kept(self, page: Any, scratch: Path) -> None:
        for name in ("angry", "all emotions", "angry"):
            page.get_by_role("button", name=name, exact=True).click()
            page.get_by_text(f"{name.replace(' ', '_')}.wav,").wait_for()
        assert len(list(scratch.rglob("examples/*.wav"))) == 7

    def test_chosen_model_is_used_and_described(self, page: Any, clips: dict[str, Path]) -> None:
        card = page.locator(".model-card")
        assert "first (cnn)" in card.inner_text()
        assert "of 2 speakers (synthetic)" in card.inner_text()
        page.get_by_label("Model").click()
        page.get_by_role("option", name="second").click()
        page.get_by_text("second (cnn)").wait_for()
        assert "Model: second." in drop(page, clips["clip"]).inner_text()

    def test_page_cannot_load_from_other_servers(self, page: Any) -> None:
        forbidden = page.evaluate(
            """new Promise(done => {
                const report = event => done(event.blockedURI);
                document.addEventListener("securitypolicyviolation", report);
                fetch("http://192.0.2.1/away").then(() => done("reached"), () => {});
            })"""
        )
        assert forbidden == "http://192.0.2.1/away"
