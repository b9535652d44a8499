"""Settings of every command: types and allowed values; the values are in conf/.

Each class is both the schema that Hydra checks a composition with and the frozen record that the
command receives. A node with a `_target_` stays a plain mapping (`Node`): the class that it names
checks its arguments.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, get_type_hints

from emotion.errors import ConfigError

Node = Mapping[str, Any]
"""A node with a `_target_`, resolved to plain values."""

PATH: Mapping[str, tuple[str, ...]] = {"paths": ("",)}
"""Metadata of a field whose value is a path or a list of paths."""


def paths_below(*keys: str) -> dict[str, tuple[str, ...]]:
    """Return metadata of a field of which some keys hold paths."""
    return {"paths": keys}


DATASET = {**paths_below("root", "path"), "patterns": ("speaker",)}
"""Metadata of the settings of a dataset."""


def check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ConfigError with the key, the value and all choices, unless the value is allowed."""
    if not any(value is choice or (value == choice and value is not True) for choice in choices):
        names = ["null" if each is None else str(each).lower() for each in choices]
        shown = "null" if value is None else str(value)
        raise ConfigError(
            f"{key}={shown} is not valid: choose {', '.join(names[:-1])} or {names[-1]}."
        )


def is_list_of(value: object, kind: type) -> bool:
    """Return whether a value is a list whose members have a type."""
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


def is_mapping_to(value: object, kind: type) -> bool:
    """Return whether a value is a mapping whose values have a type."""
    return isinstance(value, Mapping) and all(isinstance(each, kind) for each in value.values())


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """Settings of every command: conf/command/base.yaml."""

    output_root: str = field(metadata=PATH)
    cache_dir: str = field(metadata=PATH)
    debug: bool
    trust: Any


@dataclass(frozen=True, kw_only=True)
class RecipeSettings:
    """Training settings that belong to a model: each file of conf/model/ sets its own."""

    max_epochs: int
    batch_size: int
    channels_last: Any


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """Batches and cached tensors: conf/settings/run.yaml."""

    batch_size: int
    num_workers: int
    place: str
    features: str

    def __post_init__(self) -> None:
        check_choice("loader.features", self.features, ("auto", "cached", "live"))


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """Times of checkpoints: conf/settings/run.yaml."""

    every_steps: int | None


@dataclass(frozen=True, kw_only=True)
class EarlyStoppingSettings:
    """Metric that selects the best epoch and ends training: conf/trainer/base.yaml."""

    monitor: str
    mode: str
    patience: int

    def __post_init__(self) -> None:
        check_choice("trainer.early_stopping.mode", self.mode, ("min", "max"))


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """Training of a model: conf/trainer/."""

    max_epochs: int
    accelerator: str
    devices: Any
    num_nodes: Any
    strategy: str
    precision: str
    sync_batchnorm: bool
    channels_last: Any
    compile: bool
    gradient_clip: float | None
    overfit_batches: float
    fast_dev_run: bool
    detect_anomaly: bool
    class_weights: bool
    label_mask: bool
    frozen: str | None
    label_smoothing: float
    mixup: float
    ema_decay: float | None
    keep: str
    early_stopping: EarlyStoppingSettings
    optimizer: Any
    schedule: Any

    def __post_init__(self) -> None:
        check_choice("trainer.keep", self.keep, ("best", "last"))
        check_choice("trainer.frozen", self.frozen, ("norms", "body", None))
        layouts = (True, False, "cpu", "cuda", "mps")
        check_choice("trainer.channels_last", self.channels_last, layouts)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Which settings a search varies, and how: conf/sweep/random.yaml."""

    by: str | None
    trial: int
    seed: int
    space: Any

    def __post_init__(self) -> None:
        check_choice("search.by", self.by, ("random", "optuna", None))
        if not isinstance(self.space, Mapping):
            raise ConfigError(
                f"search.space={self.space} must hold the values of each setting: space=NAME, or "
                "search.space={trainer.optimizer.lr: [0.001,0.01]}."
            )


@dataclass(frozen=True, kw_only=True)
class DatasetSettings(CommonSettings):
    """Settings of commands that read a dataset: conf/command/dataset.yaml."""

    data_root: str = field(metadata=PATH)
    dataset: Any = field(metadata=DATASET)
    preprocessing: Any


@dataclass(frozen=True, kw_only=True)
class TrainSettings(DatasetSettings):
    """Settings of `emotion train`."""

    seed: int
    resume: str | None = field(metadata=PATH)
    init_from: str | None = field(metadata=PATH)
    test: bool
    search: SearchSettings
    recipe: RecipeSettings
    split: Any = field(metadata=paths_below("path"))
    model: Any = field(metadata=paths_below("weights"))
    logger: Any = None
    loader: LoaderSettings
    checkpoint: CheckpointSettings
    trainer: TrainerSettings

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, by id."""
        return tuple(self.dataset["labels"])


@dataclass(frozen=True, kw_only=True)
class GridSettings:
    """Grid of a study: conf/study.yaml."""

    protocols: Any
    models: list[str]
    trainers: list[str]
    folds: Any
    seeds: list[int]
    split_seed: int
    jobs: int
    threads: int | None
    retry: bool
    recorded: str | None = field(metadata=PATH)

    def __post_init__(self) -> None:
        if self.folds != "all" and not is_list_of(self.folds, int):
            raise ConfigError(
                f"study.folds={self.folds} must be all, or a list, in brackets: study.folds=[0,1]."
            )
        if self.protocols is not None and not is_mapping_to(self.protocols, str):
            raise ConfigError(
                f"study.protocols={self.protocols} must hold the overrides of each protocol: "
                "study.protocols={mine: 'dataset=ravdess split=emobox'}."
            )


