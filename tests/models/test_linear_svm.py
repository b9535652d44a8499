import torch

from tests.support.models import full_lengths, make_model


def test_functionals_are_standardised_and_outliers_clipped() -> None:
    model = make_model("model=egemaps")
    image = torch.randn(64, 1, 88, 1) * 7 + 30
    model(image, full_lengths(image))  # in training: the batch norm takes its statistics
    model.eval()
    embedding = model.embed(image, full_lengths(image))
    torch.testing.assert_close(embedding.mean(dim=0), torch.zeros(88), atol=0.02, rtol=0)
    assert model.embed(image * 1_000, full_lengths(image)).abs().max() == 10


def test_a_correct_side_of_the_margin_costs_only_the_penalty() -> None:
    model = make_model("model=egemaps").eval()
    logits = torch.tensor([[1.0, -1, -1, -1, -1, -1]])
    penalty = model.criterion(logits, torch.tensor([0]))
    torch.testing.assert_close(
        model.criterion(0 * logits, torch.tensor([0])) - penalty, 6 + 0 * penalty
    )
