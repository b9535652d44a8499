"""Server of the web page and the JSON service, for one or several models."""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from emotion.config.schema import ServeSettings
from emotion.data.corpora.synthetic import EXPRESSIONS, synthesise_clip
from emotion.errors import ConfigError, DependencyError
from emotion.inference.load_models import open_predictor
from emotion.runs.run import Run, find_run
from emotion.runtime.description import read_about
from emotion.runtime.onnx_model import find_export
from emotion.serving.model_card import ModelCard, export_card, run_card, unique_names
from emotion.serving.service import Limits, Model, Service

if TYPE_CHECKING:
    from emotion.serving.gate import AllowedHosts

log = logging.getLogger(__name__)

EXAMPLE_RATE = 16_000
EXAMPLE_SPEAKERS = (2, 1)
"""Synthetic speakers of the examples, in turn."""

SHUTDOWN_TIMEOUT_S = 5
"""Time for requests in progress when the server is stopped."""


def serve(settings: ServeSettings) -> None:
    """Serve on `host`:`port` until the program is stopped.

    Raises:
        ConfigError: no run is given, the address cannot be used, or a limit is not above 0.
        DependencyError: the extra `app` is not installed.
        RunError: the run does not exist.
    """
    limits = Limits(settings.max_mb, settings.max_seconds, settings.waiting)
    if find_spec("gradio") is None:
        raise DependencyError("serve needs Gradio: pip install 'emotion[app]'.")
    from emotion.serving.connections import connection_settings
    from emotion.serving.gate import AllowedHosts
    from emotion.serving.uploads import private_folder

    hosts = AllowedHosts.from_settings(settings.hosts, host=settings.host)
    with (
        bind_socket(settings.host, settings.port) as listener,
        private_folder() as folder,
    ):
        app = build_app(Service(open_models(settings), limits), folder, hosts=hosts)
        host, port = listener.getsockname()[:2]
        if not ip_address(host.partition("%")[0]).is_loopback:
            log.warning("host=%s: everyone on the network can use the service, no password", host)
        log.info("http://%s:%s  (stop with Ctrl-C)", f"[{host}]" if ":" in host else host, port)
        import uvicorn

        config = uvicorn.Config(
            app, timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S, **connection_settings()
        )
        uvicorn.Server(config).run(sockets=[listener])


def build_app(service: Service, folder: Path, *, hosts: "AllowedHosts") -> Any:
    """Return the JSON service and the page at /.

    The private folder is for uploads and examples. Requests for other hosts than `hosts` are
    refused.
    """
    uploads, cache = folder / "uploads", folder / "gradio"
    for path in (uploads, cache):
        path.mkdir()
    # Gradio reads these on import and when a page is built.
    os.environ["GRADIO_TEMP_DIR"] = str(cache)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from emotion.serving.api import build_api
    from emotion.serving.page import mount_page
    from emotion.serving.uploads import Uploads

    examples = write_examples(folder / "examples", service.model(None).predictor.labels)
    app = build_api(service, uploads, hosts=hosts)
    return mount_page(app, service, examples=examples, uploads=Uploads(service, uploads))


def open_models(settings: ServeSettings) -> list[Model]:
    """Return one served model per run folder, export folder or network that `run` names.

    Raises:
        ConfigError: `run` is an empty list.
        RunError: a run does not exist.
    """
    if not settings.run_names:
        raise ConfigError("run=[] names no run. Give one, run=latest, or several, run=[A,B].")
    root = Path(settings.output_root)
    paths = [
        Path(name).expanduser() if name and find_export(name) else find_run(name, root).folder
        for name in settings.run_names
    ]
    names = unique_names([str(path.resolve()) for path in paths])
    return [
        Model(read_card(path, name), open_predictor(replace(settings, run=str(path))))
        for path, name in zip(paths, names, strict=True)
    ]


def read_card(path: Path, name: str) -> ModelCard:
    """Return the model card of a run or an export."""
    export = find_export(path)
    return run_card(Run(path), name) if export is None else export_card(read_about(export[0]), name)


def write_examples(folder: Path, labels: Sequence[str]) -> dict[str, Path]:
    """Write one synthetic recording per label and one of all in sequence; return them by name.

    Labels that the synthesiser does not have are left out.
    """
    folder.mkdir()
    clips = {
        label: synthesise_clip(
            label, speaker=EXAMPLE_SPEAKERS[index % 2], sentence=index + 1, sample_rate=EXAMPLE_RATE
        )
        for index, label in enumerate(label for label in labels if label in EXPRESSIONS)
    }
    if len(clips) > 1:
        clips["all emotions"] = np.concatenate(list(clips.values()))
    paths = {name: folder / f"{name.replace(' ', '_')}.wav" for name in clips}
    for name, path in paths.items():
        with path.open("wb") as file:  # libsndfile hides the cause of a failed open
            soundfile.write(file, clips[name], EXAMPLE_RATE, format="WAV", subtype="PCM_16")
    return paths


@contextmanager
def bind_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Return a context manager that gives a socket bound to an address.

    Raises:
        ConfigError: the port is in use, or the host is not an address of this machine.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError, TypeError) as err:
            raise ConfigError(
                f"host={host} port={port} cannot be used ({err}). Choose another port, or port=0 "
                "for a free one."
            ) from err
        yield listener
