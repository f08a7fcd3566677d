"""Bugs planted in the code around a run: each is seen and placed at its step and quantity."""

import numpy as np
import pytest
import torch

import compare.run
import compare.trial
import scratch
import scratch.multi_layer_net
import torch_ref
from compare.data import load_data
from compare.judgement import Verdict, first_failing
from compare.lockstep import ScratchStack, Side
from compare.options import parse_options
from compare.run import experiment
from compare.run_report import collect
from scratch import SGD, Affine, MultiLayerNet, Relu, SoftmaxWithLoss

STEPS = 12


def run(*arguments, data=None):
    options = parse_options(
        ["--steps", str(STEPS), "--batch-size", "16", "--hidden", "20", "20", "15", "--lr", "0.05",
         "--init", "he", "--data", "digits", *arguments]
    )  # fmt: skip  # a command line
    data = data or load_data("digits", None, options.dtype, "cpu", print)
    (trial,) = experiment(options, data, lambda *_: None)
    return collect(options, data, [trial], {}, explain=False)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", None, "float64", "cpu", print)


# data


def wrong_pixels(patch):
    right = scratch.load_mnist

    def load(**options):
        (x, t), test = right(**options)
        return (x * 255 / 256, t), test

    patch.setattr(scratch, "load_mnist", load)


def through_float32(patch):
    right = scratch.load_mnist

    def load(**options):
        (x, t), test = right(**options | {"dtype": np.float32})
        return (x.astype(options["dtype"]), t), test

    patch.setattr(scratch, "load_mnist", load)


def shifted_labels(patch):
    right = scratch.load_mnist

    def load(**options):
        (x, t), test = right(**options)
        return (x, np.roll(t, 1)), test

    patch.setattr(scratch, "load_mnist", load)


def short_batch(patch):
    right = Side.advance

    def advance(self, rows):
        right(self, rows if isinstance(rows, torch.Tensor) else rows[:-1])

    patch.setattr(Side, "advance", advance)


def next_batch(patch):
    right = Side.advance

    def advance(self, rows):
        right(self, rows if isinstance(rows, torch.Tensor) else (rows + 1) % len(self.x))

    patch.setattr(Side, "advance", advance)


# init


def std_is_variance(patch):
    patch.setattr(scratch.multi_layer_net, "weight_std", lambda rule, fan_in: 2 / fan_in)


def xavier_for_he(patch):
    patch.setattr(scratch.multi_layer_net, "weight_std", lambda rule, fan_in: (1 / fan_in) ** 0.5)


def other_form(patch):
    """1 / sqrt where the rule is sqrt(1 / .): another last bit for some fan_in."""
    patch.setattr(
        scratch.multi_layer_net, "weight_std", lambda rule, fan_in: 1 / (fan_in / 2) ** 0.5
    )


def biases_not_zero(patch):
    right = MultiLayerNet.__init__

    def init(self, *arguments, **options):
        right(self, *arguments, **options)
        self.params["b1"] += 0.01

    patch.setattr(MultiLayerNet, "__init__", init)


# forward, loss, backward


def no_bias_in_layer_two(patch):
    right = Affine.forward

    def forward(self, x):
        return right(self, x) - (self.b if self.W.shape == (20, 20) else 0)

    patch.setattr(Affine, "forward", forward)


def book_epsilon(patch):
    right = SoftmaxWithLoss.forward

    def forward(self, x, t):
        right(self, x, t)
        return float(-np.log(self.y[np.arange(len(x)), self.t] + 1e-7).mean())

    patch.setattr(SoftmaxWithLoss, "forward", forward)


def no_slope(patch):
    patch.setattr(Relu, "backward", lambda self, dout: dout)


# update


def uphill(patch):
    def update(self, params, grads):
        for key in params:
            params[key] += self.lr * grads[key]

    patch.setattr(SGD, "update", update)


def lr_in_float32(patch):
    def update(self, params, grads):
        for key in params:
            params[key] -= float(np.float32(self.lr)) * grads[key]

    patch.setattr(SGD, "update", update)


def first_parameter_skipped(patch):
    def update(self, params, grads):
        for key in list(params)[1:]:
            params[key] -= self.lr * grads[key]

    patch.setattr(SGD, "update", update)


def rebinding(patch):
    def update(self, params, grads):
        for key in params:
            params[key] = params[key] - self.lr * grads[key]

    patch.setattr(SGD, "update", update)


def once_double(patch):
    """One update too large, in a step that nobody planned to judge."""
    right, calls = SGD.update, []

    def update(self, params, grads):
        calls.append(1)
        right(self, params, {k: g * (1 + (len(calls) == 8)) for k, g in grads.items()})

    patch.setattr(SGD, "update", update)


# loop


