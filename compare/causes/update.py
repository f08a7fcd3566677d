"""Optimisers taken apart, as `replay` does with networks, and mistakes in them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.causes.mistake import Mistake, book
from compare.optimiser import Optimiser

Float64 = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
SLOTS = {
    "sgd": (), "momentum": ("v",), "nesterov": ("v",), "adagrad": ("h",), "rmsprop": ("h",),
    "adam": ("m", "v"),
}  # fmt: skip  # an optimiser, what it remembers


@dataclass(frozen=True)
class Wrong:
    """A mistake in one piece of an update, of some parameters (of all if None)."""

    piece: str
    change: Callable[..., Any]
    keys: Collection[str] | None = None
    number: float | None = None

    def __call__(self, c: "Updates") -> Any:
        """Return what the piece gives with this mistake in it."""
        return self.change(c) if self.number is None else self.change(c, self.number)


class Updates:
    """An optimiser at work, with mistakes; the c of the catalogue's `lambda c: ...`.

    Attributes
    ----------
    o : Optimiser
        Its numbers, and its form.
    key, W, dW, g : str, ndarray, ndarray, ndarray
        The parameter that is updated, its gradient, and that with weight decay.
    lr, t : float, int
        Of this update, counted from 1.
    v, h, m : ndarray
        What is remembered of the parameter, the new values once they are there.
    right : Any
        What the piece gives without this mistake.
    """

    def __init__(self, o: Optimiser, mistakes: Sequence[Wrong] = (), t: int = 0) -> None:
        self.o = self.declared = o
        self._mistakes, self.t = mistakes, t
        self.calls = 0
        self._state: dict[Any, Float64] = {}
        self.past: list[Mapping[str, Float64]] = []
        self.right: Any = None
        self.first_lr = o.lr

    def remember(self, state: Mapping[str, Arrays]) -> None:
        """Begin with this state: under v, h or m, an array for each parameter."""
        for slot, arrays in state.items():
            for key, value in arrays.items():
                self._state[slot, key] = np.asarray(value, np.float64)

    def update(self, params: Arrays, grads: Arrays, lr: float) -> dict[str, Float64]:
        """Return the parameters after an update."""
        self.t += 1
        self.key = ""
        self.o = self.declared
        self.o = self._piece("numbers")
        self.grads = {key: np.asarray(g, np.float64) for key, g in grads.items()}
        after = {}
        for key, W in params.items():
            self.calls += 1
            self.key, self.W, self.dW = key, np.asarray(W, np.float64), self.grads[key]
            self.lr = lr
            self.lr = self._piece("lr")
            decay = self.o.decay_of(key)
            self.W0 = self.W
            self.g = self.dW if self.o.decoupled else self.dW + decay * self.W
            self.g = self._piece("gradient")
            if self.o.decoupled:
                self.W = self.W - self.lr * decay * self.W
            self.W = self._piece("before")
            self.step = self.t
            self.step = self._piece("count")
            self.before = self.W
            after[key] = self._piece("move")
        self.past.append(self.grads)
        return after

    # what a piece can see

    @property
    def m_(self) -> float:
        """The momentum."""
        return self.o.momentum

    @property
    def r(self) -> float:
        """The decay rate."""
        return self.o.decay_rate

    @property
    def b1(self) -> float:
        """beta1."""
        return self.o.betas[0]

    @property
    def b2(self) -> float:
        """beta2."""
        return self.o.betas[1]

    @property
    def eps(self) -> float:
        """epsilon, the one that keeps the root from 0."""
        return self.o.eps

    def old(self, slot: str) -> Float64:
        """Return what is remembered of the parameter."""
        place = self._place(slot)
        if place not in self._state:
            self.right = np.zeros_like(self.W)
            self._state[place] = self.right
            for mistake in self._mistakes:
                if mistake.piece == "start":
                    self._state[place] = mistake(self)
        return self._state[place]

    def kept(self, slot: str) -> Float64:
        """Return what is remembered from now on."""
        value: Float64 = self._piece(slot)
        self._state[self._place(slot)] = value
        return value

    def _place(self, slot: str) -> Any:
        place: Any = self.key
        for mistake in self._mistakes:
            if mistake.piece == "place":
                place = mistake(self)
        return slot, place

    def _piece(self, name: str) -> Any:
        value = getattr(self, f"_{name}")()
        for mistake in self._mistakes:
            if mistake.piece == name and (mistake.keys is None or self.key in mistake.keys):
                self.right = value
                value = mistake(self)
        return value

    # the pieces, without mistakes

    def _numbers(self) -> Optimiser:
        return self.o

    def _lr(self) -> float:
        return self.lr

    def _gradient(self) -> Float64:
        return self.g

    def _before(self) -> Float64:
        return self.W

    def _count(self) -> int:
        return self.t

    def _m(self) -> Float64:
        return self.b1 * self.old("m") + (1 - self.b1) * self.g

    def _v(self) -> Float64:
        if self.o.name == "adam":
            return self.b2 * self.old("v") + (1 - self.b2) * self.g**2
        return self.m_ * self.old("v") + (-self.lr * self.g if self.o.lr_inside else self.g)

    def _h(self) -> Float64:
        if self.o.name == "adagrad":
            return self.old("h") + self.g**2
        return self.r * self.old("h") + (1 - self.r) * self.g**2

    def _corrections(self) -> tuple[float, float]:
        b1, b2 = np.float64(self.b1), np.float64(self.b2)  # which overflow without an exception
        return float(1 - b1**self.step), float(1 - b2**self.step)

    def _root(self) -> Float64:
        """What the step is divided by."""
        if self.o.name == "adam":
            second = self.corrections[1]
            if self.o.eps_hat:
                return np.asarray((np.sqrt(self.v) + self.eps) / np.sqrt(second))
            return np.asarray(np.sqrt(self.v / second) + self.eps)
        if self.o.eps_inside:
            return np.sqrt(self.h + self.eps)
        return np.sqrt(self.h) + self.eps

    def _move(self) -> Float64:
        """Return the parameter after the update."""
        name, lr = self.o.name, self.lr
        if name == "sgd":
            return np.asarray(self.W - lr * self.g)
        if name in ("momentum", "nesterov"):
            self.was = self.old("v")
            self.v = self.kept("v")
            return np.asarray(self._piece("by_v"))
        if name == "adam":
            self.m = self.kept("m")
            self.v = self.kept("v")
            self.corrections = self._piece("corrections")
            self.root = self._piece("root")
            return np.asarray(self.W - lr * self.m / self.corrections[0] / self.root)
        self.h = self.kept("h")
        self.root = self._piece("root")
        return np.asarray(self.W - lr * self.g / self.root)

    def _by_v(self) -> Float64:
        inside, v = self.o.lr_inside, self.v
        if self.o.name == "momentum":
            return np.asarray(self.W + v if inside else self.W - self.lr * v)
        if inside:
            return np.asarray(self.W + self.m_ * v - self.lr * self.g)
        return np.asarray(self.W - self.lr * (self.g + self.m_ * v))


def only(*names: str) -> str:
    """Return of which optimisers a mistake is."""
    return " ".join(names)


def lr_of_v(c: Updates) -> float:
    """Return by what v is multiplied in the step."""
    return -1.0 if c.o.lr_inside else c.lr


def summed(c: Updates) -> Float64:
    """Return the sum of all gradients so far."""
    return np.asarray(c.g + sum((past[c.key] for past in c.past), np.zeros_like(c.g)))


def stale(c: Updates) -> Float64:
    """Return the gradient of the step before."""
    return c.past[-1][c.key] if c.past else c.g


def in_float32(c: Updates) -> Float64:
    """Return v in an array of float32: rounded when it decays, and again when it grows."""
    decayed = (c.m_ * c.old("v")).astype(np.float32).astype(float)
    grown = decayed + (-c.lr * c.g if c.o.lr_inside else c.g)
    return np.asarray(grown.astype(np.float32), float)


def unit(c: Updates, k: float) -> Float64:
    """Return the gradient, no longer than k."""
    size = float(np.linalg.norm(c.g))
    return c.g if size <= k else c.g * (k / size)


def decoupled(c: Updates) -> Float64:
    """Return W that has shrunk by the decay, and take it out of the gradient."""
    c.g = c.dW
    return np.asarray(c.W0 * (1 - c.lr * c.o.decay_of(c.key)))


def coupled(c: Updates) -> Float64:
    """Return W as it was, and add the decay to the gradient."""
    c.g = c.dW + c.o.decay_of(c.key) * c.W0
    return c.W0


SGD, MOMENTUM, ADAGRAD, ADAM = book("6.1.2"), book("6.1.4"), book("6.1.5"), book("6.1.6")
RMS, DECAY = ("Tieleman and Hinton 2012", "Tieleman and Hinton 2012"), book("6.4.2")
VELOCITY, ADAPTIVE = only("momentum", "nesterov"), only("adagrad", "rmsprop", "adam")

UPDATE = [
    Mistake(
        "step scaled", "update", "move", lambda c, k: c.before + k * (c.right - c.before),
        ("the step of {where} is {k} times what it should be",
         "{where}の更新量が正しい値の {k} 倍です"),
        "W -= k * lr * dW", "W -= lr * dW", SGD, starts=(-1.0, 0.0, 2.0),
        means={
            "-1": ("the update of {where} goes uphill: the gradient is added",
                   "{where}の更新が逆向きです(勾配が足されています)", "W += lr * dW"),
            "0": ("{where} never moves, or a new array is bound to the name and the old one, which "
                  "the layers hold, never moves",
                  "{where}が更新されません(または、新しい配列が名前に結び付けられ、層が持つ古い配列は"
                  "動きません)", "W = W - lr * dW"),
            "2": ("the step of {where} is twice what it should be: the update is made twice, or "
                  "the learning rate is doubled",
                  "{where}の更新量が 2 倍です(二度更新しているか、学習率が 2 倍です)",
                  "update(params, grads), twice"),
        },
    ),
    Mistake(
        "lr in float32", "numerics", "lr", lambda c: float(np.float32(c.lr)),
        ("the learning rate is held in float32", "学習率が float32 で保持されています"),
        "np.float32(lr)", "lr", SGD,
    ),
    Mistake(
        "lr in float16", "numerics", "lr", lambda c: float(np.float16(c.lr)),
        ("the learning rate is held in float16", "学習率が float16 で保持されています"),
        "np.float16(lr)", "lr", SGD,
    ),
    Mistake(
        "state in float32", "numerics", "gradient",
        lambda c: c.g.astype(np.float32).astype(float),
        ("the gradient is rounded to float32", "勾配が float32 に丸められています"),
        "dW.astype(np.float32)", "dW",
    ),
    Mistake(
        "velocity in float32", "numerics", "v", in_float32,
        ("v is rounded to float32", "v が float32 に丸められています"),
        "np.zeros_like(W, dtype=np.float32)", "np.zeros_like(W)", of=VELOCITY,
    ),
    Mistake(
        "parameters in float32", "numerics", "move",
        lambda c: c.right.astype(np.float32).astype(float),
        ("the parameters are rounded to float32", "パラメータが float32 に丸められています"),
        "W.astype(np.float32)", "W",
    ),
    Mistake(
        "lr fixed", "update", "lr", lambda c: c.first_lr,
        ("a change of the learning rate has no effect", "学習率を変えても効きません"),
        "lr of the constructor", "self.lr", SGD,
    ),
    Mistake(
        "lr falls", "update", "lr", lambda c, k: c.lr * k ** (c.t - 1),
        ("the learning rate is multiplied by {k} at each update", "学習率が毎回 {k} 倍されます"),
        "self.lr *= k", "self.lr", SGD, starts=(0.95, 0.99),
    ),
    Mistake(
        "lr by t", "update", "lr", lambda c: c.lr / c.t,
        ("the learning rate is divided by the number of the update",
         "学習率が更新回数で割られています"),
        "lr / t", "lr", SGD,
    ),
    Mistake(
        "gradients accumulate", "state", "gradient", summed,
        ("the gradients of all updates so far are added up", "これまでの勾配が全て足されています"),
        "grads += dW", "grads = dW", SGD,
    ),
    Mistake(
        "stale gradient", "state", "gradient", stale,
        ("the update uses the gradient of the step before",
         "一つ前のステップの勾配で更新しています"),
        "the old grads", "the new grads", SGD,
    ),
    Mistake(
        "sign of the gradient", "update", "gradient", lambda c: np.sign(c.g),
        ("only the sign of the gradient is used", "勾配の符号だけが使われています"),
        "np.sign(dW)", "dW", SGD,
    ),
    Mistake(
        "gradient clipped", "update", "gradient", lambda c, k: np.clip(c.g, -k, k),
        ("the gradient is clipped at +-{k}", "勾配が ±{k} で切られています"),
        "np.clip(dW, -k, k)", "dW", SGD, starts=(1.0, 5.0, 0.5, 0.1),
    ),
    Mistake(
        "gradient of unit length", "update", "gradient", unit,
        ("the gradient is shortened to a norm of {k}", "勾配のノルムが {k} に縮められています"),
        "dW * k / norm", "dW", SGD, starts=(1.0, 5.0, 0.5),
    ),
    Mistake(
        "decay", "update", "gradient", lambda c, k: c.g + k * c.W,
        ("{k} W is added to the gradient of {where} beside the weight decay that is declared",
         "{where}の勾配に、宣言した荷重減衰のほかに {k} W が足されています"),
        "dW + k * W", "dW + weight_decay * W", DECAY,
        starts=(0.01, 1e-3, 1e-4, 1e-5, 1e-6),
    ),
    Mistake(
        "decay of the sign", "update", "gradient", lambda c, k: c.dW + k * np.sign(c.W),
        ("the weight decay of {where} is {k} sign(W), not in proportion to W",
         "{where}の荷重減衰が W に比例せず {k} sign(W) です"),
        "dW + k * np.sign(W)", "dW + weight_decay * W", DECAY, starts=(0.01,),
    ),
    Mistake(
        "decay without lr", "update", "before",
        lambda c: c.W0 * (1 - c.o.decay_of(c.key)) if c.o.decoupled else c.W,
        ("the weight decay of {where} is not multiplied by the learning rate",
         "{where}の荷重減衰に学習率が掛けられていません"),
        "W -= weight_decay * W", "W -= lr * weight_decay * W", DECAY,
    ),
    Mistake(
        "decay apart", "update", "before", lambda c, k: c.W - c.lr * k * c.W,
        ("{where} shrinks by lr {k} W apart from the gradient",
         "{where}が勾配とは別に lr {k} W だけ縮みます"),
        "W -= lr * k * W", "the weight decay that is declared", DECAY, starts=(0.01,),
    ),
    Mistake(
        "decay after the update", "update", "move",
        lambda c: c.right - c.lr * c.o.decay_of(c.key) * (c.right - c.before)
        if c.o.decoupled else c.right,
        ("the weight decay of {where} takes W after its update, not before",
         "{where}の荷重減衰が更新後の W で計算されています"),
        "W -= lr * dW; W -= lr * weight_decay * W", "W -= lr * weight_decay * W; W -= lr * dW",
        DECAY,
    ),
    Mistake(
        "decay is decoupled", "update", "before", decoupled,
        ("the weight decay shrinks W apart from the gradient, as in AdamW",
         "荷重減衰が AdamW のように勾配とは別に W を縮めています"),
        "W -= lr * weight_decay * W", "dW + weight_decay * W", DECAY,
    ),
    Mistake(
        "decay is coupled", "update", "before", coupled,
        ("the weight decay is added to the gradient, and should shrink W apart from it",
         "荷重減衰が勾配に足されています(W を別に縮めるべきです)"),
        "dW + weight_decay * W", "W -= lr * weight_decay * W", DECAY,
    ),
    # state
    Mistake(
        "state shared by shape", "state", "place", lambda c: c.W.shape,
        ("parameters of equal shape share what is remembered",
         "同じ形のパラメータが状態を共有しています"),
        "state[W.shape]", "state[key]",
    ),
    Mistake(
        "state forgotten", "state", "place", lambda c: (c.key, c.t),
        ("what is remembered is forgotten after each update", "状態が毎回忘れられています"),
        "self.v = None in update", "self.v = None in __init__",
    ),
    Mistake(
        "state starts elsewhere", "state", "start", lambda c, k: np.full_like(c.W, k),
        ("what is remembered starts at {k}, not at 0", "状態の初期値が 0 ではなく {k} です"),
        "np.full_like(W, k)", "np.zeros_like(W)", starts=(0.1, 1.0, 1e-8),
    ),
    Mistake(
        "state starts as gradient", "state", "start", lambda c: c.g.copy(),
        ("what is remembered starts as the first gradient, not at 0",
         "状態の初期値が 0 ではなく最初の勾配です"),
        "v = dW", "v = np.zeros_like(W)",
    ),
    # momentum
    Mistake(
        "momentum number", "update", "v",
        lambda c, k: c.right + (k - c.m_) * c.old("v"),
        ("v keeps {k} of itself, not the momentum that is declared",
         "v が宣言した momentum ではなく {k} 倍で残ります"),
        "k * v - lr * dW", "momentum * v - lr * dW", MOMENTUM, starts=(0.0, 1.0, 0.99),
        of=VELOCITY,
        means={
            "1": ("v is not multiplied by the momentum", "v に momentum が掛けられていません"),
            "0": ("v is not kept: it is made of the new gradient alone",
                  "v が残らず、新しい勾配だけでできています"),
        },
    ),
    Mistake(
        "momentum as a mean", "update", "v",
        lambda c: c.right - c.m_ * (-c.lr * c.g if c.o.lr_inside else c.g),
        ("v is an exponential mean: the new gradient is multiplied by 1 - momentum",
         "v が指数移動平均です(新しい勾配に 1 - momentum が掛けられています)"),
        "momentum * v + (1 - momentum) * dW", "momentum * v + dW", MOMENTUM, of=VELOCITY,
    ),
    Mistake(
        "gradient in v scaled", "update", "v",
        lambda c, k: c.right + (k - 1) * (-c.lr * c.g if c.o.lr_inside else c.g),
        ("the gradient enters v {k} times", "v に入る勾配が {k} 倍です"),
        "momentum * v - k * lr * dW", "momentum * v - lr * dW", MOMENTUM, of=VELOCITY,
        starts=(0.5, -1.0),
        means={"-1": ("the gradient enters v with the wrong sign", "v に入る勾配の符号が逆です")},
    ),
    Mistake(
        "old velocity", "update", "by_v", lambda c, k: c.W - lr_of_v(c) * k * c.was,
        ("the parameters move by {k} times the v before it takes the new gradient",
         "パラメータが、新しい勾配を取り込む前の v の {k} 倍で動きます"),
        "W += k * v; v = momentum * v - lr * dW", "v = momentum * v - lr * dW; W += v", MOMENTUM,
        starts=(1.0, 0.9), of=VELOCITY,
        means=dict.fromkeys(("1", "momentum"), (
            "the parameters move by v before v takes the new gradient",
            "v が新しい勾配を取り込む前にパラメータが動きます",
            "W += v; v = momentum * v - lr * dW",
        )),
    ),
    Mistake(
        "velocity scaled", "update", "by_v", lambda c, k: c.W + k * (c.right - c.W),
        ("the parameters move by {k} times what they should",
         "パラメータの動きが正しい値の {k} 倍です"),
        "W += k * v", "W += v", MOMENTUM, starts=(-1.0,), of=VELOCITY,
        means={"-1": ("v is subtracted where it should be added",
                                       "v を足すところで引いています", "W -= v")},
    ),
    Mistake(
        "nesterov is momentum", "update", "by_v", lambda c: c.W - lr_of_v(c) * c.v,
        ("this is plain momentum: the step does not look ahead",
         "ただの momentum です(先読みがありません)"),
        "W += v", "W += momentum * v - lr * dW",
        ("Bengio et al. 2013, eq. 7", "Bengio et al. 2013, 式 7"), of="nesterov",
    ),
    Mistake(
        "momentum is nesterov", "update", "by_v",
        lambda c: c.W - lr_of_v(c) * c.m_ * c.v - c.lr * c.g,
        ("this is Nesterov's method: the step looks ahead", "Nesterov の方法になっています"),
        "W += momentum * v - lr * dW", "W += v", MOMENTUM, of="momentum",
    ),
    Mistake(
        "nesterov of the book before 2021", "update", "by_v",
        lambda c: c.W - lr_of_v(c) * c.m_**2 * c.v - (1 + c.m_) * c.lr * c.g,
        ("the new v stands where the old one belongs, as in the book's code before 2021",
         "古い v の場所に新しい v があります(2021 年より前の本のコードと同じ)"),
        "v = momentum * v - lr * dW; W += momentum**2 * v - (1 + momentum) * lr * dW",
        "W += momentum**2 * v - (1 + momentum) * lr * dW; v = momentum * v - lr * dW",
        ("Bengio et al. 2013, eq. 7", "Bengio et al. 2013, 式 7"), of="nesterov",
    ),
    Mistake(
        "look ahead", "update", "by_v",
        lambda c, k: c.W - lr_of_v(c) * k * c.v - c.lr * c.g,
        ("the step looks ahead by {k} v, not by momentum v",
         "先読みが momentum v ではなく {k} v で行われています"),
        "W += k * v - lr * dW", "W += momentum * v - lr * dW",
        ("Bengio et al. 2013, eq. 7", "Bengio et al. 2013, 式 7"), starts=(1.0, 0.5),
        of="nesterov",
        means={"1": ("the step looks ahead by v, not by momentum v",
                     "先読みが momentum v ではなく v で行われています", "W += v - lr * dW")},
    ),
    Mistake(
        "nesterov without gradient", "update", "by_v",
        lambda c: c.W - lr_of_v(c) * c.m_ * c.v,
        ("the step leaves out the gradient", "更新から勾配が抜けています"),
        "W += momentum * v", "W += momentum * v - lr * dW",
        ("Bengio et al. 2013, eq. 7", "Bengio et al. 2013, 式 7"), of="nesterov",
    ),
    # h and v of squares
    Mistake(
        "squares replaced", "update", "h", lambda c: c.g**2,
        ("h is the square of the new gradient alone: nothing is added up",
         "h が新しい勾配の二乗だけで、足されていません"),
        "h = dW * dW", "h += dW * dW", ADAGRAD, of=only("adagrad", "rmsprop"),
    ),
    Mistake(
        "squares as magnitudes", "update", "h",
        lambda c: c.right + (1 if c.o.name == "adagrad" else 1 - c.r) * (np.abs(c.g) - c.g**2),
        ("h adds |dW|, not its square", "h が二乗ではなく |dW| を足しています"),
        "h += np.abs(dW)", "h += dW * dW", ADAGRAD, of=only("adagrad", "rmsprop"),
    ),
    Mistake(
        "squares not squared", "update", "h",
        lambda c: c.right + (1 if c.o.name == "adagrad" else 1 - c.r) * (c.g - c.g**2),
        ("h adds dW, not its square", "h が二乗ではなく dW を足しています"),
        "h += dW", "h += dW * dW", ADAGRAD, of=only("adagrad", "rmsprop"),
    ),
    Mistake(
        "squares as a mean", "update", "h", lambda c, k: k * c.old("h") + (1 - k) * c.g**2,
        ("h is an exponential mean with rate {k}, not a sum: that is RMSProp",
         "h が和ではなく減衰率 {k} の指数移動平均です(それは RMSProp です)"),
        "h = k * h + (1 - k) * dW * dW", "h += dW * dW", ADAGRAD, starts=(0.9, 0.99),
        of="adagrad",
    ),
    Mistake(
        "rate", "update", "h", lambda c, k: k * c.old("h") + (1 - k) * c.g**2,
        ("the decay rate is {k}, not the one that is declared",
         "減衰率が宣言したものではなく {k} です"),
        "k * h + (1 - k) * dW * dW", "decay_rate * h + (1 - decay_rate) * dW * dW", RMS,
        starts=(0.9, 0.01, 0.5), of="rmsprop",
        means={"1 - decay_rate": (
            "decay_rate and 1 - decay_rate are exchanged",
            "decay_rate と 1 - decay_rate が入れ替わっています",
            "(1 - decay_rate) * h + decay_rate * dW * dW",
        )},
    ),
    Mistake(
        "squares scaled", "update", "h", lambda c, k: c.r * c.old("h") + k * c.g**2,
        ("the new square enters h {k} times, not 1 - decay_rate times",
         "新しい二乗が 1 - decay_rate 倍ではなく {k} 倍で h に入ります"),
        "decay_rate * h + k * dW * dW", "decay_rate * h + (1 - decay_rate) * dW * dW", RMS,
        starts=(1.0, 0.5), of="rmsprop",
    ),
    Mistake(
        "h kept", "update", "h", lambda c, k: c.right + (k - c.r) * c.old("h"),
        ("h keeps {k} of itself, not the decay rate that is declared",
         "h が宣言した減衰率ではなく {k} 倍で残ります"),
        "k * h + (1 - decay_rate) * dW * dW", "decay_rate * h + (1 - decay_rate) * dW * dW", RMS,
        starts=(0.9, 1.0, 0.0), of="rmsprop",
        means={"1": ("h is not multiplied by the decay rate", "h に減衰率が掛けられていません")},
    ),
    Mistake(
        "squares are all summed", "update", "h", lambda c: c.old("h") + c.g**2,
        ("h is the sum of all squares: that is AdaGrad",
         "h が全ての二乗の和です(それは AdaGrad です)"),
        "h += dW * dW", "h = decay_rate * h + (1 - decay_rate) * dW * dW", RMS,
        of="rmsprop",
    ),
    Mistake(
        "no root", "update", "root", lambda c: (c.h if c.o.name != "adam" else c.v) + c.eps,
        ("the step is divided by the squares, not by their root",
         "更新量が平方根ではなく二乗のまま割られています"),
        "dW / (h + eps)", "dW / (np.sqrt(h) + eps)", ADAGRAD, of=ADAPTIVE,
    ),
    Mistake(
        "epsilon", "update", "root",
        lambda c, k: c.right - c.eps / (np.sqrt(c.corrections[1]) if c.o.eps_hat else 1) + k,
        ("epsilon is {k}, not the one that is declared", "epsilon が宣言したものではなく {k} です"),
        "np.sqrt(h) + k", "np.sqrt(h) + eps", ADAGRAD, starts=(1e-7, 1e-8, 1e-10, 0.0, 1e-6, 1e-3),
        of=ADAPTIVE,
    ),
    Mistake(
        "epsilon inside", "update", "root",
        lambda c, k: np.sqrt((c.v / c.corrections[1] if c.o.name == "adam" else c.h) + k),
        ("epsilon, {k}, stands inside the root", "epsilon ({k}) が平方根の中にあります"),
        "np.sqrt(h + k)", "np.sqrt(h) + eps", ADAGRAD, starts=(1e-7, 1e-8, 1e-10, 1e-6),
        of=ADAPTIVE,
    ),
    Mistake(
        "epsilon beside the root of v", "update", "root",
        lambda c: (np.sqrt(c.v) + c.eps) / np.sqrt(c.corrections[1]),
        ("epsilon is added before the bias of v is corrected, as in the book",
         "epsilon が v のバイアス補正の前に足されています(本と同じ)"),
        "lr_t * m / (np.sqrt(v) + eps)", "m_hat / (np.sqrt(v_hat) + eps)", ADAM, of="adam",
    ),
    Mistake(
        "old squares", "update", "root",
        lambda c: np.sqrt(c.h - c.g**2 if c.o.name == "adagrad"
                          else (c.h - (1 - c.r) * c.g**2) / c.r) + c.eps,
        ("the step is divided by h before it takes the new gradient",
         "h が新しい勾配を取り込む前の値で割られています"),
        "W -= lr * dW / np.sqrt(h); h += dW * dW", "h += dW * dW; W -= lr * dW / np.sqrt(h)",
        ADAGRAD, of=only("adagrad", "rmsprop"),
    ),
    # adam
    Mistake(
        "no bias correction", "update", "corrections", lambda _: (1.0, 1.0),
        ("the bias of m and v is not corrected", "m と v のバイアス補正がありません"),
        "W -= lr * m / (np.sqrt(v) + eps)", "m / (1 - beta1**t), v / (1 - beta2**t)", ADAM,
        of="adam",
    ),
    Mistake(
        "bias of m not corrected", "update", "corrections", lambda c: (1.0, c.right[1]),
        ("the bias of m is not corrected", "m のバイアス補正がありません"),
        "m", "m / (1 - beta1**t)", ADAM, of="adam",
    ),
    Mistake(
        "bias of v not corrected", "update", "corrections", lambda c: (c.right[0], 1.0),
        ("the bias of v is not corrected", "v のバイアス補正がありません"),
        "v", "v / (1 - beta2**t)", ADAM, of="adam",
    ),
    Mistake(
        "corrections exchanged", "update", "corrections", lambda c: c.right[::-1],
        ("the corrections of m and v are exchanged", "m と v のバイアス補正が入れ替わっています"),
        "m / (1 - beta2**t)", "m / (1 - beta1**t)", ADAM, of="adam",
    ),
    Mistake(
        "correction without root", "update", "corrections", lambda c: (c.right[0], c.right[1]**2),
        ("the root of the correction of v is missing", "v の補正の平方根が抜けています"),
        "lr * (1 - beta2**t) / (1 - beta1**t)", "lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)", ADAM,
        of="adam",
    ),
    Mistake(
        "count ahead", "update", "count", lambda c, k: c.t + k,
        ("t is {k} ahead: it is counted from another start",
         "t が {k} ずれています(数え始めが違います)"),
        "t starts at another number", "t is 1 in the first update", ADAM, starts=(1.0, -1.0),
        of="adam",
    ),
    Mistake(
        "count scaled", "update", "count", lambda c, k: k * c.t,
        ("t grows by {k} in each update", "t が毎回 {k} ずつ増えます"),
        "t += k", "t += 1", ADAM, starts=(2.0, 4.0), of="adam",
    ),
    Mistake(
        "count stands", "update", "count", lambda _: 1,
        ("t is always 1: the updates are not counted", "t が常に 1 です(更新が数えられていません)"),
        "t = 1", "t += 1 in each update", ADAM, of="adam",
    ),
    Mistake(
        "count by parameter", "update", "count", lambda c: c.calls,
        ("t is counted for each parameter, not for each update",
         "t が更新ごとではなくパラメータごとに数えられています"),
        "for key in params: self.t += 1", "self.t += 1 once in update", ADAM, of="adam",
    ),
    Mistake(
        "beta1", "update", "m", lambda c, k: k * c.old("m") + (1 - k) * c.g,
        ("beta1 is {k} in m, not the one that is declared",
         "m の beta1 が宣言したものではなく {k} です"),
        "k * m + (1 - k) * dW", "beta1 * m + (1 - beta1) * dW", ADAM, starts=(0.99, 0.5, 0.1),
        of="adam",
    ),
    Mistake(
        "beta2", "update", "v", lambda c, k: k * c.old("v") + (1 - k) * c.g**2,
        ("beta2 is {k} in v, not the one that is declared",
         "v の beta2 が宣言したものではなく {k} です"),
        "k * v + (1 - k) * dW**2", "beta2 * v + (1 - beta2) * dW**2", ADAM,
        starts=(0.99, 0.9, 0.001), of="adam",
    ),
    Mistake(
        "another beta1", "update", "numbers", lambda c, k: replace(c.o, betas=(k, c.b2)),
        ("beta1 is {k}, not the one that is declared", "beta1 が宣言したものではなく {k} です"),
        "beta1 = k", "beta1 as declared", ADAM, starts=(0.99, 0.5), of="adam",
    ),
    Mistake(
        "another beta2", "update", "numbers", lambda c, k: replace(c.o, betas=(c.b1, k)),
        ("beta2 is {k}, not the one that is declared", "beta2 が宣言したものではなく {k} です"),
        "beta2 = k", "beta2 as declared", ADAM, starts=(0.99, 0.9), of="adam",
    ),
    Mistake(
        "betas exchanged", "update", "numbers", lambda c: replace(c.o, betas=c.o.betas[::-1]),
        ("beta1 and beta2 are exchanged", "beta1 と beta2 が入れ替わっています"),
        "beta2 * m, beta1 * v", "beta1 * m, beta2 * v", ADAM, of="adam",
    ),
    Mistake(
        "m kept", "update", "m", lambda c, k: c.right + (k - c.b1) * c.old("m"),
        ("m keeps {k} of itself, not beta1", "m が beta1 ではなく {k} 倍で残ります"),
        "k * m + (1 - beta1) * dW", "beta1 * m + (1 - beta1) * dW", ADAM, starts=(1.0, 0.0, 0.99),
        of="adam",
        means={"1": ("m is not multiplied by beta1", "m に beta1 が掛けられていません")},
    ),
    Mistake(
        "v kept", "update", "v", lambda c, k: c.right + (k - c.b2) * c.old("v"),
        ("v keeps {k} of itself, not beta2", "v が beta2 ではなく {k} 倍で残ります"),
        "k * v + (1 - beta2) * dW**2", "beta2 * v + (1 - beta2) * dW**2", ADAM,
        starts=(1.0, 0.0, 0.9), of="adam",
        means={"1": ("v is not multiplied by beta2", "v に beta2 が掛けられていません")},
    ),
    Mistake(
        "m scaled", "update", "m", lambda c, k: c.b1 * c.old("m") + k * c.g,
        ("the gradient enters m {k} times, not 1 - beta1 times",
         "勾配が 1 - beta1 倍ではなく {k} 倍で m に入ります"),
        "beta1 * m + k * dW", "beta1 * m + (1 - beta1) * dW", ADAM, starts=(1.0,),
        of="adam",
    ),
    Mistake(
        "v scaled", "update", "v", lambda c, k: c.b2 * c.old("v") + k * c.g**2,
        ("the square enters v {k} times, not 1 - beta2 times",
         "二乗が 1 - beta2 倍ではなく {k} 倍で v に入ります"),
        "beta2 * v + k * dW**2", "beta2 * v + (1 - beta2) * dW**2", ADAM, starts=(1.0,),
        of="adam",
    ),
    Mistake(
        "v of the gradient", "update", "v", lambda c: c.b2 * c.old("v") + (1 - c.b2) * c.g,
        ("v is made of the gradient, not of its square",
         "v が勾配の二乗ではなく勾配でできています"),
        "(1 - beta2) * dW", "(1 - beta2) * dW**2", ADAM, of="adam",
    ),
    Mistake(
        "v of the magnitude", "update", "v",
        lambda c: c.b2 * c.old("v") + (1 - c.b2) * np.abs(c.g),
        ("v is made of |dW|, not of its square", "v が勾配の二乗ではなく |dW| でできています"),
        "(1 - beta2) * np.abs(dW)", "(1 - beta2) * dW**2", ADAM, of="adam",
    ),
    Mistake(
        "v of m", "update", "v", lambda c: c.b2 * c.old("v") + (1 - c.b2) * c.m**2,
        ("v is made of m, not of the gradient", "v が勾配ではなく m でできています"),
        "(1 - beta2) * m**2", "(1 - beta2) * dW**2", ADAM, of="adam",
    ),
    Mistake(
        "m where v belongs", "update", "root",
        lambda c: np.sqrt(np.abs(c.m)) / np.sqrt(c.corrections[1]) + c.eps,
        ("m stands under the root, where v belongs", "平方根の中が v ではなく m です"),
        "np.sqrt(m)", "np.sqrt(v)", ADAM, of="adam",
    ),
    Mistake(
        "gradient where m belongs", "update", "move",
        lambda c: c.W - c.lr * c.g / c.corrections[0] / c.root,
        ("the step takes the gradient where m belongs", "更新量が m ではなく勾配です"),
        "lr * dW / np.sqrt(v)", "lr * m / np.sqrt(v)", ADAM, of="adam",
    ),
]  # fmt: skip  # as in forward.py


def trajectory(
    o: Optimiser, wrong: Sequence[Wrong], start: Arrays, steps: Sequence[tuple[Arrays, float]],
    state: Mapping[str, Arrays] | None = None, t: int = 0,
) -> Iterator[dict[str, Float64]]:  # fmt: skip  # what, then from where
    """Yield the parameters after each of the steps, which are gradients and learning rates."""
    updates = Updates(o, wrong, t)
    if state:
        updates.remember(state)
    params = {key: np.asarray(W, np.float64) for key, W in start.items()}
    for grads, lr in steps:
        params = updates.update(params, grads, lr)
        yield params
