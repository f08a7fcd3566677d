"""Optimisers: both forms beside torch.optim, judged from their own state; mistakes are seen."""

# ruff: noqa: E501  # a bug a line, as a table

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from compare.judgement import Judgement, first_failing
from compare.optimiser import NAMES, Optimiser
from compare.rounding import Step, update_allowed
from compare.subject import scratch_optimizer, torch_optimizer
from compare.updates import Update, judge_update
from planting import Bug, module
from sampled import one_in
from scratch import SGD, Adam, Momentum, Optimizer

FORMS = {
    **{name: Optimiser(name, 0.03) for name in NAMES},
    "momentum of the book": Optimiser("momentum", 0.03, lr_inside=True),
    "nesterov of the book": Optimiser("nesterov", 0.03, lr_inside=True),
    "adagrad of the book": Optimiser("adagrad", 0.03, eps=1e-7),
    "rmsprop of the book": Optimiser("rmsprop", 0.03, eps=1e-7),
    "rmsprop of TensorFlow": Optimiser("rmsprop", 0.03, decay_rate=0.9, eps=1e-7, eps_inside=True),
    "adam of the book": Optimiser("adam", 0.03, eps=1e-7, eps_hat=True),
}
DECAYS = {
    "coupled": {"weight_decay": 0.1},
    "coupled, biases too": {"weight_decay": 0.1, "decay_biases": True},
    "decoupled": {"weight_decay": 0.1, "decoupled": True},
    "decoupled, biases too": {"weight_decay": 0.1, "decoupled": True, "decay_biases": True},
}
FORMS |= {
    f"{name}, {how}": replace(Optimiser(name, 0.03), **decay)
    for name in NAMES
    for how, decay in DECAYS.items()
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=[*FORMS])
dtypes = pytest.mark.parametrize(
    "dtype", one_in(2, [np.float64, np.float32]), ids=["float64", "float32"]
)
STEPS, NEW_LR = 500, 250


def gradients(rng: np.random.Generator, dtype: Any, params: Any) -> dict[str, Any]:
    """Return gradients of many sizes, with zeros that stay, as dead pixels have them.

    Where weight decay is all there is, gradients shrink with the weights until digits are lost.
    """
    grads = {}
    for key, W in params.items():
        sizes = 10.0 ** np.random.default_rng(1).uniform(-9, 1, W.shape)
        sizes[:2] = 0
        sizes[2:4] *= float(np.finfo(dtype).tiny)
        grads[key] = (sizes * rng.standard_normal(W.shape)).astype(dtype)
    return grads


def judged(
    optimizer: Optimizer, form: Optimiser, dtype: Any = np.float64, steps: int = STEPS
) -> Judgement | None:
    """Return the first failing judgement over `steps` updates, lr changing in the middle."""
    rng = np.random.default_rng(0)
    params = {"W1": rng.standard_normal((40, 30)), "b1": rng.standard_normal(30)}
    params["W1"][2:4] *= float(np.finfo(dtype).tiny)
    params = {key: W.astype(dtype) for key, W in params.items()}
    for t in range(1, steps + 1):
        lr = form.lr if t <= steps / 2 else form.lr / 10
        optimizer.lr = lr
        grads = gradients(rng, dtype, params)
        before, state = copies(params), {s: copies(v) for s, v in optimizer.state(params).items()}
        with np.errstate(all="ignore"):
            optimizer.update(params, grads)
        update = Update(before, grads, params, state, optimizer.state(params), t)
        failing = first_failing(judge_update(with_lr(form, lr), update, f"update {t}"))
        if failing:
            return failing
    return None


def copies(arrays: Any) -> dict[str, Any]:
    return {key: value.copy() for key, value in arrays.items()}


def with_lr(form: Optimiser, lr: float) -> Optimiser:
    return Optimiser(**{**vars(form), "lr": lr})


@pytest.mark.parametrize("steps", [50, pytest.param(STEPS, marks=pytest.mark.slow)])
@dtypes
@forms
def test_every_form_is_judged_right_from_its_own_state(
    form: Optimiser, dtype: Any, steps: int
) -> None:
    assert judged(scratch_optimizer(form), form, dtype, steps) is None


