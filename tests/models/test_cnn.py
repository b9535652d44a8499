import torch

from emotion.models.cnn import CNN
from tests.support.models import full_lengths, make_model


def test_the_input_is_one_channel_of_128_by_128() -> None:
    for rate in (24_414, 16_000):
        model = make_model("model=cnn", f"preprocessing.sample_rate={rate}").eval()
        assert isinstance(model, CNN)
        wave = torch.randn(1, round(rate * 2.618))
        with torch.no_grad():
            image, frames = model.image(wave, full_lengths(wave))
        assert image.shape == (1, 1, 128, 128)
        assert frames.tolist() == [128]
        assert model.embed(image, frames).shape == (1, 64)
