"""The command `train`: fits, tests and reports one run, or resumes it."""

from pathlib import Path

from emotion.cli.commands import OK
from emotion.cli.hydra_job import output_folder, task_overrides
from emotion.config.composition import Config
from emotion.runs.lock import held
from emotion.runs.run import find_run
from emotion.training.init_from import apply_init_from
from emotion.training.log_file import log_to_file
from emotion.training.summary import summary
from emotion.training.train import resume, train
from emotion.utils.distributed import is_first


def run(config: Config) -> int:
    """Fit, test and report one run; return the exit code."""
    if config["resume"]:
        found = find_run(config["resume"], Path(config["output_root"]))
        with log_to_file(found.folder), held(found.folder):
            found = resume(found, task_overrides())
    elif config["search.by"]:
        from emotion.experiments.search import run_trial

        words = task_overrides()
        found = run_trial(apply_init_from(config, words), output_folder(), words)
    else:
        folder = output_folder()
        with log_to_file(folder), held(folder):
            found = train(apply_init_from(config, task_overrides()), folder)
    if is_first():
        print(summary(found))
    return OK