@pytest.mark.parametrize("name", NAMES)
def test_the_form_of_pytorch_goes_the_way_of_pytorch(name: str) -> None:
    form = Optimiser(name, 0.03)
    rng = np.random.default_rng(0)
    params = {"W1": rng.standard_normal((6, 5))}
    theirs = torch.tensor(params["W1"], requires_grad=True)
    ours, used = scratch_optimizer(form), torch_optimizer(form, [theirs])
    for t in range(STEPS):
        if t == NEW_LR:
            ours.lr = used.param_groups[0]["lr"] = 0.003
        grads = gradients(rng, np.float64, params)
        ours.update(params, grads)
        theirs.grad = torch.tensor(grads["W1"])
        used.step()
    moved = np.linalg.norm(params["W1"] - np.random.default_rng(0).standard_normal((6, 5)))
    off = np.linalg.norm(params["W1"] - theirs.detach().numpy())
    assert off < STEPS * 2.0**-53 * (moved + np.linalg.norm(params["W1"]))  # an ulp an update


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_with_another_lr_the_forms_part(name: str) -> None:
    book = Optimiser(name, 0.03, lr_inside=True)
    failing = judged(scratch_optimizer(book), Optimiser(name, 0.03))
    assert failing  # the state already has another unit
    rng = np.random.default_rng(0)
    one, other = ({"W1": np.ones((3, 2))} for _ in range(2))
    ours, theirs = scratch_optimizer(book), scratch_optimizer(Optimiser(name, 0.03))
    allowed = np.zeros((3, 2))

    def together() -> Any:
        """What an update errs, the velocity carries on, 1 / (1 - m) times in all."""
        return np.abs(one["W1"] - other["W1"]) <= allowed / (1 - book.momentum)

    for t in range(20):
        grads = {"W1": rng.standard_normal((3, 2))}
        if t == 10:
            assert together().all()
            ours.lr = theirs.lr = 0.003
        for optimizer, params, form in (
            (ours, one, book),
            (theirs, other, replace(book, lr_inside=False)),
        ):
            before = Step(
                params["W1"].copy(),
                grads["W1"],
                {"v": optimizer.state(params)["v"]["W1"].copy()},
                t + 1,
            )
            optimizer.update(params, grads)
            allowed += update_allowed(form, before, params["W1"], np.float64)["W"]
    assert not together().any()


def in_optimizer(name: str, form: str, old: str, new: str) -> Bug:
    """Return a bug that shows in this form."""
    return Bug(name, "update", "scratch/optimizer.py", old, new, options={"form": form})


