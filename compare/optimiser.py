"""The numbers and the form of an optimiser, apart from any that computes it."""

from dataclasses import dataclass

NAMES = {
    "sgd": "SGD",
    "momentum": "Momentum",
    "nesterov": "Nesterov",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adam": "Adam",
}
"""As options have them, and as the book writes them."""


@dataclass(frozen=True)
class Optimiser:
    """An optimiser: its name in `torch_ref.optimizer`, its numbers, its form.

    Attributes
    ----------
    name : str
        sgd, momentum, nesterov, adagrad, rmsprop or adam.
    lr, momentum, decay_rate, betas, eps : float
        Those that it has count.
    lr_inside : bool
        Momentum, Nesterov: v <- m v - lr g;  W <- W + v, as in the book.
    eps_inside : bool
        RMSProp: sqrt(h + eps), as in TensorFlow.
    eps_hat : bool
        Adam: epsilon beside sqrt(v) before the correction of its bias, as in the book.
    weight_decay : float
        lambda: lambda W is added to the gradient.
    decoupled : bool
        W shrinks by lr lambda W before the update instead.
    decay_biases : bool
        Everything decays, as in torch.optim, not W1, W2, ... alone.
    """

    name: str
    lr: float
    momentum: float = 0.9
    decay_rate: float = 0.99
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    lr_inside: bool = False
    eps_inside: bool = False
    eps_hat: bool = False
    weight_decay: float = 0.0
    decoupled: bool = False
    decay_biases: bool = False

    def decay_of(self, key: str) -> float:
        """Return lambda for the parameter `key`."""
        return self.weight_decay if key.startswith("W") or self.decay_biases else 0.0
