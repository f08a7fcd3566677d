"""One call that judges an optimiser in the book's style: `update(params, grads)`."""

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import torch_ref
from compare import wording
from compare.cause import Diagnosis
from compare.cause_wording import diagnosis_text, language
from compare.judgement import EXIT, Judgement, Verdict, first_failing, judge_fact
from compare.optimiser import NAMES, Optimiser
from compare.optimiser_forms import Form, forms, name_of, numbers_of, set_lr
from compare.optimiser_memory import Memory
from compare.report import SCHEMA, strict_json
from compare.shown import CELL, Shown
from compare.threads import one_thread_each
from compare.update_diagnosis import Updated, diagnose_update
from compare.updates import Update, judge_update, reference_update
from compare.user_frame import CandidateError, calling

Array = NDArray[np.floating[Any]]
Arrays = dict[str, Array]

UPDATES, NEW_LR = 12, 8
"""Updates that are judged, and the one from which on lr is a tenth."""

SHAPES = {"W1": (11, 7), "b1": (7,), "W2": (7, 7), "b2": (7,)}
"""Of the parameters: two of them alike, as state kept by shape would mix them up."""

ALL_OF_IT = "params"
"""The name of what is judged of an update that raises."""


@dataclass(frozen=True, repr=False)
class OptimizerReport(Shown):
    """The verdict on one optimiser; `print(report)` shows it.

    Attributes
    ----------
    name : str
        Its class.
    optimiser : Optimiser
        What it was held against, with all numbers.
    verdict : Verdict
        SAME, DIFFERENT or UNSTABLE.
    judgements : tuple of Judgement
        By update, and in each in causal order.
    conventions : tuple of str
        In which form it differs from PyTorch's.
    not_judged : tuple of str
        What nothing is said of.
    diagnosis : Diagnosis or None
        Why it differs, where it does.
    """

    name: str
    optimiser: Optimiser
    verdict: Verdict
    judgements: tuple[Judgement, ...]
    conventions: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()
    diagnosis: Diagnosis | None = None

    @property
    def first_divergence(self) -> Judgement | None:
        """The first quantity outside its allowed error."""
        return first_failing(self.judgements)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 for SAME, else 1; with `strict`, 1 where a convention was met."""
        return 1 if strict and self.conventions else EXIT[self.verdict]

    def to_json(self) -> str:
        """Return the report as strict JSON."""
        return strict_json({"schema": SCHEMA, **asdict(self)})

    @property
    def summary(self) -> str:
        """The verdict, the optimiser, and what is wrong first or what agrees."""
        first = self.first_divergence
        what = f"{first.quantity} first, on {first.where}" if first else f"{UPDATES} updates agree"
        return f"{self.verdict} {self.name}: {what}"

    def text(self, lang: str | None = None, *, verbose: bool = False) -> str:  # type: ignore[override]  # names its options
        """Return the report in words; with `verbose`, every value of every update.

        Causes are explained in `lang`, 'en' or 'ja'; by the locale if it is None.
        """
        same = self.verdict is Verdict.SAME
        does = "computes" if same else "does not compute"
        theirs = NAMES[self.optimiser.name]
        lines = [f"{self.verdict}  {self.name} {does} what the {theirs} of PyTorch computes.", ""]
        if self.diagnosis:
            lines += [*diagnosis_text(self.diagnosis, language(lang)), ""]
        if first := self.first_divergence:
            lines += wording.divergence_text(
                first, self.judgements, wording.place_text(first, self.judgements, 2)
            )
        else:
            lines += wording.paragraph(
                f"Your optimiser is right: in {UPDATES} updates every parameter, and all that it "
                "remembers, is what torch.optim makes of the same, but for rounding."
            )
        rows = [
            ("optimiser", _numbers(self.optimiser)),
            *(("convention", text) for text in self.conventions),
            *(("not judged", text) for text in self.not_judged),
        ]
        for key, text in [("", ""), *rows, ("", "")]:
            lines += wording.paragraph(f"{key:<12}{text}", hang=12) or [""]
        lines += wording.table(self.judgements, None if verbose else CELL - len(lines))
        lines += ["", *wording.full_table(self.judgements)] if verbose else []
        return "\n".join(lines)


def check_optimizer(
    optimizer: Any,
    name: str | None = None,
    *,
    dtype: DTypeLike = np.float64,
    seed: int = 0,
    explain: bool = True,
    **numbers: float,
) -> OptimizerReport:
    """Judge whether `optimizer` computes what torch.optim computes.

    A copy of it updates parameters of our own with gradients of many sizes, zeros among them; lr
    changes in the middle. Each update is judged from the parameters and the state before it. The
    form, such as lr inside the velocity, and an epsilon that is no attribute are found by trying.

    Parameters
    ----------
    optimizer
        An instance that has not been used, with `update(params, grads)`, which changes the arrays
        of the dict `params` in place, as in chapter 6 of the book. What it remembers is read from
        attributes that hold a dict with the keys of `params`, whatever their names, or from
        `state(params)`, which returns such dicts by name.
    name : {'sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam'}, optional
        Which it is to be; the name of its class in lower case if not given.
    dtype : {float64, float32}
        Of the parameters and the gradients.
    seed : int
        Of their values.
    explain : bool
        Whether to find out why it differs, where it does.
    **numbers : float
        lr, momentum, decay_rate, beta1, beta2, eps, weight_decay, where they are no attributes of
        these names.

    Raises
    ------
    TypeError, ValueError
        It is no such optimiser, has been used, or a number is missing.
    """
    if not callable(getattr(optimizer, "update", None)):
        raise TypeError(f"{type(optimizer).__name__} has no method update(params, grads)")
    name = name_of(optimizer, name)
    found = numbers_of(optimizer, name, numbers)
    kind = np.dtype(dtype)
    if kind not in (np.float64, np.float32):
        raise ValueError(f"dtype must be float64 or float32, not {kind}")
    with one_thread_each(), np.errstate(all="ignore"):
        tried = [(form, list(_judge(optimizer, form, kind, seed))) for form in forms(name, found)]
        form, judgements = max(tried, key=_agreement)
        first = first_failing(judgements)
        conventions = [] if first else [*form.texts]
        if not first and torch_ref.STATE[name] and not _is_apart(optimizer, seed):
            conventions.append("one optimiser serves one network: what it remembers has its keys")
    lr = [] if set_lr(copy.deepcopy(optimizer), 1.0) else ["a change of lr: it is no attribute"]
    verdict = first.verdict if first else Verdict.SAME
    given = type(optimizer).__name__, form.optimiser, verdict
    why = None
    if first and explain and first.name != ALL_OF_IT:
        with one_thread_each(), np.errstate(all="ignore"):
            updated = _updated(optimizer, found["lr"], kind, seed)
            why = diagnose_update(updated, [tried.optimiser for tried in forms(name, found)], first)
    return OptimizerReport(*given, tuple(judgements), tuple(conventions), tuple(lr), why)


def _updated(optimizer: Any, lr: float, dtype: np.dtype[Any], seed: int) -> Updated:
    """Return all updates of a copy of `optimizer`."""
    used, rng = copy.deepcopy(optimizer), np.random.default_rng(seed)
    params = _params(rng, dtype)
    start, steps, after = _copies(params), [], []
    for t in range(1, UPDATES + 1):
        new = lr * (0.1 if t >= NEW_LR else 1.0)
        steps.append((_grads(rng, params), new if set_lr(used, new) else lr))
        try:
            used.update(params, _copies(steps[-1][0]))
        except Exception:  # said by what is judged
            steps.pop()
            break
        after.append(_copies(params))
    return Updated(start, steps, after, dtype)


def _agreement(tried: tuple[Form, list[Judgement]]) -> int:
    """Return how many judgements come before the first that fails."""
    judgements = tried[1]
    return next((i for i, j in enumerate(judgements) if j.fails), len(judgements) + 1)


def _judge(optimizer: Any, form: Form, dtype: np.dtype[Any], seed: int) -> Iterator[Judgement]:
    """Yield the judgements of a copy of `optimizer`, up to the update in which one fails."""
    used, rng = copy.deepcopy(optimizer), np.random.default_rng(seed)
    params = _params(rng, dtype)
    memory = Memory(used, form.optimiser, params)
    state = memory.start()
    for t in range(1, UPDATES + 1):
        where = f"update {t}"
        lr = form.optimiser.lr * (0.1 if t >= NEW_LR else 1.0)
        changed = set_lr(used, lr)
        optimiser = replace(form.optimiser, lr=lr) if changed else form.optimiser
        before, grads = _copies(params), _grads(rng, params)
        handed = _copies(grads)
        arrays = dict(params)
        try:
            _call(used, params, handed)
        except CandidateError as error:
            if t == 1:
                raise ValueError(f"update(params, grads) raises at call 1: {error.text}") from error
            yield judge_fact("update", ALL_OF_IT, where, False, f"raised: {error.text}")
            return
        judgements = [
            judge_fact(
                "aliasing", "params", where, all(params.get(key) is arrays[key] for key in arrays),
                "holds new arrays after update: layers that hold the old ones never learn",
            ),
            judge_fact(
                "purity", "grads", where,
                all(np.array_equal(handed[key], grads[key]) for key in grads),
                "are changed by update",
            ),
        ]  # fmt: skip  # what; whether; what if not
        if t == 1:
            memory.find(reference_update(optimiser, before, grads, state, t)[1])
        after = memory.read()
        judgements += judge_update(optimiser, Update(before, grads, params, state, after, t), where)
        yield from judgements
        if first_failing(judgements):
            return
        state = after


def _is_apart(optimizer: Any, seed: int) -> bool:
    """Whether a second network is updated as if it were alone."""
    alone, both = copy.deepcopy(optimizer), copy.deepcopy(optimizer)
    rng = np.random.default_rng(seed)
    first, second = (_params(rng, np.dtype(np.float64)) for _ in range(2))
    lonely = _copies(second)
    grads, others = _grads(rng, first), _grads(rng, second)
    try:
        _call(both, first, _copies(grads))
        _call(both, second, _copies(others))
        _call(alone, lonely, _copies(others))
    except CandidateError:  # of what it remembers of the other
        return False
    return all(np.array_equal(second[key], lonely[key]) for key in second)


def _call(optimizer: Any, params: Arrays, grads: Arrays) -> None:
    with calling("update", optimizer.update):
        optimizer.update(params, grads)


def _params(rng: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
    return {key: rng.standard_normal(shape).astype(dtype) for key, shape in SHAPES.items()}


def _grads(rng: np.random.Generator, params: Arrays) -> Arrays:
    """Return gradients from 1e-9 to 10; some stay 0, as those of dead pixels do."""
    grads: Arrays = {}
    for i, (key, W) in enumerate(params.items()):
        sizes = 10.0 ** np.random.default_rng(i).uniform(-9, 1, W.shape)  # the same at each step
        sizes[:2] = 0
        grads[key] = (sizes * rng.standard_normal(W.shape)).astype(W.dtype)
    return grads


def _copies(arrays: Arrays) -> Arrays:
    return {key: value.copy() for key, value in arrays.items()}


def _numbers(optimiser: Optimiser) -> str:
    """Return 'Adam, lr 0.001, betas 0.9 0.999, epsilon 1e-08'."""
    o = optimiser
    said = {
        "momentum": f", momentum {o.momentum:g}",
        "nesterov": f", momentum {o.momentum:g}",
        "rmsprop": f", decay rate {o.decay_rate:g}",
        "adam": f", betas {o.betas[0]:g} {o.betas[1]:g}",
    }.get(o.name, "")
    said += f", weight decay {o.weight_decay:g}" if o.weight_decay else ""
    eps = f", epsilon {o.eps:g}" if o.name in ("adagrad", "rmsprop", "adam") else ""
    return f"{NAMES[o.name]}, lr {o.lr:g}{said}{eps}"
