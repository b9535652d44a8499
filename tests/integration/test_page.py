"""The page in a browser: `emotion serve` as users start it, Chromium without a network."""

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
LOOKS = [("light", 1100), ("dark", 1100), ("light", 375), ("dark", 375)]
SHOTS = os.environ.get("EMOTION_SCREENSHOTS")
"""A folder for pictures of what the tests saw, to be looked at."""


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
    """The temporary folder of the program that serves."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def url(runs: list[Path], scratch: Path) -> Iterator[str]:
    """Where the page is; the program must leave nothing when it is stopped."""
    words = [f"run=[{','.join(map(str, runs))}]", "port=0", f"max_seconds={MAX_SECONDS}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion", "serve", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.match(r"http://127\.0\.0\.1:\d+", line):
            yield found[0]
            break
    process.send_signal(signal.SIGTERM)
    last = process.communicate(timeout=60)[1]
    assert process.returncode == 143, "".join(said) + last
    assert not [path for path in scratch.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings to send, by what is the matter with them; a real one where there are any."""
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


@pytest.fixture(params=LOOKS, ids=[f"{scheme}-{width}" for scheme, width in LOOKS])
def look(request: pytest.FixtureRequest) -> tuple[str, int]:
    look: tuple[str, int] = request.param
    return look


@pytest.fixture
def page(browser: Any, url: str, look: tuple[str, int]) -> Iterator[Any]:
    """The page, just opened; no request of it may leave this machine."""
    scheme, width = look
    viewport = {"width": width, "height": 900}
    context = browser.new_context(
        color_scheme=scheme, viewport=viewport, permissions=["microphone"]
    )
    page = context.new_page()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.get_by_text("Drop Audio Here").wait_for()
    yield page
    context.close()
    assert asked
    assert not [one for one in asked if not one.startswith((url, f"blob:{url}", "data:"))]


def drop(page: Any, file: Path) -> Any:
    """Drop a file on the page; return what comes of it."""
    page.locator("#upload input[type=file]").set_input_files(file)
    answer = page.locator("#answer .answer")
    answer.wait_for()
    page.get_by_text("Drop Audio Here").wait_for()  # the page has let go of the file
    return answer


def settled(page: Any, name: str, look: tuple[str, int]) -> None:
    """Hold that nothing is wider than the screen; keep a picture where one is wanted."""
    assert page.evaluate("document.documentElement.scrollWidth") <= look[1]
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}-{look[0]}-{look[1]}.png", full_page=True)


def left(scratch: Path) -> list[Path]:
    """Return the files that the program keeps, but for its examples."""
    return [path for path in scratch.rglob("*") if path.is_file() and "examples" not in path.parts]


def test_dropped_clip_gets_the_answer_of_the_json_service(
    page: Any, url: str, clips: dict[str, Path], scratch: Path, look: tuple[str, int]
) -> None:
    answer = drop(page, clips["clip"])
    row = httpx.post(f"{url}/predict", content=clips["clip"].read_bytes()).json()
    assert answer.locator("h2").inner_text() == (row["note"] or row["predicted"])
    bars = [text.split("\n") for text in answer.locator(".bars li").all_inner_texts()]
    shown = {label: int(share.split("\u202f")[0]) for label, share in bars}
    assert shown == {
        key.removeprefix("p_"): round(100 * value)
        for key, value in row.items()
        if key.startswith("p_")
    }
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    assert answer.locator("img").evaluate("image => image.naturalHeight") > 0
    assert not left(scratch)
    settled(page, "clip", look)


def test_long_recording_is_shown_over_time_and_plays_from_a_click(
    page: Any, clips: dict[str, Path], look: tuple[str, int]
) -> None:
    answer = drop(page, clips["long"])
    assert answer.locator(".track").count() == 1 + 6 + 1  # the picture, the labels, the seconds
    time = answer.locator(".strip").nth(1)
    time.click(position={"x": time.bounding_box()["width"] * 0.75, "y": 5})
    sound = answer.locator("audio")
    page.wait_for_function("sound => sound.currentTime > 6", arg=sound.element_handle())
    assert sound.evaluate("sound => sound.duration") == pytest.approx(9, abs=0.2)
    answer.locator("summary").click()
    assert (
        answer.locator("tbody tr").count() == answer.locator(".strip").nth(1).locator("i").count()
    )
    settled(page, "long", look)


def test_microphone_is_heard(page: Any, scratch: Path, look: tuple[str, int]) -> None:
    recorder = page.locator("#microphone")
    recorder.get_by_role("button", name="Record").click()
    recorder.get_by_text("0:02").wait_for()
    recorder.locator(".stop-button").click()
    answer = page.locator("#answer .answer")
    answer.wait_for()
    assert answer.locator(".bars li").count() == 6
    seconds = float(answer.locator(".sound").get_attribute("data-seconds"))
    assert 1.5 < seconds < 8
    recorder.get_by_role("button", name="Record").wait_for()
    assert not left(scratch)
    settled(page, "microphone", look)


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        ("text", "The recording is not readable audio"),
        ("too long", "is 12.1 s long: at most 12 s are taken"),
        ("silence", "Nobody seems to speak"),
    ],
)
def test_what_cannot_be_answered_is_said_in_words(
    page: Any, clips: dict[str, Path], scratch: Path, clip: str, said: str, look: tuple[str, int]
) -> None:
    answer = drop(page, clips[clip])
    assert said in answer.inner_text()
    assert answer.locator("h2").inner_text() == ("no speech" if clip == "silence" else "no answer")
    assert not left(scratch)
    settled(page, clip.replace(" ", "_"), look)


class TestOnce:
    """What looks the same in any light."""

    @pytest.fixture
    def look(self) -> tuple[str, int]:
        return LOOKS[0]

    def test_example_is_answered_and_kept(self, page: Any, scratch: Path) -> None:
        for name in ("angry", "all in turn", "angry"):
            page.get_by_role("button", name=name, exact=True).click()
            page.get_by_text(f"{name.replace(' ', '_')}.wav,").wait_for()
        assert len(list(scratch.rglob("examples/*.wav"))) == 7

    def test_another_model_says_who_it_is(self, page: Any, clips: dict[str, Path]) -> None:
        about = page.locator(".about")
        assert "first, a cnn" in about.inner_text()
        assert "of 2 speakers (synthetic)" in about.inner_text()
        page.get_by_label("Who listens").click()
        page.get_by_role("option", name="second").click()
        page.get_by_text("second, a cnn").wait_for()
        assert "answered by second" in drop(page, clips["clip"]).inner_text()

    def test_page_could_not_reach_out(self, page: Any) -> None:
        forbidden = page.evaluate(
            """new Promise(done => {
                const tell = event => done(event.blockedURI);
                document.addEventListener("securitypolicyviolation", tell);
                fetch("http://192.0.2.1/away").then(() => done("reached"), () => {});
            })"""
        )
        assert forbidden == "http://192.0.2.1/away"
