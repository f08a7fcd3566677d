"""What an optimiser written by a user declares, and which documented form it may have."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from numbers import Real
from typing import Any, NamedTuple

from compare.optimiser import NAMES, Optimiser

ATTRIBUTES = {
    "lr": ("lr", "learning_rate", "eta"),
    "momentum": ("momentum", "mu"),
    "decay_rate": ("decay_rate", "rho", "decay"),
    "beta1": ("beta1", "b1"),
    "beta2": ("beta2", "b2"),
    "eps": ("eps", "epsilon"),
    "weight_decay": ("weight_decay", "weight_decay_lambda", "wd"),
}
"""The numbers, and the attributes that people keep them in."""

NEEDED = {
    "sgd": ("lr",),
    "momentum": ("lr", "momentum"),
    "nesterov": ("lr", "momentum"),
    "adagrad": ("lr",),
    "rmsprop": ("lr", "decay_rate"),
    "adam": ("lr", "beta1", "beta2"),
}
"""The numbers that each optimiser has, but for epsilon, which is often no attribute."""

EPSILONS = {"adagrad": 1e-10, "rmsprop": 1e-8, "adam": 1e-8}
"""Those of torch.optim; the book has 1e-7 everywhere."""


class Form(NamedTuple):
    """An optimiser with all its numbers, and how it differs from PyTorch in words."""

    optimiser: Optimiser
    texts: tuple[str, ...] = ()


def name_of(optimizer: Any, name: str | None) -> str:
    """Return which optimiser it is, as told or as its class is called.

    Raises
    ------
    ValueError
        It is none of those that are known.
    """
    found = name or type(optimizer).__name__.lower()
    if found not in NAMES:
        told = f"name {name!r}" if name else f"the class {type(optimizer).__name__}"
        raise ValueError(f"{told} is none of {', '.join(NAMES)}: say which with name=...")
    return found


def numbers_of(optimizer: Any, name: str, given: Mapping[str, float]) -> dict[str, float]:
    """Return its numbers, as given or as its attributes have them.

    Raises
    ------
    TypeError, ValueError
        One is missing, is no number, or is none of this optimiser's.
    """
    known = (*NEEDED[name], *(["eps"] if name in EPSILONS else []), "weight_decay")
    if unknown := [number for number in given if number not in known]:
        raise TypeError(f"{unknown[0]} is no number of {name}; it has {', '.join(known)}")
    numbers: dict[str, float] = {}
    for number in known:
        values = [getattr(optimizer, key) for key in ATTRIBUTES[number] if hasattr(optimizer, key)]
        values = [given[number]] if number in given else values[:1]
        if not values and number in NEEDED[name]:
            raise TypeError(f"{name} has no attribute {number}: pass {number}=...")
        for value in values:
            if not isinstance(value, Real):
                raise ValueError(f"{number} must be a number, not {value!r}")
            numbers[number] = float(value)
    return numbers


def set_lr(optimizer: Any, lr: float) -> bool:
    """Set the learning rate; return whether there is an attribute of it."""
    key = next((key for key in ATTRIBUTES["lr"] if hasattr(optimizer, key)), None)
    if key:
        setattr(optimizer, key, lr)
    return key is not None


DECAYS: dict[str, dict[str, Any]] = {
    "": {"decay_biases": True},
    "weight decay of W1, W2, ... and of no bias, as in the book": {},
    "weight decay apart from the gradient, W - lr lambda W, as in AdamW": {
        "decoupled": True,
        "decay_biases": True,
    },
    "weight decay apart from the gradient, W - lr lambda W, of W1, W2, ... and of no bias": {
        "decoupled": True
    },
}
"""The forms of weight decay: what is said of them, and what they are. The first is PyTorch's."""


def forms(name: str, numbers: Mapping[str, float]) -> Iterator[Form]:
    """Yield the documented forms with these numbers: PyTorch's first, then the others."""
    decay = numbers.get("weight_decay", 0.0)
    for form in _forms(name, numbers):
        for text, fields in DECAYS.items() if decay else [("", {})]:
            optimiser = replace(form.optimiser, weight_decay=decay, **fields)
            yield Form(optimiser, tuple(filter(None, (*form.texts, text))))


def _forms(name: str, numbers: Mapping[str, float]) -> Iterator[Form]:
    lr, momentum = numbers["lr"], numbers.get("momentum", 0.9)
    plain = Optimiser(name, lr, momentum, numbers.get("decay_rate", 0.99))
    if name == "adam":
        plain = replace(plain, betas=(numbers["beta1"], numbers["beta2"]))
    if name not in EPSILONS:
        yield Form(plain)
        if name != "sgd":
            book = "lr inside the velocity, v <- m v - lr g and W <- W + v, as in the book"
            yield Form(replace(plain, lr_inside=True), (book,))
        return
    tried = [numbers["eps"]] if "eps" in numbers else [EPSILONS[name], 1e-7, 1e-8, 1e-10, 1e-6]
    for eps in dict.fromkeys(tried):
        yield Form(replace(plain, eps=eps))
        if name == "rmsprop":
            text = "epsilon inside the root, sqrt(h + epsilon), as in TensorFlow"
            yield Form(replace(plain, eps=eps, eps_inside=True), (text,))
        if name == "adam":
            text = "epsilon beside sqrt(v) before its bias is corrected, as in the book"
            yield Form(replace(plain, eps=eps, eps_hat=True), (text,))