def loss_before_update(patch):
    def step(self, x, t):
        self.loss = self.net.loss(x, t)
        self.grads = self.net.gradient(x, t)
        self.active = [~v.mask for v in self.net.layers.values() if isinstance(v, Relu)]
        self.optimizer.update(self.net.params, self.grads)

    patch.setattr(ScratchStack, "step", step)


def stale_gradients(patch):
    right = ScratchStack.step

    def step(self, x, t):
        first = not self.grads
        kept, net = self.grads, self.net
        if first:
            right(self, x, t)
            return
        self.optimizer.update(net.params, kept)
        self.loss = net.loss(x, t)

    patch.setattr(ScratchStack, "step", step)


def updated_twice(patch):
    right = ScratchStack.step

    def step(self, x, t):
        right(self, x, t)
        self.optimizer.update(self.net.params, self.grads)
        self.loss = self.net.loss(x, t)

    patch.setattr(ScratchStack, "step", step)


def shared_memory(patch):
    """Both stacks train one set of weights: they agree, and both are wrong."""
    nets = []
    right = MultiLayerNet.__init__

    def init(self, *arguments, **options):
        right(self, *arguments, **options)
        nets.append(self)

    class Sharing(torch_ref.MultiLayerNetExtend):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            for i, linear in enumerate(self.linears() if nets else [], start=1):
                linear.weight.data = torch.from_numpy(nets[-1].params[f"W{i}"]).T

    patch.setattr(MultiLayerNet, "__init__", init)
    patch.setattr(torch_ref, "MultiLayerNetExtend", Sharing)


# the loop around torch, and what happens late


def no_zero_grad(patch):
    patch.setattr(torch.optim.SGD, "zero_grad", lambda *_: None)


def torch_lr(patch):
    patch.setattr(
        compare.run, "torch_optimizer", lambda _, params: torch.optim.SGD(params, lr=0.06)
    )


def nan_once(patch):
    """A NaN that appears in a step that nobody planned to judge."""
    right, calls = SGD.update, []

    def update(self, params, grads):
        calls.append(1)
        right(self, params, grads)
        if len(calls) == 6:
            params["W2"][3, 3] = np.nan

    patch.setattr(SGD, "update", update)


BUGS = [
    (wrong_pixels, "data", "x", "the files"),
    (through_float32, "data", "x", "the files"),
    (shifted_labels, "data", "t", "the files"),
    (short_batch, "data", "batch", "step 0"),
    (next_batch, "data", "batch", "step 0"),
    (std_is_variance, "init", "W1", "the start"),
    (xavier_for_he, "init", "W1", "the start"),
    (biases_not_zero, "init", "b1", "the start"),
    (shared_memory, "aliasing", "params", "the start"),
    (no_bias_in_layer_two, "forward", "z2", "step 0"),
    (book_epsilon, "loss", "loss", "step 0"),
    (no_slope, "gradient", "W3", "step 0"),
    (uphill, "update", "W1", "step 0"),
    (lr_in_float32, "update", "W1", "step 0"),
    (first_parameter_skipped, "update", "W1", "step 0"),
    (rebinding, "update", "W1", "step 0"),
    (once_double, "update", "W1", "step 7"),
    (loss_before_update, "loss", "loss", "step 0"),
    (stale_gradients, "gradient", "W4", "step 1"),
    (updated_twice, "update", "W1", "step 0"),
    (no_zero_grad, "gradient", "W4", "step 1"),
    (torch_lr, "update", "W1", "step 0"),
    (nan_once, "update", "W2", "step 5"),
]


@pytest.mark.parametrize(
    ("plant", "probe", "name", "where"), BUGS, ids=[plant.__name__ for plant, *_ in BUGS]
)
def test_planted_bug_is_seen_and_placed(monkeypatch, plant, probe, name, where):
    plant(monkeypatch)
    report = run()
    (init,) = report.inits
    first = next(j for j in init.failing if j.verdict is not Verdict.SAME)
    assert (first.probe, first.name, first.where) == (probe, name, where)
    assert report.verdict in (Verdict.DIFFERENT, Verdict.UNSTABLE)
    assert report.exit_code() == 1
    assert f"First divergence: {first.quantity}" in report.text()
    assert max(map(len, report.text().splitlines())) <= 80


def test_right_code_is_same(digits):
    report = run(data=digits)
    assert report.verdict is Verdict.SAME
    assert report.exit_code() == 0
    assert sorted(report.inits[0].points) == [0, 1, 3, 10, 11]


def test_another_last_bit_of_std_is_seen(monkeypatch, digits):
    other_form(monkeypatch)
    equal = all(1 / (n / 2) ** 0.5 == (2 / n) ** 0.5 for n in (784, 20, 15))
    assert (run(data=digits).verdict is Verdict.SAME) == equal


