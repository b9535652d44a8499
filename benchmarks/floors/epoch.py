"""Bare epochs on tensors in memory: forward, backward, step; then forward alone. Words: the file
of a whole network, its input's shape, batch, training clips, validation clips, epochs, device,
precision. Prints the seconds of both passes, epoch after epoch."""

import sys
import time

import torch
from torch.nn.functional import cross_entropy

network = torch.load(sys.argv[1], weights_only=False)
channels, mels, frames = map(int, sys.argv[2].split("x"))
batch, train, val, epochs = map(int, sys.argv[3:7])
device, precision = sys.argv[7:9]
x = torch.randn(max(train, val), 1, mels, frames).to(device)
y = torch.randint(6, (len(x),)).to(device)
network.to(device)
adam = torch.optim.Adam(network.parameters())
cast = torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed")


def seconds(count: int, learn: bool) -> float:
    network.train(learn)
    start = time.perf_counter()
    for place in range(0, count, batch):
        some = slice(place, min(place + batch, count))
        with cast, torch.set_grad_enabled(learn):
            loss = cross_entropy(network(x[some].expand(-1, channels, -1, -1)), y[some])
        if learn:
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


for _ in range(epochs):
    print(seconds(train, learn=True), seconds(val, learn=False))
