"""The command `study`: runs the missing cells of a study and prints its table."""

from emotion.cli.commands import FAILED, OK
from emotion.cli.hydra_job import task_overrides
from emotion.config.composition import Config
from emotion.experiments.study import run_study


def run(config: Config) -> int:
    """Run what is missing of a study; return the exit code."""
    table, done = run_study(config, task_overrides())
    print(table)
    return OK if done else FAILED
