"""Why the two stacks of a run differ: at the start, in the data, in the network, in the loop."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compare.cause import Cause, Diagnosis
from compare.causes.case import Case
from compare.causes.facts import seen_causes
from compare.causes.mistake import Mistake, Texts
from compare.causes.number import fitted, named
from compare.causes.replay import Given
from compare.causes.run import BATCH, DATA, INIT, Batches, Drawn
from compare.diagnosis import Search
from compare.judgement import Judgement, first_failing, norm
from compare.reference.allowed import C
from compare.rounding import unit_roundoff
from compare.rules import Derived
from compare.update_diagnosis import Updated, diagnose_update

if TYPE_CHECKING:  # which imports this
    from compare.trial import Move, Step, Trial

Array = NDArray[Any]
MOST = 0.99
"""The share of pixels and targets that a mistake must give: where samples are shifted, those at the
ends of what is looked at are others."""

SAMPLES = 2000
"""Samples of the data on which a mistake is tried before all."""

LOSS_BEFORE = Mistake(
    "loss before the update", "state", "loss", lambda _: None,
    ("the loss is that before the update, and the book records it after",
     "損失が更新前のものです(本では更新後に記録します)"),
    "loss = net.loss(x, t); update(...)", "update(...); loss = net.loss(x, t)",
)  # fmt: skip  # a row
STALE = Mistake(
    "stale gradient", "state", "grads", lambda _: None,
    ("the update uses the gradient of the step before", "一つ前のステップの勾配で更新しています"),
    "update(params, old grads)", "grads = net.gradient(x, t); update(params, grads)",
)  # fmt: skip  # a row
ALL_SO_FAR = Mistake(
    "gradients accumulate", "state", "grads", lambda _: None,
    ("the gradients are added to those of the step before: they are not reset",
     "勾配が前のステップのものに足されています(リセットされていません)"),
    "no zero_grad()", "optimizer.zero_grad() before backward()",
)  # fmt: skip  # a row


def diagnose_run(trial: "Trial") -> Diagnosis | None:
    """Return why a trial failed, before it began and in the first step that failed; None where it
    did not.
    """
    found = [trial.files]
    start = [j for j in trial.ledger.failing if j.where == "the start" and j.fails]
    if any(j.probe == "init" for j in start) and trial.draws is not None:
        found.append(diagnose_init(trial.draws, trial.dtype))
    elif start:
        found.append(Diagnosis(seen_causes(start), left=(start[0].quantity,)))
    # That of wrong files every batch is wrong, too, goes without saying.
    failed = [j for j in trial.failed if not (trial.files and j.name == "batch")]
    if first := first_failing(failed):
        found.append(_of_step(trial, first))
    told = [diagnosis for diagnosis in found if diagnosis]
    return merged(told) if told else None


def _of_step(trial: "Trial", first: Judgement) -> Diagnosis:
    """Return why the first step failed that did."""
    side = "theirs" if first.stack else "ours"
    if first.name == "batch":
        of_batch = _of_batch(trial.evidence)
        later = [j for j in trial.failed if j.fails and j.name != "batch"]
        if not later:
            return of_batch
        return merged([of_batch, _of_step(trial, later[0])])
    of_network = first.probe in ("forward", "loss", "gradient") or "running" in first.name
    if first.probe in ("update", "state") and not of_network and trial.evidence:
        return _of_update(trial, side, first)
    if of_network and trial.evidence:
        return _of_values(trial, side, first)
    return Diagnosis(seen_causes([first]), left=(first.quantity,))


def merged(told: Sequence[Diagnosis]) -> Diagnosis:
    """Return several diagnoses as one."""
    if len(told) == 1:
        return told[0]
    return Diagnosis(
        causes=tuple(cause for one in told for cause in one.causes),
        error=max(one.error for one in told),
        values=sum(one.values for one in told),
        places=sum(one.places for one in told),
        place=("places", "箇所"),
        left=tuple(name for one in told for name in one.left),
        shape=tuple(text for one in told for text in one.shape),
        next=next((one.next for one in told if one.next[0]), ("", "")),
    )


def diagnose_init(pairs: Mapping[str, tuple[Array, Array, float]], dtype: DTypeLike) -> Diagnosis:
    """Return why initial parameters differ.

    Parameters
    ----------
    pairs : mapping
        Of each parameter, what it is, what it should be, and the standard deviation of the rule.
    dtype : dtype
        Of the parameters.
    """
    off = {k: v for k, v in pairs.items() if not np.array_equal(v[0], v[1])}
    causes = []
    for letter in dict.fromkeys(key[0] for key in off):  # the first that is off, first
        here = {k: v for k, v in pairs.items() if k[0] == letter}
        wrong = [key for key in here if key in off]
        if not wrong:
            continue
        first = here[next(iter(here))]
        some = {k: v for k, v in here.items() if k in wrong}
        drawn = [
            (Drawn(e, std or 1.0, first[1] / (first[2] or 1.0), len(first[1])), a)
            for chosen in (here, some) for a, e, std in [*chosen.values()]
        ]  # fmt: skip  # all layers, then those that are off
        rows = [m for m in INIT if m.piece == letter]
        found = _fitting(rows, drawn[: len(here)], dtype) or _fitting(
            rows, drawn[len(here) :], dtype
        )
        causes.append(_cause(found, tuple(wrong)) if found else _by_distribution(some))
    explained = {name for cause in causes for name in cause.mends}
    left = tuple(f"init {key}" for key in off if key not in explained)
    return Diagnosis(tuple(causes), 0.0, len(pairs), 1, left=left, place=START)


START: Texts = ("start", "開始時")


def _by_distribution(pairs: Mapping[str, tuple[Array, Array, float]]) -> Cause:
    """Return what other random numbers look like; a sample proves nothing."""
    z = np.concatenate([(a / (std or 1.0)).ravel() for a, _, std in pairs.values()])
    mean, spread = float(z.mean()), float(z.std())
    edge = float(np.abs(z - mean).max()) / (spread or 1.0)
    kind = ("uniform", "一様分布") if edge < UNIFORM else ("normal", "正規分布")
    low, high = f"{z.min():.3g}", f"{z.max():.3g}"
    what = ("weights", "重み") if any(key[0] == "W" for key in pairs) else ("biases", "バイアス")
    says = (
        f"the {what[0]} are made of other random numbers than the plan's: they look {kind[0]}, "
        f"from {low} to {high}, with mean {mean:.2g} and standard deviation {spread:.3g}, in units "
        "of that of the rule",
        f"{what[1]}が計画とは別の乱数でできています。規則の標準偏差を単位として {low} から {high}、"
        f"平均 {mean:.2g}、標準偏差 {spread:.3g} の{kind[1]}に見えます",
    )
    write = (
        "std * rng.standard_normal((fan_in, fan_out))" if what[0] == "weights" else "np.zeros(n)"
    )
    return Cause(
        f"other {what[0]}, {kind[0]}", "init", says, "", write, is_certain=False, is_seen=True,
        mends=tuple(pairs),
    )  # fmt: skip  # as in Cause


UNIFORM = 1.9
"""Standard deviations to the edge of a uniform distribution are sqrt(3) = 1.73; of a few hundred
normal numbers, about 3."""


def diagnose_data(actual: Array, expected: Array, piece: str) -> Diagnosis:
    """Return why pixels, `piece` 'x', or targets, 't', are not those of the other reader."""
    if actual.shape != expected.shape:
        shape: Texts = (
            f"{piece} has shape {actual.shape}, not {expected.shape}",
            f"{piece} の形が {expected.shape} ではなく {actual.shape} です",
        )
        return Diagnosis(left=(f"data {piece}",), shape=(shape,), place=FILES)
    rows = [m for m in DATA if m.piece == piece]
    some = [(np.asarray(expected[:SAMPLES], float), np.asarray(actual[:SAMPLES], float))]
    dtype = actual.dtype if piece == "x" else np.dtype(np.float64)
    if fits := _fitting(rows, some, dtype, most=MOST):
        return Diagnosis((_cause(fits, (piece,)),), 0.0, actual.size, 1, place=FILES)
    if two := _two(rows, some[0], dtype):
        causes = tuple(_cause([one], (piece,)) for one in two)
        return Diagnosis(causes, 0.0, actual.size, 1, place=FILES)
    same = np.asarray(actual == expected)
    rate = float(np.mean(same if same.ndim == 1 else same.all(axis=1)))
    seen: Texts = (
        f"{100 * rate:.2f} % of the samples agree",
        f"{100 * rate:.2f} % のサンプルが一致します",
    )
    return Diagnosis(left=(f"data {piece}",), shape=(seen,), next=NEXT_DATA, place=FILES)


def _two(
    rows: Sequence[Mistake], pair: tuple[Array, Array], dtype: DTypeLike
) -> list[tuple[Mistake, str]]:
    """Return two mistakes that one after the other give what is there, if there are such."""
    expected, actual = pair[0][:PAIRED], pair[1][:PAIRED]
    plain = [m for m in rows if not m.starts]
    for one, other in permutations(plain, 2):
        with suppress(LookupError, ValueError, ArithmeticError):
            if _agrees(other.change(one.change(expected)), actual, dtype, MOST):
                return [(one, ""), (other, "")]
    return []


PAIRED = 200
"""Samples on which pairs of mistakes are tried."""

FILES: Texts = ("the files", "ファイル")
NEXT_DATA: Texts = (
    "draw the first ten images with their targets, and compare the first rows by hand",
    "最初の 10 枚を正解と並べて描き、最初の行を比べてください",
)


def _fitting(
    rows: Sequence[Mistake], pairs: Sequence[tuple[Any, Array]], dtype: DTypeLike,
    most: float = 1.0,
) -> list[tuple[Mistake, str]]:  # fmt: skip  # what, on what
    """Return the rows that give what is there, in all pairs; the best first.

    `most` is the share of the elements that must agree: where samples are shifted, the ends of what
    is looked at do not.
    """
    found = []
    for mistake in rows:
        for change, name in _numbered(mistake, pairs, dtype):
            try:
                good = all(_agrees(change(c), actual, dtype, most) for c, actual in pairs)
            except (LookupError, ValueError, ArithmeticError, TypeError):
                continue
            if good:
                found.append((mistake, name))
                break
    return sorted(found, key=lambda item: (
        item[0].is_general, bool(item[1]) and item[1] not in item[0].means
    ))  # fmt: skip  # a key


def _numbered(
    mistake: Mistake, pairs: Sequence[tuple[Any, Array]], dtype: DTypeLike
) -> Iterator[tuple[Callable[[Any], Any], str]]:
    if not mistake.starts:
        yield mistake.change, ""
        return
    c, actual = pairs[0]
    for start in mistake.starts:
        yield partial(_with, mistake, start), named(start, {}, dtype).name
    try:
        k = fitted(lambda k: np.asarray(mistake.change(c, k), float), np.asarray(actual, float),
                   mistake.starts[0])  # fmt: skip  # what, to what, from where
    except (LookupError, ValueError, ArithmeticError, TypeError):
        return
    if k is not None:
        number = named(k, {"255": 255.0, "255/256": 255 / 256, "1/255": 1 / 255}, dtype)
        yield partial(_with, mistake, number.value), number.name


def _with(mistake: Mistake, k: float, c: Any) -> Any:
    return mistake.change(c, k)


def _agrees(value: Any, actual: Array, dtype: DTypeLike, most: float) -> bool:
    value, actual = np.asarray(value, float), np.asarray(actual, float)
    if value.shape != actual.shape:
        return False
    allowed = C * unit_roundoff(dtype) * np.maximum(np.abs(actual), np.abs(value))
    return bool((np.abs(value - actual) <= allowed).mean() >= most)


def _cause(found: Sequence[tuple[Mistake, str]], mends: tuple[str, ...]) -> Cause:
    (mistake, name), *others = found
    rank = _rank(mistake, name)
    alike = [(m, n) for m, n in others if _rank(m, n) == rank and m.key != mistake.key]
    return Cause(
        mistake.key, mistake.part, mistake.said(name), mistake.written(name),
        mistake.write, mistake.source, is_certain=not alike, mends=mends,
        equals=tuple(m.said(n) for m, n in alike), equal_keys=tuple(m.key for m, _ in alike),
    )  # fmt: skip  # as in Cause


def _rank(mistake: Mistake, name: str) -> tuple[bool, bool]:
    return mistake.is_general, bool(name) and name not in mistake.means


def _of_batch(evidence: "Sequence[Step]") -> Diagnosis:
    """Return why batches hold other samples than the plan says."""

    def arrays(batch: Any) -> tuple[Array, Array]:
        x, t = (part.cpu().numpy() if hasattr(part, "cpu") else np.asarray(part) for part in batch)
        return x, t

    steps = [(arrays(s.reference_batch), arrays(s.batch)) for s in evidence]
    before = [None, *(expected for expected, _ in steps)]
    found = []
    for mistake in BATCH:
        try:
            pairs = [
                (mistake.change(Batches(*expected, previous)), actual)
                for (expected, actual), previous in zip(steps, before, strict=False)
                if previous or "before" not in mistake.key
            ]
            if pairs and all(
                np.array_equal(value, seen)
                for values, actual in pairs
                for value, seen in zip(values, actual, strict=True)
            ):
                found.append((mistake, ""))
        except (TypeError, LookupError):
            continue
    if found:
        return Diagnosis((_cause(found, ("batch",)),), 0.0, len(steps), len(steps), place=STEPS)
    (x, t), (actual_x, actual_t) = steps[0]
    seen = [
        (
            f"the batch has {len(actual_x)} samples, and should have {len(x)}",
            f"バッチが {len(x)} ではなく {len(actual_x)} サンプルです",
        )
    ]
    if actual_x.shape == x.shape:
        rows = {row.tobytes() for row in np.ascontiguousarray(x)}
        shared = sum(row.tobytes() in rows for row in np.ascontiguousarray(actual_x))
        seen = [(f"{shared} of {len(x)} images are in the batch that the plan says",
                 f"{len(x)} 枚のうち {shared} 枚が計画のバッチにあります")]  # fmt: skip  # as above
        if np.array_equal(np.sort(t), np.sort(actual_t)) and shared == len(x):
            seen.append(("images and targets are the right ones in another order each: they were "
                         "shuffled apart", "画像と正解が別々に並べ替えられています"))  # fmt: skip
    return Diagnosis(left=("data batch",), shape=tuple(seen), next=NEXT_DATA, place=STEPS)


STEPS: Texts = ("steps", "ステップ")


def _of_update(trial: "Trial", side: str, off: Judgement) -> Diagnosis:
    """Return why an optimiser of the run differs."""
    moves: list[Move] = [getattr(step, side) for step in trial.evidence]
    optimiser = trial.optimiser if side == "ours" else trial.their_optimiser
    joined = [moves[0]]
    for one, other in pairwise(moves):
        if not all(np.array_equal(one.after[k], other.before[k]) for k in one.after):
            break
        joined.append(other)
    first = joined[0]
    updated = Updated(
        first.before, [(move.grads, optimiser.lr) for move in joined],
        [move.after for move in joined], trial.dtype, first.state, first.t - 1,
    )  # fmt: skip  # as in Updated
    return diagnose_update(updated, [optimiser], off)


def _of_values(trial: "Trial", side: str, first: Judgement) -> Diagnosis:
    """Return why the network, or what is done with it, differs."""
    if first.probe == "loss" and (found := _loss_before(trial, side)):
        return found
    if first.probe == "gradient" and (found := _old_gradients(trial, side)):
        return found
    cases = [*_cases(trial, side, loss=first.probe == "loss")]
    return replace(Search(cases).run(), place=STEPS)


def _loss_before(trial: "Trial", side: str) -> Diagnosis | None:
    """Return the diagnosis that losses are those before the update, if they are."""
    for step in trial.evidence:
        move = getattr(step, side)
        x, t = step.batch if side == "ours" else _numpy(step.reference_batch)
        e = trial.reference.evaluate(
            move.before, x, t, trial.convention, move.afterwards, gradients=False
        )
        if not abs(move.loss - e.loss) <= Derived(e, trial.dtype).allowed("loss"):
            return None
    return _found(LOSS_BEFORE, len(trial.evidence), ("loss",))


def _old_gradients(trial: "Trial", side: str) -> Diagnosis | None:
    """Return the diagnosis that gradients are those of the step before, or contain them."""
    kept = trial.before
    steps = trial.evidence
    if kept is None or not steps:
        return None
    moves = [getattr(step, side) for step in (kept, *steps)]
    if side == "theirs":  # torch adds to the same arrays: what they held is computed again
        x, t = _numpy(kept.reference_batch)
        e = trial.again.evaluate(moves[0].before, x, t, mode=moves[0].training)
        moves[0] = replace(moves[0], grads=e.grads)
    pairs = [*pairwise(moves)]
    if all(np.array_equal(b.grads[k], a.grads[k]) for a, b in pairs[:1] for k in b.grads):
        return _found(STALE, 1, tuple(moves[1].grads))
    for (before, now), step in zip(pairs, steps, strict=True):
        x, t = step.batch if side == "ours" else _numpy(step.reference_batch)
        e = trial.reference.evaluate(now.before, x, t, trial.convention, now.training)
        rule = Derived(e, trial.dtype)
        for key, expected in e.grads.items():
            left = norm(now.grads[key] - before.grads[key] - expected)
            size = norm(np.asarray(before.grads[key], float)) * unit_roundoff(trial.dtype)
            if not left <= rule.allowed(key) + C * size:
                return None
    return _found(ALL_SO_FAR, len(steps), tuple(moves[1].grads))


def _found(mistake: Mistake, count: int, mends: tuple[str, ...]) -> Diagnosis:
    cause = Cause(
        mistake.key, mistake.part, mistake.says, mistake.wrote, mistake.write, mistake.source,
        mends=mends,
    )  # fmt: skip  # as in Cause
    return Diagnosis((cause,), 0.0, count * len(mends), count, place=STEPS)


def _cases(trial: "Trial", side: str, *, loss: bool) -> Iterator[Case]:
    """Yield what the network gave in each step, from the first that failed on."""
    previous = getattr(trial.before, side).grads if trial.before else None
    for step in trial.evidence:
        move = getattr(step, side)
        x, t = step.batch if side == "ours" else _numpy(step.reference_batch)
        params, mode = (
            (move.after, move.afterwards) if loss
            else (move.before, replace(move.training, masks=step.theirs.training.masks))
        )  # fmt: skip  # a choice
        convention = trial.convention
        e = trial.reference.evaluate(params, x, t, convention, mode, gradients=not loss)
        actual: dict[str, Any] = {"loss": move.loss}
        if not loss:
            actual = {**move.grads, **move.afterwards.running}
        if not trial.reference.extras and side == "ours":
            now = trial.candidate.read()
            trial.candidate.write(params)
            actual |= trial.candidate.outputs(x)
            trial.candidate.write(now)
        given = Given(
            params, x, t, trial.reference.activation, trial.reference.weight_decay_lambda,
            convention, mode, trial.reference.extras.dropout, previous,
        )  # fmt: skip  # as in Given
        previous = move.grads
        yield Case(
            f"step {step.number}", given, actual, e.values(), Derived(e, trial.dtype), trial.dtype
        )


def _numpy(batch: Any) -> tuple[Array, Array]:
    x, t = (part.cpu().numpy() for part in batch)
    return x, t


def of_files(data: Any) -> Diagnosis | None:
    """Return why the two readers of the files differ, if they do."""
    for piece, ours, theirs in (("x", data.x, data.torch_x), ("t", data.t, data.torch_t)):
        expected = theirs.cpu().numpy()
        if not np.array_equal(ours, expected):
            return diagnose_data(ours, expected, piece)
    return None


def std_of(rule: float | str, shape: Sequence[int]) -> float:
    """Return the standard deviation of a rule for weights of a shape; 0 for biases."""
    if len(shape) < 2:
        return 0.0
    if isinstance(rule, str):
        return math.sqrt((2 if rule == "he" else 1) / shape[0])
    return float(rule)
