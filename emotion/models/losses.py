"""Loss functions."""

from torch import Tensor, nn


def smoothed_cross_entropy(
    logits: Tensor, target: Tensor, *, weights: Tensor, smoothing: float
) -> Tensor:
    """Return PyTorch's cross entropy, with label smoothing over visible classes only.

    Args:
        logits: (B, C), minus infinity where a class is hidden from a clip.
        target: ids, (B,), none of them hidden.
        weights: of the classes, (C,).
        smoothing: fraction of the target that is spread over a clip's visible classes.
    """
    loss = nn.functional.cross_entropy(logits, target, weight=weights)
    if not smoothing:
        return loss
    visible = logits > float("-inf")
    negative_log = -logits.log_softmax(dim=1).masked_fill(~visible, 0)
    spread_loss = (negative_log * weights).sum(dim=1) / visible.sum(dim=1)
    return (1 - smoothing) * loss + smoothing * spread_loss.sum() / weights[target].sum()
