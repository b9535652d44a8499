"""Web page: record or upload speech, see the prediction, the timeline and the model card."""

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
from emotion.inference.timeline_plot import window_edges
from emotion.plots.charts import round_ticks
from emotion.plots.media import HOP, RATE, audio_uri, data_uri, spectrogram_png
from emotion.plots.style import DARK, LIGHT
from emotion.plots.templates_env import load_page
from emotion.runtime.stream import WindowPrediction
from emotion.serving.service import Result, Service, error_sentence

PACKAGE = "emotion.serving"

MAX_SPECTROGRAM_COLUMNS = 1600

MAX_CONCURRENT_EVENTS = 4
"""Page events processed at a time; further ones are queued."""

UPLOAD_LIFETIME_S = 60
"""Uploads that were not removed after their prediction are deleted after this time."""

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")
"""System fonts: the page downloads none."""

THEME = {
    "body_background_fill": LIGHT["paper"],
    "body_background_fill_dark": DARK["paper"],
    "block_background_fill": LIGHT["paper"],
    "block_background_fill_dark": DARK["wash"],
    "block_label_background_fill_dark": DARK["wash"],
    "border_color_primary_dark": DARK["rule"],
    "block_border_color_dark": DARK["rule"],
    "block_label_border_color_dark": DARK["rule"],
    "button_secondary_background_fill": LIGHT["wash"],
    "button_secondary_background_fill_hover": LIGHT["rule"],
    "button_secondary_background_fill_dark": DARK["rule"],
    "button_secondary_background_fill_hover_dark": DARK["wash"],
    "input_background_fill_dark": DARK["wash"],
}
"""Colours of Gradio's elements, the same as in the reports."""

INTRODUCTION = """<h1>Speech emotion recognition</h1>
<p>Record speech or upload a recording (at most {seconds:g} s and {mb:g} MB). It is processed on
this server and deleted after the prediction.</p>"""

FOOTER = """<p class="small">JSON service: <code>POST predict</code>, see
<a href="openapi.json">openapi.json</a>.</p>"""


def mount_page(
    app: FastAPI, service: Service, *, examples: Mapping[str, Path], uploads: Path
) -> FastAPI:
    """Return the JSON service with the page at /.

    The examples are recordings by the text on their buttons; Gradio stores uploads in the private
    folder `uploads`.
    """
    theme = gr.themes.Base(primary_hue="cyan", neutral_hue="slate", font=SANS, font_mono=MONO)
    theme.set(**THEME)
    script = files(PACKAGE).joinpath("templates", "page.js").read_text(encoding="utf-8")
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build_page(service, examples=examples, uploads=uploads),
        path="/",
        theme=theme,
        css=_render("page.css"),
        head=f"<script>{script}</script>",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        show_error=True,
        max_file_size=service.limits.max_bytes,
    )
    return mounted