def test_another_order_inside_the_batch_is_no_mistake(monkeypatch, digits):
    right = Side.advance
    monkeypatch.setattr(
        Side, "advance",
        lambda self, rows: right(self, rows if isinstance(rows, torch.Tensor) else rows[::-1]),
    )  # fmt: skip  # what, and by what
    monkeypatch.setattr(
        ScratchStack, "active", property(lambda _: [], lambda *_: None), raising=False
    )
    report = run("--activation", "tanh", data=digits)
    assert report.verdict is Verdict.SAME, report.text()


def test_judging_nothing_is_inconclusive(digits):
    report = run("--judge", "none", data=digits)
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)


def test_a_run_that_diverges_in_both_is_judged_while_it_is_finite(digits):
    report = run("--lr", "1e200", data=digits)
    assert report.verdict is Verdict.SAME
    assert not np.isfinite(report.inits[0].trace.scratch[-1])
    assert 1 <= len(report.inits[0].points) < STEPS


@pytest.mark.parametrize("arguments", [["--init", "std=1e300"], ["--lr", "1e300"]])
def test_a_run_that_explodes_is_worded(digits, arguments):
    report = run(*arguments, data=digits)
    assert "not finite from step" in report.text()


def test_zero_init_keeps_units_equal(digits):
    report = run("--init", "0", data=digits)
    assert report.inits[0].units == [1, 1, 1, 10]
    assert "std=0: 1 1 1 10 distinct units of 20 20 15 10" in report.text()
    assert report.verdict is Verdict.SAME


def test_float32_free_run_is_inconclusive_from_the_flip_and_the_verdict_same(monkeypatch):
    right, calls = ScratchStack.step, []

    def step(self, x, t):
        right(self, x, t)
        calls.append(1)
        if len(calls) == 5:  # as if rounding had decided a ReLU otherwise
            self.active[0] = ~self.active[0]

    monkeypatch.setattr(ScratchStack, "step", step)
    report = run("--dtype", "float32")
    (init,) = report.inits
    assert init.trace.flip == 4
    assert init.trace.compared == 4
    assert report.verdict is Verdict.SAME
    assert "up to step 4" in " ".join(report.text().split())


def test_gradients_of_a_step_with_a_row_on_a_relus_edge_are_judged(monkeypatch, digits):
    """The rows on the edge are left out of gradient(), and the step's own are held against it."""
    right = ScratchStack.step

    def step(self, x, t):
        right(self, x, t)
        self.grads = {key: grad * 1.001 for key, grad in self.grads.items()}

    monkeypatch.setattr(
        compare.trial, "kink_rows", lambda e, _: np.arange(len(e.x)) == len(e.x) - 1
    )
    assert run(data=digits).verdict is Verdict.SAME
    monkeypatch.setattr(ScratchStack, "step", step)
    (init,) = run(data=digits).inits
    first = first_failing(init.failing)
    assert (init.verdict, first.probe) == (Verdict.DIFFERENT, "gradient")
    assert "not what gradient(x, t) gives" in first.detail


def test_a_run_that_leaves_the_range_of_float32_is_no_mistake(monkeypatch):
    """Where float64 is still finite, and torch in float32 is not."""
    arguments = [
        "--dtype", "float32", "--init", "1", "--optimizer", "momentum", "--batch-size", "7",
        "--lr", "0.10986240586596775", "--hidden", "39", "38", "59", "34", "--seed", "82",
        "--judge", "every",
    ]  # fmt: skip  # a command line
    report = run(*arguments)
    assert not np.isfinite(report.inits[0].trace.scratch).all()
    assert report.verdict is Verdict.SAME, report.text()

    def without_torch(self, actual, e, rule, where):
        return compare.trial.judge_values(actual, e, rule, where)

    monkeypatch.setattr(compare.trial.Trial, "_judged", without_torch)
    assert run(*arguments).verdict is Verdict.UNSTABLE


def test_run_in_which_nothing_is_finite_is_inconclusive(digits):
    (init,) = run("--init", "std=1e300", data=digits).inits
    assert (init.verdict, init.points) == (Verdict.INCONCLUSIVE, {})


def test_torch_that_adds_in_another_order_is_no_mistake(monkeypatch, digits):
    """Then its gradients are not the bits that it gives again, and rounding is allowed."""
    right = compare.run.TorchStack.step
    monkeypatch.setattr(
        compare.run.TorchStack, "step", lambda self, x, t: right(self, x.flip(0), t.flip(0))
    )
    report = run("--activation", "tanh", "--judge", "every", data=digits)
    assert report.verdict is Verdict.SAME, report.text()
    worst = report.inits[0].worst["torch gradient W1"]
    assert 0 < worst.error <= worst.allowed
