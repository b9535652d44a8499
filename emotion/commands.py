"""The commands: one short function each; what is heavy is imported by the one that needs it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.errors import near
from emotion.ranks import is_first
from emotion.words import UsageError

if TYPE_CHECKING:
    from emotion.config import Config

COMMANDS = {
    "train": "fit a model, test it, report (resume=RUN goes on with a run)",
    "prepare": "index the clips and cache their waveforms",
    "stats": "sample rates, lengths, labels and speakers of a dataset",
    "inspect": "what reaches the model: shape and picture, with and without augmentation",
    "evaluate": "judge a run on its test clips or on another dataset",
    "predict": "files, folders or the microphone -> emotion and probabilities",
    "embed": "files or folders -> what the model's last layer is given, as a table",
    "export": "a run as ONNX, in a folder that runs by itself",
    "serve": "a page to record or drop a file on, and a JSON service",
    "benchmark": "prediction time, throughput and memory",
    "study": "models × folds × seeds as one table with intervals and paired tests",
    "download": "fetch a corpus: ravdess, crema_d, savee, tess, or cs334, all four",
    "list": "what can be picked: datasets, models, splits, trainers, experiments, sweeps",
    "doctor": "what this machine has and lacks",
    "prune": "drop caches and runs that nothing cites, by age or size",
}
"""Each command and what it does; a Hydra command has a config of its name."""

OK, FAILED = 0, 1


def train(config: "Config") -> int:
    """Fit, test and report one run."""
    from emotion.holding import held
    from emotion.inherit import inherit
    from emotion.runs import find_run
    from emotion.training import logged_to, resume, summary, train

    if config["resume"]:
        run = find_run(config["resume"], Path(config["output_root"]))
        with logged_to(run.folder), held(run.folder):
            run = resume(run, task_overrides())
    elif config["search.by"]:
        from emotion.search import run_trial

        words = task_overrides()
        run = run_trial(inherit(config, words), output_folder(), words)
    else:
        folder = output_folder()
        with logged_to(folder), held(folder):
            run = train(inherit(config, task_overrides()), folder)
    if is_first():
        print(summary(run))
    return OK


def prepare(config: "Config") -> int:
    """Index the clips and cache their waveforms."""
    from emotion.prepare import prepare

    print(prepare(config))
    return OK


def stats(config: "Config") -> int:
    """Describe a dataset in tables and pictures."""
    from emotion.corpora.stats import describe_dataset

    print(describe_dataset(config, output_folder()))
    return OK


def inspect(config: "Config") -> int:
    """Show what reaches the model."""
    from emotion.inspect import inspect_model

    print(inspect_model(config, output_folder()))
    return OK


def evaluate(config: "Config") -> int:
    """Judge a run."""
    from emotion.evaluate import evaluate

    print(evaluate(config))
    return OK


def study(config: "Config") -> int:
    """Run what is missing of a study."""
    from emotion.study import run_study

    table, done = run_study(config, task_overrides())
    print(table)
    return OK if done else FAILED


def predict(config: "Config") -> int:
    """Label files."""
    from emotion.inference.predict import predict

    return predict(config)


def embed(config: "Config") -> int:
    """Write files' embeddings."""
    from emotion.inference.embed import embed

    return embed(config)


def export(config: "Config") -> int:
    """Write a run as a folder that runs by itself."""
    from emotion.inference.export import export

    print(export(config))
    return OK


def serve(config: "Config") -> int:
    """Open the page and the JSON service."""
    from emotion.inference.serve import serve

    return serve(config)


def benchmark(config: "Config") -> int:
    """Time a model's predictions."""
    from emotion.benchmark import benchmark

    print(benchmark(config, output_folder()))
    return OK


def download(config: "Config") -> int:
    """Fetch a corpus."""
    from emotion.choices import choices_of
    from emotion.corpora.download import download
    from emotion.progress import bars

    if config.get("source") is None:
        word = config.choices.get("source", "")
        said = f"there is no source {word!r}." if word else "emotion download what?"
        raise UsageError(f"{said}{near(word, choices_of('source'))}")
    source, root = config.build("source"), Path(config["data_root"]).expanduser()
    archive = config["archive"] and Path(config["archive"]).expanduser()
    print(source.about(), flush=True)
    if source.fetch is None and archive is None:
        print(source.by_hand(), flush=True)
    print(download(source, root, archive=archive, bars=bars))
    return OK


def prune(config: "Config") -> int:
    """Drop what is old and cited by nothing."""
    from emotion.prune import prune

    print(prune(config))
    return OK


def list_choices(words: list[str]) -> int:
    """Print what can be picked."""
    from emotion.choices import list_choices

    print(list_choices(words))
    return OK


def doctor(words: list[str]) -> int:
    """Print what this machine has and lacks."""
    from emotion.doctor import examine

    text, healthy = examine()
    print(text)
    return OK if healthy else FAILED


def task_overrides() -> list[str]:
    """Return the overrides that the user gave."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task)


def output_folder() -> Path:
    """Return the folder that Hydra made for this job, relative where that is shorter."""
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


HYDRA: dict[str, Callable[["Config"], int]] = {
    "train": train,
    "prepare": prepare,
    "stats": stats,
    "inspect": inspect,
    "evaluate": evaluate,
    "study": study,
    "predict": predict,
    "embed": embed,
    "export": export,
    "serve": serve,
    "benchmark": benchmark,
    "download": download,
    "prune": prune,
}
PLAIN: dict[str, Callable[[list[str]], int]] = {"list": list_choices, "doctor": doctor}
LEAVE_FOLDER = frozenset(("train", "stats", "inspect", "benchmark"))
"""Those that make a folder for what they leave."""