def build_page(service: Service, *, examples: Mapping[str, Path], uploads: Path) -> gr.Blocks:
    """Return the page as Gradio blocks."""
    limits, names = service.limits, list(service.models)

    def predict_upload(path: str | None, model: str) -> tuple[None, str]:
        if path is None:
            return None, ""
        file = Path(path)
        try:
            retention = "The recording was deleted."
            return None, prediction_html(service, file, model, retention=retention)
        finally:
            _remove_upload(file, uploads)

    def model_card(model: str) -> str:
        return _render("model_card.html", card=service.model(model).card)

    lifetimes = (UPLOAD_LIFETIME_S, UPLOAD_LIFETIME_S)  # time between checks, largest age
    page = gr.Blocks(
        title="Speech emotion recognition", analytics_enabled=False, delete_cache=lifetimes
    )
    with page:
        introduction = INTRODUCTION.format(seconds=limits.max_seconds, mb=limits.max_mb)
        gr.HTML(introduction, elem_classes="intro")
        model = gr.Dropdown(names, value=names[0], label="Model", visible=len(names) > 1)
        with gr.Row(equal_height=True):
            microphone, upload = _audio("microphone", "Record"), _audio("upload", "Upload")
        with gr.Row(elem_classes="examples"):
            gr.HTML("Examples:", elem_classes="label", min_width=1)
            buttons = {name: gr.Button(name, size="sm") for name in examples}
        result = gr.HTML(elem_id="result", apply_default_css=False)
        card = gr.HTML(model_card(names[0]), apply_default_css=False)
        gr.HTML(FOOTER, apply_default_css=False)
        shared: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        for audio, event in ((microphone, microphone.stop_recording), (upload, upload.upload)):
            event(predict_upload, inputs=[audio, model], outputs=[audio, result], **shared)
        for name, button in buttons.items():
            retention = "Synthetic example."
            predict = partial(prediction_html, service, examples[name], retention=retention)
            button.click(predict, inputs=model, outputs=result, **shared)
        model.change(model_card, inputs=model, outputs=card, **shared)
    page.queue(max_size=limits.waiting, default_concurrency_limit=MAX_CONCURRENT_EVENTS)
    return page


def prediction_html(service: Service, file: Path, model: str, *, retention: str) -> str:
    """Return the result for a recording, or the error message, as HTML."""
    try:
        result = service.predict(file, model=model, timeline=None)
    except EmotionError as err:
        return _render("error.html", message=error_sentence(err))
    return result_html(result, file.name, retention=retention)


def result_html(result: Result, name: str, *, retention: str) -> str:
    """Return a result as HTML: label or note, probabilities, player, spectrogram, timeline.

    `name` is the file name; `retention` is a sentence on whether the recording is kept.
    """
    labels = result.model.predictor.labels
    wave = resample(result.wave, result.sample_rate, to_rate=RATE)
    wave = wave * np.float32(0.9 / max(float(np.abs(wave).max()), 1e-9))
    input_s = result.classified_s if result.classified_s < result.seconds else None
    hop = max(HOP, -(-len(wave) // MAX_SPECTROGRAM_COLUMNS))
    pairs = zip(labels, result.prediction.probabilities, strict=True)
    return _render(
        "result.html",
        result=result,
        name=name,
        retention=retention,
        probabilities=sorted(pairs, key=lambda pair: -pair[1]),
        audio=audio_uri(wave),
        spectrogram=data_uri(spectrogram_png(wave, input_s=input_s, hop=hop), "image/png"),
        tracks=timeline_tracks(result.windows, labels),
        ticks=[tick for tick in round_ticks(0, result.seconds) if tick <= result.seconds],
    )


def timeline_tracks(
    windows: Sequence[WindowPrediction], labels: Sequence[str]
) -> list[tuple[str, list[tuple[float, float, float]]]]:
    """Return each label with (probability, start, width) per window; times are fractions of all."""
    if not windows:
        return []
    edges = window_edges(windows) / windows[-1].end_s
    cells = list(zip(edges[:-1].tolist(), np.diff(edges).tolist(), strict=True))
    probabilities = np.array([window.prediction.probabilities for window in windows])  # (N, L)
    return [
        (label, [(value, *cell) for value, cell in zip(column, cells, strict=True)])
        for label, column in zip(labels, probabilities.T.tolist(), strict=True)
    ]


def _audio(source: Literal["microphone", "upload"], label: str) -> gr.Audio:
    return gr.Audio(
        sources=[source],
        type="filepath",
        label=label,
        editable=False,
        buttons=[],
        elem_id=source,
        min_width=260,
    )


def _remove_upload(file: Path, uploads: Path) -> None:
    """Remove an uploaded file and its folder."""
    if not file.is_relative_to(uploads):
        return
    file.unlink(missing_ok=True)
    with suppress(OSError):  # the folder contains another upload of the same content
        file.parent.rmdir()


def _render(template: str, **values: Any) -> str:
    return str(load_page(template, package=PACKAGE).render(**values))
