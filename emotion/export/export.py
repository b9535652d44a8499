"""Export of a run to a folder that predicts without this package and without PyTorch."""

import dataclasses
import importlib.metadata
import logging
import math
from pathlib import Path
from typing import Any

from emotion.data.speakers import count_speakers
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.export.check_clips import select_check_clips
from emotion.export.companion_files import write_companion_files
from emotion.export.compare import compare_networks
from emotion.export.onnx_graph import Graph
from emotion.export.quantise_int8 import write_int8
from emotion.export.write_onnx import check_exportable, write_onnx
from emotion.inference.load_models import open_runs
from emotion.inference.torch_model import TorchModel
from emotion.inference.training_profile import load_or_compute_profile
from emotion.runs.run import Run
from emotion.runtime.description import ABOUT, FORMAT
from emotion.runtime.onnx_model import INT8, NETWORK, OnnxModel
from emotion.utils.files import file_digest, remove_leftovers, replaced_folder, write_json

log = logging.getLogger(__name__)

FOLDER = "export"


def export_run(run: Run, *, cache_dir: Path, clips: int | None, quantize: bool) -> str:
    """Write RUN/export/ and compare it with PyTorch; return the comparison as text.

    The comparison has at most `clips` clips, None for all; `quantize` adds model.int8.onnx.

    Raises:
        ModelError: the model cannot be exported, or its outputs differ once it is.
        DependencyError: what writing needs is not installed.
    """
    model = TorchModel(run)
    check_exportable(model.model)
    check_clips = select_check_clips(run, cache_dir=cache_dir, limit=clips)
    target = run.folder / FOLDER
    remove_leftovers(run.folder)
    with replaced_folder(target) as folder:
        log.info("writing the network")
        write_onnx(model.model, folder / NETWORK)
        if quantize:
            log.info("writing the network with 8-bit integers")
            front_end = {name for name, _ in Graph(model.model).named_buffers()}
            write_int8(
                folder / NETWORK, folder / INT8, clips=check_clips.calibration, excluded=front_end
            )
        about = describe_model(run, model)
        write_about(folder, about)
        log.info("comparing with PyTorch on %d %s", len(check_clips.waves), check_clips.source)
        about |= compare_networks(model, folder, check_clips)
        write_companion_files(folder, about)
        write_about(folder, about)
        OnnxModel(folder)
    return format_comparison(target, about)


def describe_model(run: Run, model: TorchModel) -> dict[str, Any]:
    """Return the content of model.json, except the comparison and the checksums."""
    trained = run.split[run.split["subset"] == TRAIN]
    profile = load_or_compute_profile(run, lambda: open_runs([run], "cpu"))
    return {
        "format": FORMAT,
        "version": importlib.metadata.version("emotion"),
        "run": run.folder.name,
        "labels": list(model.labels),
        "sample_rate": model.standardiser.sample_rate,
        "samples": model.model.features.samples,
        "window_s": None if math.isinf(model.window_s) else model.window_s,
        "standardisation": dataclasses.asdict(model.standardiser),
        "temperature": float(model.model.temperature),
        "parameters": sum(weight.numel() for weight in model.model.parameters()),
        "scores": {subset: _scores(run.metrics.get(subset)) for subset in (TEST, VAL)},
        "leaks": run.leaks,
        "training": {
            "corpora": sorted(set(trained["corpus"])),
            "clips": len(trained),
            "speakers": count_speakers(trained),
        },
        "licences": run.environment["licences"],
        "profile": None if profile is None else profile.as_dict(),
    }


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write model.json, with the checksum of every other file."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ABOUT)
    digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
    write_json(folder / ABOUT, about | {"files": digests})


def format_comparison(folder: Path, about: dict[str, Any]) -> str:
    """Return a table of the networks, and their folder."""
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


def _scores(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the metrics of a subset for model.json; None where it was not evaluated."""
    if not metrics:
        return None
    scores = {name: metrics[name] for name in ("uar", "wa", "macro_f1", "n")}
    return scores | dict(metrics["interval"])
