import torch

from tests.support.models import full_lengths, make_model


def test_its_size_is_near_the_published_one() -> None:
    model = make_model("model=reslstm")
    assert abs(sum(weight.numel() for weight in model.parameters()) - 46_772) < 1_000


def test_the_embedding_is_the_mean_over_all_frames() -> None:
    model = make_model("model=reslstm").eval()
    image = torch.randn(2, 1, model.features.rows, 50)
    assert model.embed(image, full_lengths(image)).shape == (2, 64)
