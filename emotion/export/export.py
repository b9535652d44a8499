"""The command `export`: a run as a folder that needs neither this package nor PyTorch."""

import contextlib
import dataclasses
import importlib.metadata
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emotion.config.composition import Config
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.errors import ConfigError
from emotion.export.check_clips import draw_samples
from emotion.export.companion_files import write_companions
from emotion.export.compare import compare
from emotion.export.onnx_graph import Graph
from emotion.export.quantise_int8 import write_int8
from emotion.export.write_onnx import check_exportable, write_onnx
from emotion.inference.load_models import open_runs
from emotion.inference.torch_model import TorchModel
from emotion.inference.training_profile import open_profile
from emotion.runs.run import Run, find_run
from emotion.runtime.onnx_model import ABOUT, FORMAT, INT8, NETWORK, OnnxModel
from emotion.utils.files import file_digest, sync_folder, write_json

log = logging.getLogger(__name__)

FOLDER = "export"


def export(config: Config) -> str:
    """Write RUN/export/, once it is checked; return what a person wants to know of it.

    Raises:
        RunError: no such run.
        ModelError: the model cannot be exported, or answers otherwise once it is.
        DependencyError: what writing needs is not installed.
    """
    if config["clips"] is not None and config["clips"] < 1:
        raise ConfigError(f"clips={config['clips']} must be at least 1, or null for all.")
    run = find_run(config["run"], Path(config["output_root"]))
    predictor = TorchModel(run)
    check_exportable(predictor.model)
    samples = draw_samples(run, cache_dir=Path(config["cache_dir"]), limit=config["clips"])
    target = run.folder / FOLDER
    with written_folder(target) as folder:
        log.info("writing the network")
        write_onnx(predictor.model, folder / NETWORK)
        if config["quantize"]:
            log.info("writing it in 8-bit integers")
            spared = {name for name, _ in Graph(predictor.model).named_buffers()}
            write_int8(folder / NETWORK, folder / INT8, clips=samples.typical, spared=spared)
        about = describe(run, predictor)
        write_about(folder, about)
        log.info("comparing it on %d %s", len(samples.waves), samples.source)
        about |= compare(predictor, folder, samples)
        write_companions(folder, about)
        write_about(folder, about)
        OnnxModel(folder)
    return summary(target, about)


def describe(run: Run, predictor: TorchModel) -> dict[str, Any]:
    """Return what model.json says of a run and its model."""
    features = predictor.model.features
    window = predictor.window
    split = run.split
    trained = split[split["subset"] == TRAIN]
    profile = open_profile(run, lambda: open_runs([run], "cpu"))
    return {
        "format": FORMAT,
        "version": importlib.metadata.version("emotion"),
        "run": run.folder.name,
        "labels": list(predictor.labels),
        "sample_rate": predictor.standardiser.sample_rate,
        "samples": features.samples,
        "window_s": None if window == float("inf") else window,
        "standardisation": dataclasses.asdict(predictor.standardiser),
        "temperature": float(predictor.model.temperature),
        "parameters": sum(weight.numel() for weight in predictor.model.parameters()),
        "scores": {part: _score(run.metrics.get(part)) for part in (TEST, VAL)},
        "leaks": run.leaks,
        "training": {
            "corpora": sorted(set(trained["corpus"])),
            "clips": len(trained),
            "speakers": len(trained[["corpus", "speaker"]].drop_duplicates()),
        },
        "licences": run.environment.get("licences", {}),
        "profile": None if profile is None else profile.as_dict(),
    }


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write model.json, with the checksum of every other file."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ABOUT)
    names = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
    write_json(folder / ABOUT, about | {"files": names})


@contextlib.contextmanager
def written_folder(target: Path) -> Iterator[Path]:
    """Give a folder to fill; it takes the place of `target` only once it is whole."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    partial.mkdir()
    try:
        yield partial
        sync_folder(partial)
        if target.exists():
            target.rename(old)
        partial.rename(target)
        sync_folder(target.parent)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def summary(folder: Path, about: dict[str, Any]) -> str:
    """Return the networks as a table, and where they are."""
    compared = about["compared_on"]
    lines = [f"on {compared['clips']:,} {compared['source']}, one clip at a time on one thread:"]
    for name, network in about["networks"].items():
        uar = "" if network["uar"] is None else f"  UAR {network['uar']:.1%}"
        off = network["off_by"]
        lines.append(
            f"{name:<16} {network['bytes'] / 1e6:6.2f} MB  {network['clip_ms']:6.1f} ms{uar}  "
            f"off PyTorch by {off['probabilities']:.1g} (p), {off['logits']:.1g} (logits)"
        )
    return "\n".join([*lines, f"in {folder}"])


def _score(figures: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the figures of a subset that a user should know; None where there is none."""
    if not figures:
        return None
    chosen = {name: figures[name] for name in ("uar", "wa", "macro_f1", "n")}
    return chosen | dict(figures["interval"])
