"""What the README ports to numpy: a torch module, a batch and a loss."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Linear, GELU, LayerNorm, linear."""

    def __init__(self):
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(self.norm(F.gelu(self.fc1(x), approximate="tanh")))


loss = F.cross_entropy


def batch():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 8, generator=generator)
    return x, torch.randint(3, (20,), generator=generator)
