"""The command `train`: fits, tests and reports one run, or resumes it."""

from pathlib import Path

from emotion.cli.commands import OK
from emotion.cli.hydra_job import output_folder, task_overrides
from emotion.config.composition import Config
from emotion.runs.lock import held
from emotion.runs.run import find_run
from emotion.training.init_from import inherit
from emotion.training.log_file import logged_to
from emotion.training.summary import summary
from emotion.training.train import resume, train
from emotion.utils.distributed import is_first


def run(config: Config) -> int:
    """Fit, test and report one run; return the exit code."""
    if config["resume"]:
        found = find_run(config["resume"], Path(config["output_root"]))
        with logged_to(found.folder), held(found.folder):
            found = resume(found, task_overrides())
    elif config["search.by"]:
        from emotion.experiments.search import run_trial

        words = task_overrides()
        found = run_trial(inherit(config, words), output_folder(), words)
    else:
        folder = output_folder()
        with logged_to(folder), held(folder):
            found = train(inherit(config, task_overrides()), folder)
    if is_first():
        print(summary(found))
    return OK
