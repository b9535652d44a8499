"""What every architecture shares: from waves to logits, the loss, the figures, the optimizer."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassConfusionMatrix

from emotion.data.batch import Batch
from emotion.errors import ConfigError, ModelError
from emotion.features.augment import Augment, mix_pairs
from emotion.features.base import Features
from emotion.metrics.classification import accuracy, macro_f1, uar
from emotion.models.losses import smoothed_cross_entropy

STAGES = ("train", "val", "test")


class Schedule(Protocol):
    """Makes a learning-rate schedule that is stepped after every batch."""

    def __call__(self, optimizer: Optimizer, *, total_steps: int) -> LRScheduler:
        """Return the schedule of a run of `total_steps` batches."""


class EmotionClassifier(L.LightningModule):
    """Base of every architecture. A subclass gives `embed`, and `head` turns that into logits.

    Args:
        labels: the classes, by id.
        features: from waves, (B, T), to decibels, (B, 1, M, F).
        augment: changes training spectrograms; None for none.
        normalise: "train" shifts and scales all spectrograms by the training clips' mean and
            deviation; "clip" maps each clip's own dB range onto 0…1.
        optimizer: makes the optimizer of parameter groups; only needed to train.
        schedule: makes the learning-rate schedule; None keeps the rate.
        label_smoothing: share of the target that is spread over all classes, in training.
        mixup: both parameters of the Beta distribution that training mixes pairs of clips by; 0
            for none.
    """

    normalisations: ClassVar[tuple[str, ...]] = ("train", "clip")

    head: nn.Module
    mean: Tensor
    deviation: Tensor
    class_weights: Tensor
    known: Tensor
    temperature: Tensor

    def __init__(
        self,
        *,
        labels: Sequence[str],
        features: Features,
        augment: Augment | None = None,
        normalise: str = "train",
        optimizer: Callable[..., Optimizer] | None = None,
        schedule: Schedule | None = None,
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
    ) -> None:
        super().__init__()
        if normalise not in self.normalisations:
            raise ConfigError(
                f"model.normalise={normalise!r}: choose {' or '.join(self.normalisations)}."
            )
        if not 0 <= label_smoothing < 1:
            raise ConfigError(
                f"trainer.label_smoothing={label_smoothing} must be at least 0, under 1."
            )
        if mixup < 0:
            raise ConfigError(f"trainer.mixup={mixup} must be at least 0; 0 mixes nothing.")
        self.labels = tuple(labels)
        self.features = features
        self.augment = augment
        self.normalise = normalise
        self.make_optimizer = optimizer
        self.make_schedule = schedule
        self.label_smoothing = label_smoothing
        self.mixup = mixup
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))
        self.register_buffer("class_weights", torch.ones(len(labels)))
        # Of the training clips at hand, not of the model: no checkpoint keeps it.
        self.register_buffer("known", torch.ones(0, dtype=torch.bool), persistent=False)
        self.register_buffer("temperature", torch.ones(()))
        self.counters = nn.ModuleList(
            MulticlassConfusionMatrix(len(labels), validate_args=False) for _ in STAGES
        )
        self.losses = nn.ModuleList(MeanMetric(nan_strategy="disable") for _ in STAGES)

    # --- from waves to logits --------------------------------------------------------------------

    def decibels(self, x: Tensor) -> Tensor:
        """Return spectrograms: waves (B, T) -> dB (B, 1, M, F); what is dB already stays."""
        if x.ndim == 2:
            with torch.autocast(x.device.type, enabled=False):
                x = self.features(x)
        return x

    def image(self, x: Tensor) -> Tensor:
        """Return what the network sees: waves (B, T), or dB (B, 1, M, F) -> (B, 1, M, F)."""
        x = self.decibels(x)
        if self.training and self.augment is not None:
            x = self.augment(x)
        if self.normalise == "train":
            return (x - self.mean) / self.deviation
        loudest = x.amax(dim=(-3, -2, -1), keepdim=True)
        return (x - loudest) / self.features.range_db + 1

    def embed(self, image: Tensor) -> Tensor:
        """Return the embedding that the head classifies: (B, 1, M, F) -> (B, D)."""
        raise NotImplementedError

    def embed_tta(self, image: Tensor) -> Tensor:
        """Return the embedding of what is answered, with the care that no epoch has time for."""
        return self.embed(image)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: waves (B, T), or dB (B, 1, M, F) -> (B, C)."""
        logits: Tensor = self.head(self.embed_tta(self.image(x)))
        return logits

    # --- what is known of the training clips before the first step -------------------------------

    def load_initial_weights(self) -> None:
        """Load what a fresh run starts from; an architecture without such weights does nothing."""

    def set_normalisation(self, mean: float, deviation: float) -> None:
        """Take the mean and deviation, in dB, of the training clips' spectrograms."""
        self.mean.fill_(mean)
        self.deviation.fill_(max(deviation, 1e-3))

    def set_class_weights(self, counts: Tensor) -> None:
        """Weigh each class by the inverse of its training clips, (C,), so that the mean is 1."""
        weights = torch.where(counts > 0, counts.sum() / counts.clamp(min=1), 0.0)
        self.class_weights.copy_(weights / weights[counts > 0].mean())

    def set_label_mask(self, known: Tensor) -> None:
        """Take which classes each row's corpus has, (rows, C): the loss hides the others' logits.

        A training clip is then not told that it is none of the classes its corpus lacks.
        """
        self.known = known.to(self.known.device)

    def freeze_part(self, part: str) -> None:
        """Keep a part as it is while the rest learns.

        Args:
            part: "norms", the running statistics of batch norms, which a few clips would spoil;
                "body", all but the head, which then learns from clips as they are answered: no
                augmentation, no dropout.

        Raises:
            ConfigError: any other.
        """
        if part == "norms":
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        elif part == "body":
            self.augment = None
            for name, module in self.named_children():
                if name != "head":
                    module.eval().requires_grad_(False)
        else:
            raise ConfigError(f"trainer.frozen={part!r}: choose norms, body or null.")

    def take_weights(self, state: Mapping[str, Tensor], labels: Sequence[str]) -> None:
        """Start from another run's weights; where its labels differ, the head stays new.

        Normalisation comes along and, with the head, the temperature.

        Raises:
            ModelError: the weights are of another architecture.
        """
        skipped = {"class_weights"}
        if tuple(labels) != self.labels:
            skipped |= {name for name in state if name.startswith("head.")} | {"temperature"}
        own = self.state_dict()
        for name, value in state.items():
            if name in skipped:
                continue
            if name not in own or own[name].shape != value.shape:
                raise ModelError(
                    f"init_from: {name} of that run does not fit this model. Leave out model=… and "
                    "preprocessing=…: then both are that run's."
                )
            own[name] = value
        self.load_state_dict(own)

    # --- training --------------------------------------------------------------------------------

    def step(self, batch: Batch, stage: str) -> Tensor:
        """Return the loss of a batch and count its predictions."""
        image = self.image(batch.x)
        mixed = stage == "train" and self.mixup
        if mixed:
            image, partner, share = mix_pairs(image, alpha=self.mixup)
        logits = self.head(self.embed(image))
        loss = self.criterion(self.hide_unknown(logits, batch.row), batch.target)
        if mixed:  # each part under the mask of the corpus that its target comes from
            theirs = self.hide_unknown(logits, batch.row[partner])
            loss = share * loss + (1 - share) * self.criterion(theirs, batch.target[partner])
        confusion, mean_loss = self._figures(stage)
        confusion.update(logits.detach(), batch.target)
        mean_loss.update(loss.detach(), len(batch.target))
        return loss

    def hide_unknown(self, logits: Tensor, row: Tensor) -> Tensor:
        """Return logits, (B, C), of minus infinity where a training row's corpus lacks a class."""
        if not (self.training and len(self.known)):
            return logits
        return logits.masked_fill(~self.known[row], float("-inf"))

    def criterion(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch: (B, C), (B,) -> (); weighed and smoothed in training only.

        A logit of minus infinity is of a class that the clip cannot be told from.
        """
        weights = self.class_weights if self.training else torch.ones_like(self.class_weights)
        smoothing = self.label_smoothing if self.training else 0.0
        return smoothed_cross_entropy(logits, target, weights=weights, smoothing=smoothing)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        return self.step(batch, "train")

    def validation_step(self, batch: Batch, index: int) -> None:
        self.step(batch, "val")

    def test_step(self, batch: Batch, index: int) -> None:
        self.step(batch, "test")

    def predict_step(
        self, batch: Batch, index: int, dataloader_idx: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Return rows (B,) and logits (B, C)."""
        return batch.row, self(batch.x).float()

    def on_train_batch_end(self, *_: Any) -> None:
        """Log an epoch's figures where nothing validates, before callbacks ask for them."""
        if self.trainer.is_last_batch and not sum(self.trainer.num_val_batches):
            self._log_figures("train")

    def on_validation_epoch_end(self) -> None:
        """Log the figures of both, so that callbacks find those of one epoch side by side."""
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._log_figures("train")
        self._log_figures("val")

    def on_test_epoch_end(self) -> None:
        self._log_figures("test")

    def _log_figures(self, stage: str) -> None:
        counter, mean_loss = self._figures(stage)
        confusion, loss = counter.compute().cpu().numpy(), float(mean_loss.compute())
        counter.reset()
        mean_loss.reset()
        self.log_dict(
            {
                f"{stage}/loss": loss,
                f"{stage}/uar": float(uar(confusion)),
                f"{stage}/wa": float(accuracy(confusion)),
                f"{stage}/macro_f1": float(macro_f1(confusion)),
            },
            sync_dist=True,  # each process counted them all
        )

    def _figures(self, stage: str) -> tuple[Metric, Metric]:
        """Return the confusion matrix and the mean loss of a stage, as counted so far."""
        place = STAGES.index(stage)
        counter, mean_loss = self.counters[place], self.losses[place]
        assert isinstance(counter, Metric)
        assert isinstance(mean_loss, Metric)
        return counter, mean_loss

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return the weights in groups, each with its share of the learning rate."""
        return [(list(self.parameters()), 1.0)]

    def configure_optimizers(self) -> Any:
        """Return the optimizer and, where there is one, its schedule, stepped every batch."""
        if self.make_optimizer is None:
            raise ModelError("this model was built to predict; it has no optimizer.")
        groups = [
            ([weight for weight in weights if weight.requires_grad], share)
            for weights, share in self.parameter_groups()
        ]
        groups = [group for group in groups if group[0]]
        optimizer = self.make_optimizer([{"params": weights} for weights, _ in groups])
        for options, (_, share) in zip(optimizer.param_groups, groups, strict=True):
            options["lr"] *= share
        if self.make_schedule is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = self.make_schedule(optimizer, total_steps=steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the classes beside the weights, and what was counted of an epoch under way."""
        checkpoint["labels"] = list(self.labels)
        checkpoint["counted"] = []
        for metric in self._figures("train"):
            with metric.sync_context():
                checkpoint["counted"].append(copy.deepcopy(metric.metric_state))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take what was counted; refuse a checkpoint of other classes.

        Raises:
            ModelError: with both lists.
        """
        theirs = tuple(checkpoint.get("labels", ()))
        if theirs != self.labels:
            raise ModelError(
                f"the checkpoint is of the classes {', '.join(theirs) or '(none)'}, this run of "
                f"{', '.join(self.labels)}. Use init_from=RUN to start from its weights."
            )
        counted = checkpoint.get("counted", ())
        if self.global_rank == 0:  # the sum over all processes, once
            for metric, state in zip(self._figures("train"), counted, strict=False):
                metric.load_state_dict(state)
