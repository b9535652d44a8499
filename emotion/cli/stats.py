"""The command `stats`: tables and pictures of a dataset."""

from emotion.cli.commands import OK
from emotion.cli.hydra_job import output_folder
from emotion.config.composition import Config
from emotion.data.corpora.statistics import describe_dataset


def run(config: Config) -> int:
    """Describe a dataset in tables and pictures; return the exit code."""
    print(describe_dataset(config, output_folder()))
    return OK
