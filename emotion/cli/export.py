"""The command `export`: writes a run as an ONNX folder."""

from pathlib import Path

from emotion.cli.commands import OK
from emotion.config.composition import Composition
from emotion.config.schema import ExportSettings
from emotion.export.export import export_run
from emotion.runs.run import find_run


def run(composition: Composition[ExportSettings]) -> int:
    """Write a run as an ONNX folder; return the exit code."""
    settings = composition.settings
    output_root, cache_dir = Path(settings.output_root), Path(settings.cache_dir)
    source = find_run(settings.run, output_root, moved_root=settings.dataset.root)
    print(export_run(source, cache_dir=cache_dir, clips=settings.clips, quantize=settings.quantize))
    return OK
