"""The command `study`: runs the missing cells of a study and prints its table."""

from emotion.cli.commands import FAILED, OK
from emotion.cli.hydra_job import task_overrides
from emotion.config.composition import Composition
from emotion.config.schema import StudySettings
from emotion.experiments.study import run_study


def run(composition: Composition[StudySettings]) -> int:
    """Run the missing cells of a study; return the exit code."""
    table, complete = run_study(composition.settings, task_overrides())
    print(table)
    return OK if complete else FAILED
