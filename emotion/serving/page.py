"""The page: record or drop a file, see what is heard, by whom, and what that is not good for."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import gradio as gr
import numpy as np
from fastapi import FastAPI

from emotion.audio.standardise import resample
from emotion.errors import EmotionError
from emotion.plots.charts import round_ticks
from emotion.plots.media import HOP, RATE, data_uri, mp3, spectrogram_png
from emotion.plots.templates_env import load_page
from emotion.runtime.stream import WindowPrediction
from emotion.serving.service import Answer, Service, explain

PACKAGE = "emotion.serving"
COLUMNS = 1600
"""A spectrogram is at most so wide."""

AT_ONCE = 4
"""Events of pages that are at work at a time; further ones wait in their queue."""

STALE_S = 60
"""An upload that no answer removed goes after so many seconds."""

SANS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Liberation Sans",
    "Arial",
    "sans-serif",
)
MONO = ("ui-monospace", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")
"""Fonts that machines have; nothing is fetched."""

COLOURS = {
    "body_background_fill": "#fcfdfd",
    "body_background_fill_dark": "#10161b",
    "block_background_fill": "#fcfdfd",
    "block_background_fill_dark": "#151d23",
    "block_label_background_fill_dark": "#151d23",
    "border_color_primary_dark": "#2f3c46",
    "block_border_color_dark": "#2f3c46",
    "block_label_border_color_dark": "#2f3c46",
    "button_secondary_background_fill": "#eef3f5",
    "button_secondary_background_fill_hover": "#dfe8ec",
    "button_secondary_background_fill_dark": "#1f2b34",
    "button_secondary_background_fill_hover_dark": "#2a3944",
    "input_background_fill_dark": "#151d23",
}
"""Those of the reports, where the theme has others."""

LEAD = """<h1>What emotion does this voice play?</h1>
<p>Record a sentence, or drop a recording of at most {seconds:g} s and {mb:g} MB. It is heard on the
machine that runs this page and deleted once it is answered.</p>"""

FOOT = """<p class="small">For programs: <code>POST predict</code>, described in
<a href="openapi.json">openapi.json</a>.</p>"""


def mount_page(
    app: FastAPI, service: Service, *, examples: Mapping[str, Path], uploads: Path
) -> FastAPI:
    """Return the application with the page at /.

    Args:
        app: the JSON service.
        service: who answers.
        examples: recordings to try, by what their buttons say.
        uploads: the private folder where Gradio keeps what it is sent.
    """
    theme = gr.themes.Base(primary_hue="cyan", neutral_hue="slate", font=SANS, font_mono=MONO)
    theme.set(**COLOURS)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build_page(service, examples=examples, uploads=uploads),
        path="/",
        theme=theme,
        css=_text("page.css"),
        head=f"<script>{_text('page.js')}</script>",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        show_error=True,
        max_file_size=service.limits.max_bytes,
    )
    return mounted


def build_page(service: Service, *, examples: Mapping[str, Path], uploads: Path) -> gr.Blocks:
    """Return the page, not yet served."""
    limits, names = service.limits, list(service.models)

    def hear_upload(path: str | None, model: str) -> tuple[None, str]:
        if path is None:
            return None, ""
        file = Path(path)
        try:
            return None, answered(service, file, model, kept="The recording is deleted.")
        finally:
            _remove(file, uploads)

    def hear_example(path: Path, model: str) -> str:
        return answered(service, path, model, kept="A synthetic voice.")

    def describe(model: str) -> str:
        return str(_render("about.html", about=service.model(model).about))

    page = gr.Blocks(title="emotion", analytics_enabled=False, delete_cache=(STALE_S, STALE_S))
    with page:
        gr.HTML(LEAD.format(seconds=limits.max_seconds, mb=limits.max_mb), elem_classes="lead")
        model = gr.Dropdown(names, value=names[0], label="Who listens", visible=len(names) > 1)
        with gr.Row(equal_height=True):
            spoken, dropped = _sound("microphone", "Record"), _sound("upload", "Drop a file")
        with gr.Row(elem_classes="examples"):
            gr.HTML("or hear", elem_classes="label", min_width=1)
            buttons = {name: gr.Button(name, size="sm") for name in examples}
        answer = gr.HTML(elem_id="answer", apply_default_css=False)
        about = gr.HTML(describe(names[0]), apply_default_css=False)
        gr.HTML(FOOT, apply_default_css=False)
        shared: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        for sound, sent in ((spoken, spoken.stop_recording), (dropped, dropped.upload)):
            sent(hear_upload, inputs=[sound, model], outputs=[sound, answer], **shared)
        for name, button in buttons.items():
            hear = partial(hear_example, examples[name])
            button.click(hear, inputs=model, outputs=answer, **shared)
        model.change(describe, inputs=model, outputs=about, **shared)
    page.queue(max_size=limits.waiting, default_concurrency_limit=AT_ONCE)
    return page


def answered(service: Service, file: Path, model: str, *, kept: str) -> str:
    """Return the answer to a recording, or why there is none, as HTML."""
    try:
        answer = service.predict(file, model=model, timeline=None)
    except EmotionError as err:
        return str(_render("refusal.html", said=explain(err)))
    return show_answer(answer, file.name, kept=kept)


def show_answer(answer: Answer, name: str, *, kept: str) -> str:
    """Return an answer as HTML: the label or the note, bars, a player, what was heard when."""
    opinion, labels = answer.opinion, answer.model.predictor.labels
    wave = resample(answer.wave, answer.sample_rate, to_rate=RATE)
    wave = wave * np.float32(0.9 / max(float(np.abs(wave).max()), 1e-9))
    partly = answer.heard_s < answer.seconds
    hop = max(HOP, -(-len(wave) // COLUMNS))
    picture = spectrogram_png(wave, heard_s=answer.heard_s if partly else None, hop=hop)
    chances = sorted(zip(labels, opinion.probabilities, strict=True), key=lambda pair: -pair[1])
    return str(
        _render(
            "answer.html",
            name=name,
            model=answer.model.about.name,
            kept=kept,
            predicted=opinion.predicted,
            note=opinion.note,
            unlike=opinion.unlike,
            best=chances[0][1],
            chances=chances,
            seconds=answer.seconds,
            heard_s=answer.heard_s,
            partly=partly,
            sound=data_uri(mp3(wave), "audio/mpeg"),
            picture=data_uri(picture, "image/png"),
            cells=answer.moments,
            tracks=lay_out(answer.moments, labels, answer.seconds),
            ticks=[tick for tick in round_ticks(0, answer.seconds) if tick <= answer.seconds],
        )
    )


def lay_out(
    moments: Sequence[WindowPrediction], labels: Sequence[str], seconds: float
) -> list[tuple[str, list[tuple[float, float, float]]]]:
    """Return, of each label, every window's probability, start and width as shares of the time.

    Windows overlap: each stands for the time around its middle, up to halfway to its neighbours.
    """
    if not moments:
        return []
    middles = np.array([(moment.start_s + moment.end_s) / 2 for moment in moments])
    edges = np.array([0.0, *((middles[1:] + middles[:-1]) / 2), seconds]) / seconds
    places = list(zip(edges[:-1].tolist(), np.diff(edges).tolist(), strict=True))
    chances = np.array([moment.opinion.probabilities for moment in moments])  # (N, L)
    return [
        (label, [(share, *place) for share, place in zip(column, places, strict=True)])
        for label, column in zip(labels, chances.T.tolist(), strict=True)
    ]


def _sound(source: Literal["microphone", "upload"], label: str) -> gr.Audio:
    return gr.Audio(
        sources=[source],
        type="filepath",
        label=label,
        editable=False,
        buttons=[],
        elem_id=source,
        min_width=260,
    )


def _remove(file: Path, uploads: Path) -> None:
    """Remove an upload and the folder that Gradio made for it."""
    if not file.is_relative_to(uploads):
        return
    file.unlink(missing_ok=True)
    with suppress(OSError):  # another upload of the same content lies there
        file.parent.rmdir()


def _render(page: str, **contents: Any) -> Any:
    return load_page(page, package=PACKAGE).render(**contents)


def _text(name: str) -> str:
    return files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
