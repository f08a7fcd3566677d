"""What a network is shown: parameters and batches under which mistakes become visible."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compare.evaluation import Evaluation, Mode

if TYPE_CHECKING:  # it imports torch, and batches can be drawn without
    from compare.torch_network import Reference

Array = NDArray[np.floating[Any]]

DRAWS = 100
"""Attempts at a batch in which every gradient is alive."""

EDGES = 8
"""Further attempts where one is alive and a ReLU is on the brink of 0: if that is as likely as not,
one in 500 finds none; what lies on the brink by its kind, as do weights that a LayerNorm divides by
their size, is no better drawn again."""

STRESS_MARGIN = 1e4
"""The least distance between the logits of a row in a stress stimulus. exp leaves float64 at 709
and float32 at 88: far beyond both, and so that rows too lie further apart than that."""


SMALL = 0.02
"""What weights are multiplied with for a variance of 4e-4, of which an epsilon of 1e-5 is 1/40."""

HUGE = 1e4
"""What the first weights are multiplied with where units saturate: see STRESS_MARGIN."""


@dataclass(frozen=True)
class Stimulus:
    """Parameters and a batch.

    Attributes
    ----------
    name : str
        As printed.
    params : mapping
        W1, b1, ... in the dtype of the candidate.
    x, t : ndarray (B, features), (B,)
        The batch.
    running : mapping
        running_mean1, running_var1, ..., from which BatchNorm starts.
    weight_decay : float or None
        lambda that the network is given; None for its own.
    targets : {'', 'labels', 'one-hot'}
        The form in which the network is given t; its own if empty.
    is_stress : bool
        Whether training never visits such a state, so that not being finite there is a limit of
        range and no mistake.
    """

    name: str
    params: Mapping[str, Array]
    x: Array
    t: NDArray[np.int64]
    running: Mapping[str, Any] = field(default_factory=dict)
    weight_decay: float | None = None
    targets: str = ""
    is_stress: bool = False


class Stimuli:
    """Draws the stimuli for a network of given sizes.

    Parameters
    ----------
    sizes : tuple of int
        Features, hidden units, classes.
    dtype : dtype
        Of the candidate; parameters and data are rounded to it before anybody sees them.
    rng : numpy.random.Generator
        Source of all values.
    normalized : bool
        Whether there is gamma and beta to be drawn, and running statistics.
    absent : sequence of str
        Biases that the candidate does not have: they are 0.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        dtype: DTypeLike,
        rng: np.random.Generator,
        *,
        normalized: bool = False,
        absent: Sequence[str] = (),
    ) -> None:
        self.sizes = sizes
        self.dtype = dtype
        self.rng = rng
        self.normalized = normalized
        self.absent = absent
        self._deck: list[int] = []

    def rows(self, wanted: int) -> int:
        """Return `wanted`, or two more where there are as many classes: never B = C."""
        return wanted + 2 if wanted == self.sizes[-1] else wanted

    def params(self, weight_gain: float = 1.5, bias_std: float = 0.5) -> dict[str, Array]:
        """Return random weights of std sqrt(gain / fan_in) and random biases, none zero."""
        params = {}
        for i in range(1, len(self.sizes)):
            fan_in, fan_out = self.sizes[i - 1 : i + 1]
            W = np.sqrt(weight_gain / fan_in) * self.rng.standard_normal((fan_in, fan_out))
            params[f"W{i}"] = W.astype(self.dtype)
            params[f"b{i}"] = (bias_std * self.rng.standard_normal(fan_out)).astype(self.dtype)
        for i, units in enumerate(self.sizes[1:-1] if self.normalized else (), start=1):
            gamma = self.rng.uniform(0.5, 2, units) * self.rng.choice([-1, 1], units)
            params[f"gamma{i}"] = gamma.astype(self.dtype)
            params[f"beta{i}"] = (bias_std * self.rng.standard_normal(units)).astype(self.dtype)
        for name in self.absent:
            params[name][...] = 0
        return params

    def running(self, scale: float = 1.0) -> dict[str, Array]:
        """Return random running statistics, of pre-activations of this size."""
        running = {}
        for i, units in enumerate(self.sizes[1:-1] if self.normalized else (), start=1):
            mean = scale * self.rng.standard_normal(units) / 2
            running[f"running_mean{i}"] = mean.astype(self.dtype)
            var = scale**2 * self.rng.uniform(0.3, 3, units)
            running[f"running_var{i}"] = var.astype(self.dtype)
        return running

    def batch(self, rows: int) -> tuple[Array, NDArray[np.int64]]:
        """Return `rows` samples of standard-normal features, and targets: each class in turn."""
        x = self.rng.standard_normal((rows, self.sizes[0])).astype(self.dtype)
        while len(self._deck) < rows:
            self._deck += self.rng.permutation(self.sizes[-1]).tolist()
        t, self._deck = np.array(self._deck[:rows]), self._deck[rows:]
        return x, t

    def plain(self) -> Stimulus:
        """Random weights and biases, 7 rows: what the network is identified by."""
        x, t = self.batch(rows := self.rows(7))
        return Stimulus(f"{rows} rows, random biases", self.params(), x, t, self.running())

    def small_variances(self) -> Stimulus:
        """Weights so small that what a normalization adds to a variance counts."""
        x, t = self.batch(rows := self.rows(8))
        params = self.params()
        for key in (key for key in params if key.startswith("W")):
            params[key] *= SMALL
        return Stimulus(f"{rows} rows, small variances", params, x, t, self.running(SMALL))

    def one_row(self) -> Stimulus:
        """A batch of 1: dividing by the wrong count, axes that vanish."""
        return Stimulus("1 row", self.params(), *self.batch(1), self.running())

    def duplicates(self) -> Stimulus:
        """Rows that repeat, not equally often."""
        rows = self.rows(8)
        x, t = self.batch(3)
        pick = np.array([0, 0, 0, 0, 1, 1, 2, *[2] * (rows - 7)])
        running = self.running()
        return Stimulus(f"{rows} rows, duplicates", self.params(), x[pick], t[pick], running)

    def blank(self) -> Stimulus:
        """Blank rows and dead features, and no biases: pre-activations of exactly 0."""
        x, t = self.batch(rows := self.rows(7))
        x[::2] = 0
        x[:, ::3] = 0
        params = self.params(bias_std=0.0)
        return Stimulus(f"{rows} rows, {len(x[::2])} blank", params, x, t, self.running())

    def saturated(self, reference: "Reference") -> Stimulus:
        """Hidden weights four times as large; logits as large as a trained network's."""
        x, t = self.batch(rows := self.rows(8))
        params = self.params()
        for i in range(1, len(self.sizes) - 1):
            params[f"W{i}"] *= 4
        stimulus = Stimulus(f"{rows} rows, saturated units", params, x, t, self.running())
        logits = np.asarray(evaluated(stimulus, reference).named["logits"])
        self._scale_last(params, 10 / np.abs(logits).max())
        return stimulus

    def large_logits(self, reference: "Reference") -> Stimulus:
        """Rows confidently right and confidently wrong, each row larger than the one before."""
        x, _ = self.batch(rows := self.rows(8))
        x *= np.arange(1, rows + 1, dtype=x.dtype)[:, None]
        params = self.params()
        t, running = np.zeros(rows, np.int64), self.running()
        stimulus = Stimulus(f"{rows} rows, huge logits", params, x, t, running, is_stress=True)
        logits = np.asarray(evaluated(stimulus, reference).named["logits"])
        order = logits.argsort(axis=1)
        t = np.where(np.arange(rows) % 2, order[:, 0], order[:, -1])
        margin = (logits.max(axis=1) - logits.min(axis=1)).min()
        self._scale_last(params, STRESS_MARGIN / margin)
        return replace(stimulus, t=t)

    def huge_units(self) -> Stimulus:
        """Pre-activations far beyond what exp can take; some are small, and keep gradients alive.

        Of one feature, so that a small one makes all units small.
        """
        x, t = self.batch(rows := self.rows(8))
        params = self.params()
        params["W1"] *= HUGE
        x[:, 1:] = 0
        x[: rows // 2, 0] /= HUGE
        running = self.running()
        return Stimulus(f"{rows} rows, huge units", params, x, t, running, is_stress=True)

    def battery(self, reference: "Reference") -> list[Stimulus]:
        """Return the stimuli that a network is judged on, the plain one first."""
        draws: tuple[Callable[[], Stimulus], ...] = (
            self.plain,
            self.duplicates,
            self.one_row,
            self.blank,
            lambda: self.saturated(reference),
            lambda: self.large_logits(reference),
        )
        if len(self.sizes) > 2:
            draws = (*draws, self.huge_units)
        if self.normalized:
            draws = (*draws, self.small_variances)
        return [self._draw(draw, reference) for draw in draws]

    def _draw(self, draw: Callable[[], Stimulus], reference: "Reference") -> Stimulus:
        """Draw until no ReLU is on the brink of 0 and every gradient is alive.

        A network of few units is often dead: every unit of a layer at 0 for every row, and all
        gradients below it 0, where no mistake shows.
        """
        on_edge = 0
        for _ in range(DRAWS):
            stimulus = draw()
            e = evaluated(stimulus, reference)
            if not all(grad.any() for grad in e.grads.values()):
                continue
            if not e.errors(self.dtype).on_edge.any() or on_edge == EDGES:
                break
            on_edge += 1
        return stimulus

    def _scale_last(self, params: dict[str, Array], factor: float) -> None:
        last = len(self.sizes) - 1
        for key in (f"W{last}", f"b{last}"):
            params[key] *= factor


def evaluated(stimulus: Stimulus, reference: "Reference") -> Evaluation:
    """Evaluate in training, nothing being dropped; one row with BatchNorm after training."""
    training = len(stimulus.x) > 1 or not reference.extras.batchnorm
    units = reference.sizes[1:-1] if reference.extras.dropout is not None else ()
    masks = [np.ones((len(stimulus.x), n), dtype=bool) for n in units]
    mode = Mode(training, stimulus.running, masks)
    return reference.evaluate(stimulus.params, stimulus.x, stimulus.t, mode=mode)


def without_kink_rows(stimulus: Stimulus, reference: "Reference") -> Stimulus | None:
    """Return the stimulus without rows that have a ReLU on the brink of 0; None if all have."""
    e = evaluated(stimulus, reference)
    keep = ~e.errors(stimulus.x.dtype).on_edge
    if keep.all():
        return stimulus
    if not keep.any() or reference.extras.ties_rows:
        return None
    name = f"{stimulus.name}, {np.sum(~keep)} on a ReLU's edge left out"
    return replace(stimulus, name=name, x=stimulus.x[keep], t=stimulus.t[keep])
