"""The command `serve`: a page and a JSON service over one or several models."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from emotion.config.composition import Config
from emotion.data.corpora.synthetic import EXPRESSIONS, synthesise_clip
from emotion.errors import ConfigError, DependencyError
from emotion.inference.load_models import named, open_predictor
from emotion.runs.run import Run, find_run
from emotion.runtime.onnx_model import find_export, read_about
from emotion.serving.model_card import About, about_export, about_run, unique_names
from emotion.serving.service import Limits, Model, Service

log = logging.getLogger(__name__)

RATE = 16_000
SPEAKERS = (2, 1)
"""Who speaks in the examples, in turn."""

GRACE_S = 5
"""How long answers may take that are on their way when the program is stopped."""


def serve(config: Config) -> int:
    """Answer on `host`:`port` until the program is stopped.

    Raises:
        ConfigError: no run, a taken port, or a limit that lets nothing in.
        DependencyError: the extra `app` is not installed.
        RunError: no such run.
    """
    limits = Limits(config["max_mb"], config["max_seconds"], config["waiting"])
    if find_spec("gradio") is None:
        raise DependencyError("serve needs Gradio: pip install 'emotion[app]'.")
    paths = named_paths(config)
    with bound(config["host"], config["port"]) as door, private_folder() as folder:
        app = build_app(Service(open_models(paths, config), limits), folder)
        host, port = door.getsockname()[:2]
        if not ip_address(host.partition("%")[0]).is_loopback:
            log.warning(
                "host=%s: whoever reaches this machine may use it, without a password", host
            )
        log.info("http://%s:%s  (Ctrl-C stops it)", f"[{host}]" if ":" in host else host, port)
        run_app(app, door)
    return 0


def build_app(service: Service, folder: Path) -> Any:
    """Return the application: the JSON service, and the page at /.

    Args:
        service: who answers.
        folder: a private one for uploads and examples.
    """
    uploads, bodies = folder / "uploads", folder / "bodies"
    for path in (uploads, bodies):
        path.mkdir()
    # Gradio reads these when it is imported or a page is built.
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from emotion.serving.api import build_endpoint
    from emotion.serving.page import mount_page

    examples = write_examples(folder / "examples", service.model(None).predictor.labels)
    app = build_endpoint(service, bodies)
    return mount_page(app, service, examples=examples, uploads=uploads)


def run_app(app: Any, door: socket.socket) -> None:
    """Answer at an open door until the program is stopped."""
    import uvicorn

    settings = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S
    )
    uvicorn.Server(settings).run(sockets=[door])


def named_paths(config: Config) -> list[Path]:
    """Return the run folders, export folders and exported networks that `run` names.

    Raises:
        ConfigError: it names none.
        RunError: there is no such run.
    """
    if not named(config):
        raise ConfigError("run=[] names no run. Give one, run=latest, or several, run=[A,B].")
    root = Path(config["output_root"])
    return [
        Path(name).expanduser() if name and find_export(name) else find_run(name, root).folder
        for name in named(config)
    ]


def open_models(paths: Sequence[Path], config: Config) -> list[Model]:
    """Return the models of runs and exports, each by itself."""
    names = unique_names([str(path.resolve()) for path in paths])
    return [
        Model(tell_about(path, name), open_predictor(config.replaced({"run": str(path)})))
        for path, name in zip(paths, names, strict=True)
    ]


def tell_about(path: Path, name: str) -> About:
    """Return who answers from a run or an export."""
    export = find_export(path)
    return (
        about_run(Run(path), name) if export is None else about_export(read_about(export[0]), name)
    )


def write_examples(folder: Path, labels: Sequence[str]) -> dict[str, Path]:
    """Write synthetic recordings of these labels, and a long one of them all; return them by name.

    Labels that no synthetic voice expresses are left out.
    """
    folder.mkdir()
    clips = {
        label: synthesise_clip(
            label, speaker=SPEAKERS[number % 2], sentence=number + 1, sample_rate=RATE
        )
        for number, label in enumerate(label for label in labels if label in EXPRESSIONS)
    }
    if len(clips) > 1:
        clips["all in turn"] = np.concatenate(list(clips.values()))
    paths = {name: folder / f"{name.replace(' ', '_')}.wav" for name in clips}
    for name, path in paths.items():
        soundfile.write(path, clips[name], RATE, subtype="PCM_16")
    return paths


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """Give a socket of this address, at which nobody listens yet.

    Raises:
        ConfigError: the port is taken, or the host is none of this machine's.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
        except (OSError, OverflowError, TypeError) as err:
            raise ConfigError(
                f"host={host} port={port} cannot be used ({err}). Take another, or port=0 for a "
                "free one."
            ) from err
        yield door


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a folder that only this user reads, and that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="emotion-serve-", ignore_cleanup_errors=True) as name:
        yield Path(name)
