"""Settings that a run takes over from the run of its initial weights (init_from=RUN)."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from emotion.config.build import build
from emotion.config.composition import Composition, compose
from emotion.config.schema import TrainSettings
from emotion.data.corpora.index import build_index
from emotion.errors import ConfigError, suggest
from emotion.runs.run import Run, find_run

GROUPS = ("preprocessing", "model")
"""Weights fit the model and the preprocessing that they were trained with: both, or neither."""

NODES = (*GROUPS, "recipe")  # nodes that these groups fill

log = logging.getLogger(__name__)


def apply_init_from(
    composition: Composition[TrainSettings], words: Sequence[str]
) -> Composition[TrainSettings]:
    """Return the composition of a run, with what it takes over from `init_from`.

    Preprocessing and model are those of the other run, unless the command line, or an experiment
    that it picks, chooses either; single settings of the model (model.augment=null) then change
    those of the other run. Where `dataset.labels` is open and the other run has every class that
    is found, its classes and its head are kept.

    Raises:
        RunError: the run does not exist.
        ConfigError: a setting that the model of the other run does not have.
    """
    settings = composition.settings
    if not settings.init_from:
        return composition
    source = find_run(settings.init_from, Path(settings.output_root))
    composition = composition.replaced({"init_from": str(source.folder)})
    overrides = OverridesParser.create().parse_overrides(list(words))
    if not _chooses_model(composition, overrides):
        composition = _with_nodes_of(source, composition, overrides)
        log.info("model and preprocessing are those of %s", source.folder)
    return _with_labels_of(source, composition)


def _chooses_model(composition: Composition[TrainSettings], overrides: Sequence[Override]) -> bool:
    """Return whether an override, or an experiment, chooses preprocessing or model."""
    keys = [override.key_or_group for override in overrides]
    if any(key in NODES or key.startswith("preprocessing.") for key in keys):
        return True
    default = compose("train", []).choices
    return any(composition.choices.get(group) != default[group] for group in GROUPS)


def _with_nodes_of(
    source: Run, composition: Composition[TrainSettings], overrides: Sequence[Override]
) -> Composition[TrainSettings]:
    """Return the composition with the other run's nodes, and the overrides of the command line."""
    theirs = source.settings
    changes: dict[str, object] = {
        "preprocessing": theirs.preprocessing,
        "model": theirs.model,
        **{f"recipe.{name}": value for name, value in asdict(theirs.recipe).items()},
    }
    taken = composition.replaced(changes)
    known = taken.keys()
    for override in overrides:
        key = override.key_or_group
        if key.partition(".")[0] not in NODES:
            continue
        if override.is_delete() or key not in known:
            raise ConfigError(
                f"the model of {source.folder} has no setting {key!r}.{suggest(key, known)}"
            )
        taken = taken.replaced({key: override.value()})
    choices = source.environment["choices"]
    own = {name: choice for name, choice in choices.items() if name in GROUPS}
    return replace(taken, choices={**composition.choices, **own})


def _with_labels_of(
    source: Run, composition: Composition[TrainSettings]
) -> Composition[TrainSettings]:
    """Return the composition with the other run's classes, unless the clips have further ones."""
    settings = composition.settings
    if settings.dataset["labels"] is not None:
        return composition
    dataset = build(settings.dataset, "dataset")
    found = build_index(dataset, Path(settings.cache_dir) / "index").labels
    if len(found) < 2:
        return composition  # an error follows once the data are opened
    unknown = [label for label in found if label not in source.labels]
    if unknown:
        log.info("%s has no class %s: the head is new", source.folder, ", ".join(unknown))
        return composition
    missing = [label for label in source.labels if label not in found]
    if missing:
        log.info("no clip is labelled %s; the class is kept", " or ".join(missing))
    return composition.replaced({"dataset.labels": list(source.labels)})
