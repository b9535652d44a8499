"""Base class of all models: from waves to logits, the loss, the metrics, the optimizer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from emotion.data.batch import Batch
from emotion.errors import ConfigError, ModelError
from emotion.features.augment import Augment, mix_pairs
from emotion.features.base import Features
from emotion.models.losses import smoothed_cross_entropy
from emotion.models.stage_metrics import StageMetrics


class Schedule(Protocol):
    """Factory of a learning-rate schedule that is stepped after every batch."""

    def __call__(self, optimizer: Optimizer, *, total_steps: int) -> LRScheduler:
        """Return the schedule of a run of `total_steps` batches."""


class EmotionClassifier(L.LightningModule):
    """Base of every architecture. A subclass defines `embed`, and `head` from that to logits.

    Args:
        labels: the classes, by id.
        features: from waves, (B, T), to images, (B, 1, M, F), such as log-mel spectrograms.
        augment: changes training images; None for none.
        normalise: "train" shifts and scales all images by mean and deviation of the training
            clips; "clip" maps each clip's own dB range onto 0…1; "none" changes nothing.
        optimizer: factory that takes parameter groups; only needed to train.
        schedule: factory of the learning-rate schedule; None keeps the rate.
        label_smoothing: fraction of the target that is spread over all classes, in training.
        mixup: both parameters of the Beta distribution of mixup, in training; 0 for none.
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
            allowed = " or ".join(self.normalisations)
            raise ConfigError(f"model.normalise={normalise!r}: choose {allowed}.")
        if not 0 <= label_smoothing < 1:
            wrong = f"trainer.label_smoothing={label_smoothing}"
            raise ConfigError(f"{wrong} must be at least 0, under 1.")
        if mixup < 0:
            raise ConfigError(f"trainer.mixup={mixup} must be at least 0; 0 mixes nothing.")
        self.labels = tuple(labels)
        self.features, self.augment, self.normalise = features, augment, normalise
        self.make_optimizer, self.make_schedule = optimizer, schedule
        self.label_smoothing, self.mixup = label_smoothing, mixup
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))
        self.register_buffer("class_weights", torch.ones(len(labels)))
        # A property of the training clips, not of the model: no checkpoint contains it.
        self.register_buffer("known", torch.ones(0, dtype=torch.bool), persistent=False)
        self.register_buffer("temperature", torch.ones(()))
        self.train_metrics, self.val_metrics = (StageMetrics(len(labels)) for _ in range(2))

    # --- from waves to logits --------------------------------------------------------------------

    def compute_features(self, x: Tensor, length: Tensor) -> Tensor:
        """Return features: waves (B, T), (B,) -> (B, 1, M, F); features are returned unchanged."""
        if x.ndim == 2:
            with torch.autocast(x.device.type, enabled=False):
                x = self.features(x, length)
        return x

    def image(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input of `embed`: images, (B, 1, M, F), and the frames of each clip, (B,).

        They are normalised, and augmented in training. `x` are waves, (B, T), zero beyond each
        clip's length, or features, (B, 1, M, F); `length` are samples, (B,), also of features.
        """
        image, frames = self.compute_features(x, length), self.features.frame_lengths(length)
        if self.training and self.augment is not None:
            image, frames = self.augment(image, frames)
        if self.normalise == "train":
            image = (image - self.mean) / self.deviation
        elif self.normalise == "clip":
            loudest = image.amax(dim=(-3, -2, -1), keepdim=True)
            image = (image - loudest) / self.features.range_db + 1
        return image, frames

    def network_input(self, image: Tensor) -> Tensor:
        """Return the tensor that `embed` feeds to its network, for `inspect`; the image itself."""
        return image

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        """Return the embedding that the head classifies: (B, 1, M, F), (B,) -> (B, D)."""
        raise NotImplementedError

    def embed_tta(self, image: Tensor, frames: Tensor) -> Tensor:
        """Return the embedding for predictions, with test-time augmentation where there is any."""
        return self.embed(image, frames)

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        """Return logits: waves (B, T) or features (B, 1, M, F), samples (B,) -> (B, C)."""
        logits: Tensor = self.head(self.embed_tta(*self.image(x, length)))
        return logits

    # --- preparation for training ----------------------------------------------------------------

    def load_initial_weights(self) -> None:
        """Load pretrained weights for a new run; nothing by default."""

    def set_normalisation(self, mean: float, deviation: float) -> None:
        """Set mean and deviation of the training clips' features, dB."""
        self.mean.fill_(mean)
        self.deviation.fill_(max(deviation, 1e-3))

    def set_class_weights(self, counts: Tensor) -> None:
        """Weight each class by the inverse of its training clips, (C,), to a mean weight of 1."""
        weights = torch.where(counts > 0, counts.sum() / counts.clamp(min=1), 0.0)
        self.class_weights.copy_(weights / weights[counts > 0].mean())

    def set_label_mask(self, known: Tensor) -> None:
        """Set the classes of each row's corpus, (rows, C) bool; the loss ignores the others."""
        self.known = known.to(self.known.device)

    def freeze_part(self, part: str) -> None:
        """Keep a part of the model unchanged in training; raise ConfigError for any other part.

        "norms" are the running statistics of batch norms, which a few clips would distort; "body"
        is all but the head, which is then trained without augmentation and dropout.
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
        """Start from the weights of another run; a head for other labels stays new.

        Normalisation is taken too and, with the head, the temperature.

        Raises:
            ModelError: the weights are of another architecture.
        """
        own, skipped = self.state_dict(), {"class_weights"}
        if tuple(labels) != self.labels:
            skipped |= {name for name in state if name.startswith("head.")} | {"temperature"}
        taken = {name: value for name, value in state.items() if name not in skipped}
        for name, value in taken.items():
            if name not in own or own[name].shape != value.shape:
                raise ModelError(
                    f"init_from: {name} of that run does not fit this model. Remove model=… and "
                    "preprocessing=…, so that both are taken from that run."
                )
        own.update(taken)
        self.load_state_dict(own)

    # --- training --------------------------------------------------------------------------------

    def step(self, batch: Batch, metrics: StageMetrics) -> Tensor:
        """Return the loss of a batch and add it to the metrics of a stage."""
        image, frames = self.image(batch.x, batch.length)
        mixed = self.training and self.mixup
        if mixed:
            image, partner, weight = mix_pairs(image, alpha=self.mixup)
            frames = torch.maximum(frames, frames[partner])
        logits = self.head(self.embed(image, frames))
        loss = self.criterion(self.hide_unknown(logits, batch.row), batch.target)
        if mixed:  # each part under the label mask of its own clip's corpus
            partner_logits = self.hide_unknown(logits, batch.row[partner])
            partner_loss = self.criterion(partner_logits, batch.target[partner])
            loss = weight * loss + (1 - weight) * partner_loss
        metrics.update(logits, batch.target, loss)
        return loss

    def hide_unknown(self, logits: Tensor, row: Tensor) -> Tensor:
        """Return logits, (B, C), minus infinity for classes that a training row's corpus lacks."""
        if not (self.training and len(self.known)):
            return logits
        return logits.masked_fill(~self.known[row], float("-inf"))

    def criterion(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch: (B, C), (B,) -> (); weighted and smoothed in training only.

        A logit of minus infinity marks a class that the loss ignores.
        """
        weights = self.class_weights if self.training else torch.ones_like(self.class_weights)
        smoothing = self.label_smoothing if self.training else 0.0
        return smoothed_cross_entropy(logits, target, weights=weights, smoothing=smoothing)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        return self.step(batch, self.train_metrics)

    def validation_step(self, batch: Batch, index: int) -> None:
        self.step(batch, self.val_metrics)

    def predict_step(
        self, batch: Batch, index: int, dataloader_idx: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Return rows (B,) and logits (B, C)."""
        return batch.row, self(batch.x, batch.length).float()

    def on_train_batch_end(self, *_: Any) -> None:
        """Log the metrics of an epoch without validation, before callbacks read them."""
        if self.trainer.is_last_batch and not sum(self.trainer.num_val_batches):
            self._log_metrics("train", self.train_metrics)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of both stages, so that callbacks find those of the same epoch."""
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._log_metrics("train", self.train_metrics)
        self._log_metrics("val", self.val_metrics)

    def _log_metrics(self, stage: str, metrics: StageMetrics) -> None:
        values = metrics.pop().items()  # of all processes: sync_dist only avoids a warning
        self.log_dict({f"{stage}/{name}": value for name, value in values}, sync_dist=True)

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return groups of parameters, each with the factor of its learning rate."""
        return [(list(self.parameters()), 1.0)]

    def configure_optimizers(self) -> Any:
        """Return the optimizer and, where there is one, its schedule, stepped every batch."""
        if self.make_optimizer is None:
            raise ModelError("this model was built for prediction: it has no optimizer.")
        groups = [
            ([weight for weight in weights if weight.requires_grad], factor)
            for weights, factor in self.parameter_groups()
        ]
        groups = [group for group in groups if group[0]]
        optimizer = self.make_optimizer([{"params": weights} for weights, _ in groups])
        for options, (_, factor) in zip(optimizer.param_groups, groups, strict=True):
            options["lr"] *= factor
        if self.make_schedule is None:
            return optimizer
        total_steps = int(self.trainer.estimated_stepping_batches)
        schedule = self.make_schedule(optimizer, total_steps=total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the classes, and the training metrics of an epoch under way."""
        checkpoint["labels"] = list(self.labels)
        checkpoint["counted"] = self.train_metrics.counts()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue the training metrics; raise ModelError for a checkpoint of other classes."""
        labels = tuple(checkpoint.get("labels", ()))
        if labels != self.labels:
            raise ModelError(
                f"the checkpoint has the classes {', '.join(labels) or '(none)'}, this run "
                f"{', '.join(self.labels)}. Use init_from=RUN to start from its weights."
            )
        if "counted" in checkpoint and self.global_rank == 0:  # the sum of all processes, once
            self.train_metrics.load_counts(checkpoint["counted"])