BUGS = [
    in_optimizer("uphill", "sgd", "W -= self.lr * dW\n\n\nclass Momentum", "W += self.lr * dW\n\n\nclass Momentum"),
    in_optimizer("lr in float32", "sgd", "W -= self.lr * dW\n\n\nclass Momentum", "W -= float(np.float32(self.lr)) * dW\n\n\nclass Momentum"),
    in_optimizer("first parameter skipped", "sgd", "in params.items():\n            dW", "in list(params.items())[1:]:\n            dW"),
    in_optimizer("sign of v", "momentum of the book", "W += v", "W -= v"),
    in_optimizer("v not decayed", "momentum", "v *= self.momentum\n        if self.lr_inside:\n            v -= self.lr * dW\n            W += v", "if self.lr_inside:\n            v -= self.lr * dW\n            W += v"),
    in_optimizer("exponential mean for v", "momentum", "v += dW\n            W -= self.lr * v", "v += (1 - self.momentum) * dW\n            W -= self.lr * v"),
    in_optimizer("W moves before v", "momentum of the book", "v -= self.lr * dW\n            W += v", "W += v\n            v -= self.lr * dW"),
    in_optimizer("momentum of 0.99", "momentum", "self.momentum = momentum", "self.momentum = 0.99"),
    in_optimizer("v not kept", "momentum", "v *= self.momentum\n        if self.lr_inside:\n            v -= self.lr * dW\n            W += v", "v = v * self.momentum\n        if self.lr_inside:\n            v -= self.lr * dW\n            W += v"),
    in_optimizer("nesterov of the book before 2021", "nesterov of the book", "W += self.momentum * v - self.lr * dW", "W += self.momentum**2 * v - (1 + self.momentum) * self.lr * dW"),
    in_optimizer("nesterov is momentum", "nesterov of the book", "W += self.momentum * v - self.lr * dW", "W += v"),
    in_optimizer("nesterov without dW", "nesterov", "W -= self.lr * (dW + self.momentum * v)", "W -= self.lr * self.momentum * v"),
    in_optimizer("h replaced", "adagrad", "h += dW * dW", "h[...] = dW * dW"),
    in_optimizer("h of |dW|", "adagrad", "h += dW * dW", "h += np.abs(dW)"),
    in_optimizer("no root", "adagrad", "dW / (np.sqrt(h) + self.eps)\n\n", "dW / (h + self.eps)\n\n"),
    in_optimizer("epsilon of 1e-7", "adagrad", "self.eps = eps\n\n    def move(self, W: Array, dW: Array, h: Array) -> None:\n        \"\"\"Change `W` and h in place.\"\"\"\n        h +=", "self.eps = 1e-7\n\n    def move(self, W: Array, dW: Array, h: Array) -> None:\n        \"\"\"Change `W` and h in place.\"\"\"\n        h +="),
    in_optimizer("accumulator of 0.1", "adagrad", "np.zeros_like(W)", "np.full_like(W, 0.1)"),
    in_optimizer("rate of 0.9", "rmsprop", "h *= self.decay_rate", "h *= 0.9"),
    in_optimizer("1 - r missing", "rmsprop", "h += (1 - self.decay_rate) * dW * dW", "h += dW * dW"),
    in_optimizer("epsilon inside", "rmsprop", "self.eps_inside = decay_rate, eps, eps_inside", "self.eps_inside = decay_rate, eps, True"),
    in_optimizer("epsilon left out of the root", "rmsprop of TensorFlow", "self.eps_inside = decay_rate, eps, eps_inside", "self.eps_inside = decay_rate, eps, False"),
    in_optimizer("no bias correction", "adam", "first, second = 1 - self.beta1**self.t, math.sqrt(1 - self.beta2**self.t)", "first, second = 1, 1"),
    in_optimizer("t one too many", "adam", "first, second = 1 - self.beta1**self.t,", "self.t += 1; first, second = 1 - self.beta1**self.t,"),
    in_optimizer("t never counted", "adam", "self._updates.get(id(params), 0) + 1", "1"),
    in_optimizer("root of the correction missing", "adam", "math.sqrt(1 - self.beta2**self.t)", "(1 - self.beta2**self.t)"),
    in_optimizer("epsilon of the book", "adam", "if self.eps_hat:", "if True:"),
    in_optimizer("epsilon of PyTorch", "adam of the book", "if self.eps_hat:", "if False:"),
    in_optimizer("beta2 of 0.99", "adam", "self.eps, self.eps_hat = beta1, beta2,", "self.eps, self.eps_hat = beta1, 0.99,"),
    in_optimizer("v of dW", "adam", "dW * dW - v", "dW - v"),
    in_optimizer("m where v belongs", "adam", "np.sqrt(v) / second", "np.sqrt(np.abs(m)) / second"),
    in_optimizer("decay not asked for", "adam", "if self.weight_decay and", "self.weight_decay = 1e-6\n            if"),
    in_optimizer("decay of the biases", "sgd, coupled", 'key.startswith("W") or self.decay_biases', "True"),
    in_optimizer("decay not of the biases", "adam, coupled, biases too", 'key.startswith("W") or self.decay_biases', 'key.startswith("W")'),
    in_optimizer("decay without lr", "adam, decoupled", "W -= self.lr * self.weight_decay * W", "W -= self.weight_decay * W"),
    in_optimizer("decay halved", "momentum, coupled", "dW = dW + self.weight_decay * W", "dW = dW + self.weight_decay * W / 2"),
    in_optimizer("decay of the sign", "sgd, coupled", "dW = dW + self.weight_decay * W", "dW = dW + self.weight_decay * np.sign(W)"),
    in_optimizer("coupled for decoupled", "adam, decoupled", "if self.decoupled:", "if False:"),
    in_optimizer("decoupled for coupled", "rmsprop, coupled", "if self.decoupled:", "if True:"),
    in_optimizer("decoupled after the update", "sgd, decoupled", "if self.decoupled:\n                    W -= self.lr * self.weight_decay * W", "if self.decoupled:\n                    W -= self.lr * self.weight_decay * (W - self.lr * dW)"),
    in_optimizer("state shared by shape", "momentum", "zeros = {s: {key: np.zeros_like(W) for key, W in params.items()} for s in self.slots}", "one = np.zeros((40, 30)); zeros = {s: {key: one if W.ndim == 2 else one[0] for key, W in params.items()} for s in self.slots}"),
]  # fmt: skip  # a bug a line
for_each_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


