"""Every model of conf/model is built, and can learn."""

from pathlib import Path

import pytest
import torch

from tests.support.models import full_lengths, make_model

CONF = Path(__file__).parent.parent.parent / "conf" / "model"
MODELS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "base")
SMALL = ("cnn", "crnn", "egemaps", "reslstm")
ENCODERS = ("hubert", "wav2vec2", "wavlm")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SMALL else pytest.mark.slow) for name in MODELS]
)
def test_every_model_overfits_eight_clips(name: str) -> None:
    overrides = [f"model={name}", "++model.augment=null"]
    overrides += [] if name in SMALL else ["model.pretrained=false"]
    overrides += ["preprocessing=speech_16k"] if name in ENCODERS else []
    model = make_model(*overrides)
    generator = torch.Generator().manual_seed(1)
    shape = (8, 1, model.features.rows, model.features.columns)
    image = torch.randn(shape, generator=generator) * 20 - 40
    target = torch.arange(8) % len(model.labels)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(60):
        logits = model(image, full_lengths(image))
        if bool((logits.argmax(1) == target).all()):
            return
        loss = torch.nn.functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"{name} still errs on eight clips after 60 steps")
