"""The keys of `emotion train` and `emotion study` and their types, which Hydra checks."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class RecipeSchema:
    """What the report asks for with a model: each file of conf/model/ sets its own."""

    max_epochs: int = 50
    batch_size: int = 64
    channels_last: Any = False


@dataclass
class LoaderSchema:
    """How batches are made: see conf/train.yaml."""

    batch_size: int = MISSING
    num_workers: int = 0
    place: str = "auto"
    features: str = "auto"


@dataclass
class CheckpointSchema:
    """When a run is saved: see conf/settings/run.yaml."""

    every_steps: int | None = None


@dataclass
class EarlyStoppingSchema:
    """What decides on the best epoch and on the end."""

    monitor: str = "val/uar"
    mode: str = "max"
    patience: int = 5


@dataclass
class TrainerSchema:
    """How a model is fitted: see conf/trainer/."""

    max_epochs: int = MISSING
    accelerator: str = "auto"
    devices: Any = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    sync_batchnorm: bool = False
    channels_last: Any = False
    compile: bool = False
    gradient_clip: float | None = None
    overfit_batches: float = 0.0
    fast_dev_run: bool = False
    detect_anomaly: bool = False
    class_weights: bool = False
    label_mask: bool = False
    frozen: str | None = None
    label_smoothing: float = 0.0
    mixup: float = 0.0
    ema_decay: float | None = None
    keep: str = "best"
    early_stopping: EarlyStoppingSchema = field(default_factory=EarlyStoppingSchema)
    optimizer: Any = MISSING
    schedule: Any = None


@dataclass
class SearchSchema:
    """What a search varies, and how: see conf/sweep/random.yaml."""

    by: str | None = None
    trial: int = 0
    seed: int = 0
    space: Any = field(default_factory=dict)


@dataclass
class TrainSchema:
    """The keys of `emotion train`; the groups check their own."""

    seed: int = 0
    data_root: str = MISSING
    output_root: str = MISSING
    cache_dir: str = MISSING
    resume: str | None = None
    init_from: str | None = None
    debug: bool = False
    test: bool = True
    search: SearchSchema = field(default_factory=SearchSchema)
    recipe: RecipeSchema = field(default_factory=RecipeSchema)
    dataset: Any = MISSING
    preprocessing: Any = MISSING
    split: Any = MISSING
    model: Any = MISSING
    logger: Any = None
    loader: LoaderSchema = field(default_factory=LoaderSchema)
    checkpoint: CheckpointSchema = field(default_factory=CheckpointSchema)
    trainer: TrainerSchema = field(default_factory=TrainerSchema)


@dataclass
class GridSchema:
    """What a study varies: see conf/study.yaml."""

    protocols: Any = None
    models: list[str] = field(default_factory=lambda: ["cnn"])
    trainers: list[str] = field(default_factory=lambda: ["half_cycle"])
    folds: Any = "all"
    seeds: list[int] = field(default_factory=lambda: [0])
    split_seed: int = 0
    jobs: int = 1
    threads: int | None = None
    retry: bool = False
    recorded: str | None = None


@dataclass
class StudySchema(TrainSchema):
    """The keys of `emotion study`: a run's, and what the runs differ in."""

    name: str = "study"
    study: GridSchema = field(default_factory=GridSchema)
