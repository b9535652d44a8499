"""What a run takes over from the run whose weights it starts from (init_from=RUN)."""

import logging
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from emotion.config.composition import Config, composed, flat_keys
from emotion.data.corpora.index import build_index
from emotion.errors import ConfigError, near
from emotion.runs.run import Run, find_run

GROUPS = ("preprocessing", "model")
"""Weights fit the model and the sounds that they were trained on: these go together, or not."""

NODES = (*GROUPS, "recipe")
"""What the groups fill."""

log = logging.getLogger(__name__)


def apply_init_from(config: Config, words: Sequence[str]) -> Config:
    """Return the composition of a run as it will be, `init_from` followed.

    Preprocessing and model are the other run's, unless the command line, or an experiment that it
    picks, chooses either; single settings of the model (model.augment=null) then change that run's.
    Where `dataset.labels` is left open and the other run knows every class that is found, its
    classes are kept, and so is its head.

    Args:
        config: the composition.
        words: the overrides of the command line that made it.

    Raises:
        RunError: there is no such run.
        ConfigError: a setting that the other run's model does not have.
    """
    if not config["init_from"]:
        return config
    source = find_run(config["init_from"], Path(config["output_root"]))
    config = config.replaced({"init_from": str(source.folder)})
    overrides = OverridesParser.create().parse_overrides(list(words))
    if not _chosen(config, overrides):
        config = _take_nodes(config, overrides, source)
        log.info("model and preprocessing are those of %s", source.folder)
    return _keep_labels(config, source)


def _chosen(config: Config, overrides: Sequence[Override]) -> bool:
    """Return whether preprocessing or model were chosen, by a word or an experiment."""
    for override in overrides:
        key = override.key_or_group
        if key in NODES or key.startswith("preprocessing."):
            return True
    with composed("train", []) as plain:
        return any(config.choices.get(group) != plain.choices[group] for group in GROUPS)


def _take_nodes(config: Config, overrides: Sequence[Override], source: Run) -> Config:
    """Return the composition with the other run's nodes, changed as the command line says."""
    theirs = source.config
    changes = {name: theirs[name] for name in GROUPS}
    changes |= {f"recipe.{name}": value for name, value in theirs["recipe"].items()}
    choices = dict(config.choices) | {
        name: choice
        for name, choice in source.environment.get("choices", {}).items()
        if name in GROUPS
    }
    taken = config.replaced(changes)
    known = flat_keys(taken.node)
    for override in overrides:
        key = override.key_or_group
        if key.partition(".")[0] not in NODES:
            continue
        if override.is_delete() or key not in known:
            raise ConfigError(
                f"the model of {source.folder} has no setting {key!r}.{near(key, known)}"
            )
        taken = taken.replaced({key: override.value()})
    return Config(taken.node, choices)


def _keep_labels(config: Config, source: Run) -> Config:
    """Return the composition with the other run's classes, where the clips bring no others."""
    if config["dataset.labels"] is not None:
        return config
    found = build_index(config.build("dataset"), Path(config["cache_dir"]) / "index").labels
    if len(found) < 2:
        return config  # refused, in words, once the data are opened
    unknown = [label for label in found if label not in source.labels]
    if unknown:
        log.info("%s is new to %s: so is the head", ", ".join(unknown), source.folder)
        return config
    missing = [label for label in source.labels if label not in found]
    if missing:
        log.info("no clip is %s; the class stays", " or ".join(missing))
    return config.replaced({"dataset.labels": list(source.labels)})
