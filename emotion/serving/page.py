"""Web page: record or upload speech, see the prediction, the timeline and the model card."""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import gradio as gr
import numpy as np
from fastapi import FastAPI
from starlette.routing import Mount

from emotion.audio.standardise import resample
from emotion.errors import AudioError, EmotionError
from emotion.inference.timeline_plot import window_edges
from emotion.plots.charts import round_ticks
from emotion.plots.media import HOP, RATE, audio_uri, data_uri, spectrogram_png
from emotion.plots.style import DARK, LIGHT
from emotion.plots.templates_env import load_page
from emotion.runtime.stream import WindowPrediction
from emotion.serving.gate import UPLOAD
from emotion.serving.page_requests import PageRequests, UploadReference
from emotion.serving.service import BusyError, Result, Service, error_sentence
from emotion.serving.uploads import Uploads

PACKAGE = "emotion.serving"

MAX_SPECTROGRAM_COLUMNS = 1600

DELETED, EXAMPLE = "The recording was deleted.", "Synthetic example."
"""Sentences on whether a recording is kept."""

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
    app: FastAPI, service: Service, *, examples: Mapping[str, Path], uploads: Uploads
) -> FastAPI:
    """Return the JSON service with the page at /.

    The examples are recordings by the text on their buttons.
    """
    page = build_page(service, examples=examples, uploads=uploads)
    app.add_api_route(UPLOAD, uploads.receive, methods=["POST"], include_in_schema=False)
    theme = gr.themes.Base(primary_hue="cyan", neutral_hue="slate", font=SANS, font_mono=MONO)
    theme.set(**THEME)
    script = files(PACKAGE).joinpath("templates", "page.js").read_text(encoding="utf-8")
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
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
    mount = cast(Mount, mounted.routes[-1])
    inputs = {
        number: [UploadReference if isinstance(block, gr.Audio) else str for block in fn.inputs]
        for number, fn in page.fns.items()
    }
    mount.app = PageRequests(mount.app, inputs=inputs, models=list(service.models))
    return mounted


def build_page(service: Service, *, examples: Mapping[str, Path], uploads: Uploads) -> gr.Blocks:
    """Return the page as Gradio blocks."""
    limits, names = service.limits, list(service.models)

    def predict_upload(token: str | None, model: str) -> tuple[None, str]:
        if token is None:
            return None, ""
        try:
            with uploads.take(token) as upload:
                html = prediction_html(
                    service, upload.file, model, name=upload.name, retention=DELETED
                )
        except AudioError as err:
            html = error_html(err)
        return None, html

    def predict_example(name: str, model: str) -> str:
        try:
            with service.slot():
                return prediction_html(
                    service, examples[name], model, name=examples[name].name, retention=EXAMPLE
                )
        except BusyError as err:
            return error_html(err)

    def model_card(model: str) -> str:
        return _render("model_card.html", card=service.model(model).card)

    page = gr.Blocks(title="Speech emotion recognition", analytics_enabled=False)
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
        shared: dict[str, Any] = {
            "api_visibility": "private",
            "show_progress": "minimal",
            "queue": False,
        }
        for audio, event in ((microphone, microphone.stop_recording), (upload, upload.upload)):
            event(
                predict_upload,
                inputs=[audio, model],
                outputs=[audio, result],
                preprocess=False,
                **shared,
            )
        for name, button in buttons.items():
            button.click(partial(predict_example, name), inputs=model, outputs=result, **shared)
        model.change(model_card, inputs=model, outputs=card, **shared)
    return page


def prediction_html(service: Service, file: Path, model: str, *, name: str, retention: str) -> str:
    """Return the result for a recording, or the error message, as HTML."""
    try:
        result = service.predict(file, model=model, timeline=None)
    except EmotionError as err:
        return error_html(err)
    return result_html(result, name, retention=retention)


def error_html(error: EmotionError) -> str:
    """Return an error message as HTML."""
    return _render("error.html", message=error_sentence(error))


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
    """Return a recorder or file field whose value is the token of an upload.

    Without a data model, Gradio handles the value as text and touches no file.
    """
    audio = gr.Audio(
        sources=[source],
        label=label,
        editable=False,
        buttons=[],
        elem_id=source,
        min_width=260,
    )
    schema = audio.api_info()
    audio.api_info = lambda: schema  # type: ignore[method-assign]
    audio.data_model = None  # type: ignore[assignment]
    return audio


def _render(template: str, **values: Any) -> str:
    return str(load_page(template, package=PACKAGE).render(**values))