@dataclass(frozen=True, kw_only=True)
class StudySettings(TrainSettings):
    """Settings of `emotion study`: those of a run, and the grid."""

    name: str
    study: GridSettings


@dataclass(frozen=True, kw_only=True)
class PrepareSettings(DatasetSettings):
    """Settings of `emotion prepare`."""

    scheduler: str | None


@dataclass(frozen=True, kw_only=True)
class StatsSettings(DatasetSettings):
    """Settings of `emotion stats`."""


@dataclass(frozen=True, kw_only=True)
class InspectSettings(DatasetSettings):
    """Settings of `emotion inspect`."""

    seed: int
    clips: int
    model: Any = field(metadata=paths_below("weights"))
    recipe: Any = None

    def __post_init__(self) -> None:
        check_at_least("clips", self.clips, 1)


@dataclass(frozen=True, kw_only=True)
class ExternalSplitSettings:
    """Split file that predictions of another tool are scored on: conf/evaluate.yaml."""

    path: str | None = field(metadata=PATH)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(CommonSettings):
    """Settings of `emotion evaluate`."""

    run: Any = field(metadata=PATH)
    predictions: Any = field(metadata=PATH)
    split: ExternalSplitSettings
    perturb: Any
    seed: int
    data_root: str = field(metadata=PATH)
    accelerator: str
    dataset: Any = field(metadata=DATASET)

    @property
    def chosen_dataset(self) -> Node | None:
        """The other dataset to score on; None for the clips of the run."""
        return self.dataset if "_target_" in self.dataset else None

    @property
    def moved_root(self) -> str | None:
        """The folder of the run's own clips, if they were moved."""
        return None if self.chosen_dataset else self.dataset["root"]


@dataclass(frozen=True, kw_only=True)
class ModelSettings(CommonSettings):
    """Settings of commands that open trained models."""

    run: Any = field(metadata=PATH)
    accelerator: str

    @property
    def run_names(self) -> list[str | None]:
        """The names that `run` holds: one, or several."""
        return list(self.run) if isinstance(self.run, list) else [self.run]


@dataclass(frozen=True, kw_only=True)
class MovedClipsSettings:
    """Folder of a run's clips, if they were moved since training: conf/command/moved_clips.yaml."""

    root: str | None = field(metadata=PATH)


@dataclass(frozen=True, kw_only=True)
class PredictorSettings(ModelSettings):
    """Settings of commands that predict with trained models."""

    abstain_below: float
    labels: list[str] | None
    priors: Any
    speech_gate: bool
    profile: bool
    dataset: MovedClipsSettings


@dataclass(frozen=True, kw_only=True)
class PredictSettings(PredictorSettings):
    """Settings of `emotion predict`."""

    inputs: Any = field(metadata=PATH)
    output: str | None = field(metadata=PATH)
    timeline: bool
    window_s: float | None
    hop_s: float | None
    smoothing: float
    segments: str | None = field(metadata=PATH)
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class EmbedSettings(ModelSettings):
    """Settings of `emotion embed`."""

    inputs: Any = field(metadata=PATH)
    output: str | None = field(metadata=PATH)
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class ServeSettings(PredictorSettings):
    """Settings of `emotion serve`."""

    host: str
    hosts: list[str] | None
    port: int
    max_mb: float
    max_seconds: float
    waiting: int


@dataclass(frozen=True, kw_only=True)
class ExportSettings(CommonSettings):
    """Settings of `emotion export`."""

    run: str | None = field(metadata=PATH)
    quantize: bool
    clips: int | None
    dataset: MovedClipsSettings

    def __post_init__(self) -> None:
        if self.clips is not None:
            check_at_least("clips", self.clips, 1)


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings(CommonSettings):
    """Settings of `emotion benchmark`."""

    run: Any = field(metadata=PATH)
    models: list[str]
    batch_sizes: list[int]
    repeats: int
    seconds: float
    threads: list[int | None]
    accelerator: str
    preprocessing: Any


@dataclass(frozen=True, kw_only=True)
class DownloadSettings(CommonSettings):
    """Settings of `emotion download`."""

    data_root: str = field(metadata=PATH)
    archive: str | None = field(metadata=PATH)
    source: Any = field(default=None, metadata=paths_below("fetch.url"))


@dataclass(frozen=True, kw_only=True)
class PruneSettings(CommonSettings):
    """Settings of `emotion prune`."""

    older_than: Any
    keep_under: Any
    kind: Any
    apply: bool


SETTINGS: Mapping[str, type[CommonSettings]] = {
    "train": TrainSettings,
    "study": StudySettings,
    "prepare": PrepareSettings,
    "stats": StatsSettings,
    "inspect": InspectSettings,
    "evaluate": EvaluateSettings,
    "predict": PredictSettings,
    "embed": EmbedSettings,
    "export": ExportSettings,
    "serve": ServeSettings,
    "benchmark": BenchmarkSettings,
    "download": DownloadSettings,
    "prune": PruneSettings,
}
"""The settings of every command that Hydra composes."""


def check_at_least(key: str, value: float, least: float) -> None:
    """Raise ConfigError with the key, the value and the limit if a number is under the limit."""
    if value < least:
        raise ConfigError(f"{key}={value} must be at least {least}.")


def keys_of(settings: type[Any], kind: str, prefix: str = "") -> Iterator[str]:
    """Yield the keys of a command's settings whose values are of a kind: paths or patterns."""
    types = get_type_hints(settings)
    for each in fields(settings):
        key = prefix + each.name
        if is_dataclass(types[each.name]):
            yield from keys_of(types[each.name], kind, f"{key}.")
        yield from (f"{key}.{name}" if name else key for name in each.metadata.get(kind, ()))
