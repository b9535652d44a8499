"""Bare training loop on tensors in memory: forward pass, backward pass and optimizer step.

Arguments: network file, shape of its input, batch size, training clips, validation clips, epochs,
device, precision. Prints the seconds of the training and the validation pass of every epoch.
"""

import sys
import time

import torch
from torch.nn.functional import cross_entropy

network = torch.load(sys.argv[1], weights_only=False)
channels, mels, frames = map(int, sys.argv[2].split("x"))
batch, train, val, epochs = map(int, sys.argv[3:7])
device, precision = sys.argv[7:9]
x = torch.randn(max(train, val), 1, mels, frames, device=device)
y = torch.randint(6, (len(x),), device=device)
network.to(device)
adam = torch.optim.Adam(network.parameters())
autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed")


def time_pass(count: int, *, training: bool) -> float:
    network.train(training)
    start = time.perf_counter()
    for first in range(0, count, batch):
        rows = slice(first, min(first + batch, count))
        with autocast, torch.set_grad_enabled(training):
            loss = cross_entropy(network(x[rows].expand(-1, channels, -1, -1)), y[rows])
        if training:
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


for _ in range(epochs):
    print(time_pass(train, training=True), time_pass(val, training=False), flush=True)