def seen(bug: Bug, dtype: Any) -> Judgement | None:
    """Return the first failing judgement of the optimiser that has the bug."""
    form = FORMS[bug.options["form"]]
    wrong = module(bug.file, bug)
    right = scratch_optimizer(form)
    given = {name: value for name, value in vars(right).items() if name[0] != "_" and name != "t"}
    names = inspect.signature(type(right)).parameters
    takes = {*names, "weight_decay", "decoupled", "decay_biases"}
    optimizer = getattr(wrong, type(right).__name__)(
        **{k: v for k, v in given.items() if k in takes}
    )
    return judged(optimizer, form, dtype, steps=20)


@for_each_bug
@dtypes
def test_a_planted_bug_is_seen(bug: Bug, dtype: Any) -> None:
    failing = seen(bug, dtype)
    if bug.name == "lr in float32" and dtype is np.float32:
        assert failing is None  # no mistake there
        return
    assert failing is not None
    assert failing.probe in ("update", "state")


def test_two_networks_keep_their_states_apart(rng: np.random.Generator) -> None:
    pairs = []
    for optimizers in ([Adam(0.1)] * 2, [Adam(0.1), Adam(0.1)]):
        nets = [{"W1": np.ones((3, 2))}, {"W1": np.zeros((3, 2))}]
        draws = np.random.default_rng(0)
        for _ in range(5):
            for optimizer, net in zip(optimizers, nets, strict=True):
                optimizer.update(net, {"W1": draws.standard_normal((3, 2))})
        pairs.append(nets)
    for together, apart in zip(*pairs, strict=True):
        np.testing.assert_array_equal(together["W1"], apart["W1"])


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_is_that_of_pytorch(decoupled: bool, biases: bool) -> None:
    rng = np.random.default_rng(0)
    params = {"W1": rng.standard_normal((6, 5)), "b1": rng.standard_normal(5)}
    theirs = {key: torch.tensor(W, requires_grad=True) for key, W in params.items()}
    groups = [
        {"params": [theirs["W1"]], "weight_decay": 0.1},
        {"params": [theirs["b1"]], "weight_decay": 0.1 if biases else 0.0},
    ]
    used = (torch.optim.AdamW if decoupled else torch.optim.Adam)(groups, 0.03)
    ours = Adam(
        0.03, eps=1e-8, eps_hat=False, weight_decay=0.1, decoupled=decoupled, decay_biases=biases
    )
    for _ in range(100):
        grads = {key: rng.standard_normal(W.shape) for key, W in params.items()}
        ours.update(params, grads)
        for key, W in theirs.items():
            W.grad = torch.tensor(grads[key])
        used.step()
    for key, W in params.items():
        off = np.linalg.norm(W - theirs[key].detach().numpy())
        assert off < 100 * 2.0**-53 * np.linalg.norm(W)  # an ulp an update


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SGD(-1), "lr must be finite and at least 0, not -1"),
        (lambda: SGD(weight_decay=float("nan")), "weight_decay must be finite"),
        (lambda: Momentum(momentum=1), "momentum must be at least 0 and less than 1, not 1"),
        (lambda: Adam(eps=0), "eps must be finite and above 0, not 0"),
    ],
)
def test_numbers_outside_their_range_are_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
