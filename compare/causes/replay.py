"""The network taken apart: each piece can be replaced by what somebody may have written there.

Without a mistake it is one more way to compute what torch_ref does, and agrees with it to rounding.
With one, it goes wrong as the candidate would: forward first, then back through the values that
were kept, formula by formula, as code written by hand does and autograd never would.
"""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.activations import KNOWN
from compare.evaluation import (
    PYTORCH,
    TRAINING,
    Convention,
    Mode,
    kept_from_zero,
)

Float64 = NDArray[np.float64]
Change = Callable[..., Any]

RECTIFIERS = ("relu", "leaky_relu")
"""Activations whose derivative jumps at 0."""

BACKWARD = (
    "seed_softmax", "seed", "undrop", "slope", "dgamma", "dbeta", "unnorm", "dW", "decay", "db",
    "dx", "grads",
)  # fmt: skip  # in the order in which they are computed
"""The pieces of the way back."""


@dataclass(frozen=True)
class Planted:
    """A mistake in one piece, in some layers (in all if None); with its number, if it has one."""

    piece: str
    change: Change
    layers: Collection[int] | None = None
    number: Callable[["Replay"], float] | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether it is on the way forward, before any gradient."""
        return self.piece not in BACKWARD

    def is_at(self, piece: str, layer: int) -> bool:
        """Whether it is in this piece of this layer."""
        return piece == self.piece and (self.layers is None or layer in self.layers)

    def __call__(self, c: "Replay") -> Any:
        """Return what the piece gives with this mistake in it."""
        return self.change(c, self.number(c)) if self.number else self.change(c)


@dataclass(frozen=True)
class Given:
    """What a network is run on, and what it is meant to be.

    Attributes
    ----------
    params, x, t
        Parameters and batch; t are labels.
    activation, weight_decay_lambda, convention, mode
        As for Evaluation.
    dropout : float or None
        The share that is dropped.
    previous : mapping or None
        The gradients that the candidate gave in the call before.
    own : mapping
        The parameters that the candidate came with.
    layernorm : bool
        Whether gamma and beta are those of LayerNorm.
    """

    params: Mapping[str, NDArray[Any]]
    x: NDArray[Any]
    t: NDArray[np.int64]
    activation: str
    weight_decay_lambda: float = 0.0
    convention: Convention = PYTORCH
    mode: Mode = TRAINING
    dropout: float | None = None
    previous: Mapping[str, Float64] | None = None
    own: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    layernorm: bool = False


class Replay:
    """One run of the network forward, with mistakes; the c of a catalogue's `lambda c: ...`.

    Attributes
    ----------
    i, L, B, C : int
        Layer, counted from 1; layers, rows and classes.
    x, t, T : ndarray
        Batch; its targets as labels and one-hot.
    lam : float
        lambda of weight decay.
    right : Any
        What the piece gives without this mistake.
    y, dz, da, dn : ndarray
        Softmax of the logits; gradients by z, by what the activation returned, by what it was
        given: those that are being computed.
    given : Given
        As above.
    """

    def __init__(self, given: Given, mistakes: Sequence[Planted] = ()) -> None:
        self.given, self._mistakes = given, mistakes
        self.i = 0
        self.right: Any = None
        self.params = {key: np.asarray(v, np.float64) for key, v in given.params.items()}
        self.params = self._piece("params")
        self.L = sum(key.startswith("W") for key in self.params)
        self.C = len(self.params[f"b{self.L}"])
        self.t = given.t
        self.T = np.eye(self.C)[given.t]
        self.x = np.asarray(given.x, np.float64)
        self.x = self._piece("x")
        self.B = len(self.x)
        self.lam = given.weight_decay_lambda
        self.running = {k: np.asarray(v, np.float64) for k, v in given.mode.running.items()}
        self.moved: dict[str, Float64] = {}
        self.grads: dict[str, Float64] = {}
        # by layer, from 1: what each is given and gives
        self.inputs: dict[int, Float64] = {}
        self.zs: dict[int, Float64] = {}
        self.ns: dict[int, Float64] = {}
        self.hs: dict[int, Float64] = {}
        self.ds: dict[int, Float64] = {}
        self.means: dict[int, Float64] = {}
        self.vars: dict[int, Float64] = {}
        self.stds: dict[int, Float64] = {}
        self.dzs: dict[int, Float64] = {}
        self.das: dict[int, Float64] = {}
        with np.errstate(all="ignore"):
            self._forward()

    def with_gradients(self, mistakes: Sequence[Planted] | None = None) -> "Replay":
        """Return the same run with its way back and, on that, these mistakes; None: its own."""
        run = copy.copy(self)
        run._mistakes = self._mistakes if mistakes is None else mistakes
        run.grads, run.dzs, run.das = {}, {}, {}
        if run.training:
            with np.errstate(all="ignore"):
                run._backward()
        return run

    # what a piece can see

    @property
    def W(self) -> Float64:  # noqa: N802  # the book's name
        """The weights of this layer (fan_in, fan_out)."""
        return self.params[f"W{self.i}"]

    @property
    def b(self) -> Float64:
        """Its biases (fan_out,)."""
        return self.params[f"b{self.i}"]

    @property
    def gamma(self) -> Float64:
        """Of its BatchNorm (units,)."""
        return self.params[f"gamma{self.i}"]

    @property
    def beta(self) -> Float64:
        """Likewise."""
        return self.params[f"beta{self.i}"]

    @property
    def a(self) -> Float64:
        """What this layer is given (B, fan_in)."""
        return self.inputs[self.i]

    @property
    def z(self) -> Float64:
        """Its pre-activations (B, fan_out)."""
        return self.zs[self.i]

    @property
    def n(self) -> Float64:
        """What its activation is given: z, or what BatchNorm makes of it."""
        return self.ns[self.i]

    @property
    def h(self) -> Float64:
        """What its activation returns."""
        return self.hs[self.i]

    @property
    def dz(self) -> Float64:
        """The gradient by z of this layer."""
        return self.dzs[self.i]

    @property
    def da(self) -> Float64:
        """The gradient by what the activation, or the dropout, of this layer gives."""
        return self.das[self.i]

    @property
    def xn(self) -> Float64:
        """z of this layer, normalised."""
        return np.asarray((self.z - self.means[self.i]) / self.std)

    @property
    def std(self) -> Float64:
        """sqrt(var + epsilon) of its BatchNorm."""
        return self.stds[self.i]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """What its dropout keeps."""
        return self.given.mode.masks[self.i - 1]

    @property
    def ratio(self) -> float:
        """The share that dropout drops."""
        return self.given.dropout or 0.0

    @property
    def training(self) -> bool:
        """Whether this is a run in training."""
        return self.given.mode.training

    @property
    def previous(self) -> Mapping[str, Float64]:
        """The gradients that the candidate gave in the call before; LookupError if unknown."""
        if self.given.previous is None:
            raise LookupError
        return self.given.previous

    @property
    def is_normalized(self) -> bool:
        """Whether there is gamma1."""
        return "gamma1" in self.given.params

    def act(self, z: Float64, activation: str = "") -> Float64:
        """Return the activation of z."""
        known = KNOWN[activation or self.given.activation]
        return known.value(z, self.given.convention.negative_slope)

    def slope_of(self, z: Float64, h: Float64, activation: str = "") -> Float64:
        """Return the derivative of the activation, where it took z and gave h."""
        kind = activation or self.given.activation
        if kind in ("sigmoid", "tanh"):  # by h, as the book has them
            return h * (1 - h) if kind == "sigmoid" else 1 - h**2
        known = KNOWN[kind]
        slopes = known.derivative(z, self.given.convention.negative_slope)
        if kind in RECTIFIERS and self.given.convention.relu_at_zero:
            return np.where(z == 0, 1.0, slopes)
        return slopes

    # the pieces, without mistakes

    def _params(self) -> dict[str, Float64]:
        return self.params

    def _x(self) -> Float64:
        return self.x

    def _affine(self) -> Float64:
        return self.a @ self.W + self.b

    def over(self, terms: Float64) -> Float64:
        """Return means over what a normalization takes together: rows, or the units of a row."""
        if self.given.layernorm:
            return np.asarray(terms.mean(axis=1, keepdims=True))
        return np.asarray(terms.mean(axis=0))

    def _statistics(self) -> tuple[Float64, Float64]:
        if self.given.layernorm:
            return self.over(self.z), self.z.var(axis=1, keepdims=True)
        if self.training:
            return self.z.mean(axis=0), self.z.var(axis=0)
        return self.running[f"running_mean{self.i}"], self.running[f"running_var{self.i}"]

    def _std(self) -> Float64:
        return np.sqrt(self.vars[self.i] + self.given.convention.variance_epsilon)

    def _norm(self) -> Float64:
        return self.gamma * self.xn + self.beta

    def _moved(self) -> tuple[Float64, Float64]:
        """What BatchNorm remembers after a batch in training."""
        convention, k = self.given.convention, self.given.convention.share
        mean, var = self.means[self.i], self.vars[self.i]
        if convention.unbiased and self.B > 1:
            var = var * (self.B / (self.B - 1))
        old = self.running[f"running_mean{self.i}"], self.running[f"running_var{self.i}"]
        return (1 - k) * old[0] + k * mean, (1 - k) * old[1] + k * var

    def _act(self) -> Float64:
        return self.act(self.n)

    def _drop(self) -> Float64:
        inverted = self.given.convention.inverted
        if self.training:
            return np.asarray(self.h * self.mask / (1 - self.ratio if inverted else 1))
        return self.h if inverted else self.h * (1 - self.ratio)

    def _logits(self) -> Float64:
        return self.zs[self.L]

    def log_softmax(self, z: Float64) -> Float64:
        """Return the logarithm of the softmax of each row."""
        shifted = z - z.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))

    def _softmax(self) -> Float64:
        return np.exp(self.log_softmax(self.logits))

    def _loss_softmax(self) -> Float64:
        return self.y

    def _seed_softmax(self) -> Float64:
        return self.y

    @property
    def log_y(self) -> Float64:
        """The logarithm of softmax as the loss has it, exact where it is right."""
        right = self.y_of_loss is self.right_y
        return self.log_softmax(self.logits) if right else np.log(self.y_of_loss)

    @property
    def y_target(self) -> Float64:
        """y at the target of each row, as the loss has it."""
        return np.asarray(self.y_of_loss[np.arange(self.B), self.t])

    @property
    def costs(self) -> Float64:
        """-log y at the target, a row each."""
        convention = self.given.convention
        if not convention.epsilon:
            return np.asarray(-self.log_y[np.arange(self.B), self.t])
        return np.asarray(-np.log(self._kept(self.y_target)))

    def _kept(self, y: Float64) -> Float64:
        """Return y, away from 0 as the convention says."""
        return kept_from_zero(y, self.given.convention.epsilon, self.given.convention.form)

    def _loss(self) -> float:
        return float(self.costs.mean() if self.given.convention.mean else self.costs.sum())

    @property
    def weights(self) -> list[Float64]:
        """W1, W2, ..., those of the network, whatever its layers hold."""
        return [np.asarray(self.given.params[f"W{i}"], float) for i in range(1, self.L + 1)]

    @property
    def biases(self) -> list[Float64]:
        """b1, b2, ..., likewise."""
        return [np.asarray(self.given.params[f"b{i}"], float) for i in range(1, self.L + 1)]

    def _penalty(self) -> float:
        squares = sum(float((W**2).sum()) for W in self.weights)
        return self.given.convention.decay_factor * self.lam * squares

    def _seed(self) -> Float64:
        convention = self.given.convention
        scale = 1 / self.B if convention.mean else 1.0
        y = self.y
        if not (convention.epsilon and convention.epsilon_in_gradient):
            return (y - self.T) * scale
        at_target = y[np.arange(self.B), self.t]
        alive = self._kept(at_target) == at_target if convention.form != "add" else True
        slope = -scale * np.where(alive, 1 / self._kept(at_target), 0)
        g = self.T * slope[:, None]
        return np.asarray(y * (g - (g * y).sum(axis=1, keepdims=True)))

    def _dW(self) -> Float64:  # noqa: N802  # the book's name
        return self.a.T @ self.dz

    def _decay(self) -> Float64:
        return np.asarray(2 * self.given.convention.decay_factor * self.lam * self.W)

    def _db(self) -> Float64:
        return np.asarray(self.dz.sum(axis=0))

    def _dx(self) -> Float64:
        """Of the layer above, whose number is i."""
        return self.dz @ self.W.T

    def _undrop(self) -> Float64:
        inverted = self.given.convention.inverted
        return np.asarray(self.da * self.mask / (1 - self.ratio if inverted else 1))

    def _slope(self) -> Float64:
        return np.asarray(self.dh * self.slope_of(self.n, self.h))

    def _unnorm(self) -> Float64:
        dxn = self.gamma * self.dn
        along = self.over(dxn * self.xn)
        return np.asarray((dxn - self.over(dxn) - self.xn * along) / self.std)

    def _dgamma(self) -> Float64:
        return np.asarray((self.dn * self.xn).sum(axis=0))

    def _dbeta(self) -> Float64:
        return np.asarray(self.dn.sum(axis=0))

    def _grads(self) -> dict[str, Float64]:
        return self.grads

    # the walk

    def _piece(self, name: str) -> Any:
        """Return what the piece gives here, with the mistakes that are in it."""
        value = getattr(self, f"_{name}")()
        for mistake in self._mistakes:
            if mistake.is_at(name, self.i):
                self.right = value
                value = mistake(self)
        return value

    def _forward(self) -> None:
        value = self.x
        for i in range(1, self.L + 1):
            self.i = i
            self.inputs[self.i] = value
            self.zs[self.i] = self._piece("affine")
            if self.i < self.L:
                value = self._hidden()
        self.logits = self._piece("logits")
        self.zs[self.L] = self.logits
        self.right_y = self.y = self._softmax()
        if any(mistake.piece == "softmax" for mistake in self._mistakes):
            self.y = self._piece("softmax")
        self.y_of_loss = self._piece("loss_softmax")
        self.data_loss = self._piece("loss")
        self.loss = self.data_loss + self._piece("penalty")

    def _hidden(self) -> Float64:
        i = self.i
        self.ns[i] = self.z
        if self.is_normalized:
            self.means[i], self.vars[i] = self._piece("statistics")
            self.stds[i] = self._piece("std")
            self.ns[i] = self._piece("norm")
            if self.training and self.running and not self.given.layernorm:
                mean, var = self._piece("moved")
                self.moved |= {f"running_mean{i}": mean, f"running_var{i}": var}
        self.ds[i] = self.hs[i] = self._piece("act")
        if self.given.dropout is not None:
            self.ds[i] = self._piece("drop")
        return self.ds[i]

    def _backward(self) -> None:
        self.i = self.L
        self.y = self._piece("seed_softmax")
        self.dzs[self.L] = self._piece("seed")
        for i in range(self.L, 0, -1):
            self.i = i
            if i < self.L:
                self.dh = self._piece("undrop") if self.given.dropout is not None else self.da
                self.dn = self.dzs[i] = self._piece("slope")
                if self.is_normalized:
                    self.grads[f"gamma{i}"] = self._piece("dgamma")
                    self.grads[f"beta{i}"] = self._piece("dbeta")
                    self.dzs[i] = self._piece("unnorm")
            dW = self._piece("dW")
            self.grads[f"W{i}"] = dW + self._piece("decay") if self.lam else dW
            if not self.lam and any(mistake.is_at("decay", i) for mistake in self._mistakes):
                self.grads[f"W{i}"] = dW + self._piece("decay")
            self.grads[f"b{i}"] = self._piece("db")
            if i > 1:
                self.das[i - 1] = self._piece("dx")
        self.i = 0
        self.grads = self._piece("grads")

    def values(self) -> dict[str, Any]:
        """Return what was computed, by the names and in the order of Evaluation.values."""
        named: dict[str, Any] = {}
        for i in range(1, self.L):
            named[f"z{i}"] = self.zs[i]
            if self.is_normalized:
                named[f"n{i}"] = self.ns[i]
            named[f"a{i}"] = self.hs[i]
            if self.given.dropout is not None:
                named[f"d{i}"] = self.ds[i]
        with np.errstate(all="ignore"):
            log_y = self.log_y
        named |= {"logits": self.zs[self.L], "probabilities": self.y_of_loss}
        named |= {"log-probabilities": log_y, "loss": self.loss}
        for i in range(self.L if self.grads else 0, 0, -1):
            names = (f"gamma{i}", f"beta{i}", f"W{i}", f"b{i}")
            named |= {name: self.grads[name] for name in names if name in self.grads}
        return {**named, **self.moved}
