"""The experiment as a reader writes it in torch, before any thought of speed.

It is a yardstick of `netparity bench` and stays as it is. Beside what `torch_ref` does, it makes
tensors of each batch for each network, and records the loss with a graph for gradients that nobody
asks for.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn


class NaiveNet(nn.Module):
    """A fully connected network with ReLU."""

    def __init__(self, sizes, weight_init_std, rng, dtype, device):
        super().__init__()
        layers = []
        for fan_in, fan_out in pairwise(sizes):
            linear = nn.Linear(fan_in, fan_out)
            scale = weight_init_std
            if weight_init_std == "he":
                scale = np.sqrt(2.0 / fan_in)
            elif weight_init_std == "xavier":
                scale = np.sqrt(1.0 / fan_in)
            linear.weight.data = torch.tensor(scale * rng.standard_normal((fan_in, fan_out))).T
            linear.bias.data.zero_()
            layers += [linear, nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1]).to(device=device, dtype=dtype)

    def forward(self, x):
        """Return the logits."""
        return self.layers(x)


def train(nets, x_train, t_train, batches, lr, dtype, device):
    """Train each network on the same batches; return the losses after each update.

    `x_train` is an array of float32 from 0 to 1.
    """
    criterion = nn.CrossEntropyLoss()
    optimizers = [torch.optim.SGD(net.parameters(), lr=lr) for net in nets]
    losses = []
    for rows in batches:
        for net, optimizer in zip(nets, optimizers, strict=True):
            x_batch = torch.tensor(x_train[rows], dtype=dtype, device=device)
            t_batch = torch.tensor(t_train[rows], device=device)
            optimizer.zero_grad()
            loss = criterion(net(x_batch), t_batch)
            loss.backward()
            optimizer.step()
            losses.append(criterion(net(x_batch), t_batch).item())
    return losses
