import torch

from emotion.models.losses import smoothed_cross_entropy


def test_smoothing_without_a_hidden_class_equals_that_of_pytorch() -> None:
    logits, target, weights = torch.randn(5, 6), torch.tensor([0, 1, 2, 3, 5]), torch.rand(6)
    found = smoothed_cross_entropy(logits, target, weights=weights, smoothing=0.2)
    expected = torch.nn.functional.cross_entropy(
        logits, target, weight=weights, label_smoothing=0.2
    )
    torch.testing.assert_close(found, expected)


def test_smoothing_excludes_hidden_classes() -> None:
    logits, target = torch.randn(3, 4), torch.tensor([0, 1, 2])
    hidden = torch.cat([logits, torch.full((3, 2), float("-inf"))], dim=1)
    found, expected = (
        smoothed_cross_entropy(x, target, weights=torch.ones(x.shape[1]), smoothing=0.2)
        for x in (hidden, logits)
    )
    torch.testing.assert_close(found, expected)
