"""The optimisers of the book, section 6.1."""

from scratch.layers import Array


class SGD:
    """Stochastic gradient descent: W <- W - lr * dW (book, section 6.1.2).

    Parameters
    ----------
    lr : float
        Learning rate.
    """

    def __init__(self, lr: float = 0.01) -> None:
        self.lr = lr

    def update(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        """Change every array of `params` in place, by the gradient of the same name."""
        for key in params:
            params[key] -= self.lr * grads[key]
