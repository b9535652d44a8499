"""The command `stats`: tables and plots of a dataset."""

from pathlib import Path

from emotion.cli.commands import OK
from emotion.cli.hydra_job import output_folder
from emotion.config.build import build
from emotion.config.composition import Composition
from emotion.config.schema import StatsSettings
from emotion.data.corpora.statistics import compute_statistics
from emotion.plots.dataset_plots import plot_dataset
from emotion.utils.tables import write_table


def run(composition: Composition[StatsSettings]) -> int:
    """Print tables of a dataset and write them with its plots; return the exit code."""
    print(describe_dataset(composition.settings, output_folder()))
    return OK


def describe_dataset(settings: StatsSettings, folder: Path) -> str:
    """Write stats.csv and three plots into `folder`; return the tables and the irregular clips.

    Raises:
        CorpusError: a corpus is missing, or no clip carries one of the labels.
    """
    dataset = build(settings.dataset, "dataset")
    preprocessing = build(settings.preprocessing, "preprocessing")
    found = compute_statistics(dataset, preprocessing, Path(settings.cache_dir))
    write_table(folder / "stats.csv", found.table)
    plot_dataset(found.clips, found.emotions, folder, duration_ms=found.standard.duration_ms)
    written = {"Written": f"stats.csv, lengths.png, labels.png, levels.png in {folder}"}
    return "\n\n".join(
        "\n  ".join([title, *text.splitlines()])
        for title, text in (found.sections | written).items()
    )
