"""Runs with BatchNorm and dropout: right ones are SAME, bugs around them are seen and placed."""

import pytest

import compare.subject
import compare.trial
import torch_ref
from compare.data import load_data
from compare.judgement import Verdict, first_failing
from compare.lockstep import ScratchStack
from compare.run_wording import closest
from scratch import Dropout, MultiLayerNetExtend
from test_run_bugs import run

BOTH = ("--batchnorm", "--dropout", "0.3")


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", None, "float64", "cpu", print)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("extras", [BOTH[:1], BOTH[1:], BOTH])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_right_code_is_same(dtype, optimizer, extras, activation):
    report = run(
        "--dtype", dtype, "--optimizer", optimizer, "--activation", activation,
        "--weight-decay", "0.01", *extras, "--judge", "every", "--steps", "6",
    )  # fmt: skip  # a command line
    assert report.verdict is Verdict.SAME, report.text()
    assert ("update gamma1" in report.inits[0].worst) == ("--batchnorm" in extras)
    assert ("state running_var1" in report.inits[0].worst) == ("--batchnorm" in extras)
    assert ("data dropout masks" in report.inits[0].worst) == ("--dropout" in extras)
    assert closest(report.inits[0]) is not None  # of what would show that a quantity is wrong


def other_masks(patch):
    right = compare.subject.dropout_rng
    used = []

    def rng(seed):  # asked for by scratch first
        used.append(seed)
        return right(seed + (len(used) == 1))

    patch.setattr(compare.subject, "dropout_rng", rng)


def drops_what_it_should_keep(patch):
    def forward(self, x, train_flg=True):
        if not train_flg:
            return x
        self.mask = self.rng.random(x.shape) < 1 - self.dropout_ratio
        return self._kept(x)

    patch.setattr(Dropout, "forward", forward)


def not_inverted(patch):
    right = Dropout.__init__
    patch.setattr(
        Dropout, "__init__",
        lambda self, ratio, *, rng, **_: right(self, ratio, rng=rng, inverted=False),
    )  # fmt: skip  # what, and by what


def running_start_at_zero(patch):
    patch.setitem(compare.subject.AS_TORCH, "initial_var", 0.0)


def book_epsilon(patch):
    patch.setitem(compare.subject.AS_TORCH, "eps", 10e-7)


def biased(patch):
    patch.setitem(compare.subject.AS_TORCH, "unbiased", False)


def moved_twice(patch):
    """A second forward pass in training, as by a loss that is computed with train_flg."""
    right = MultiLayerNetExtend.gradient

    def gradient(self, x, t):
        self.loss(x, t, train_flg=True)
        return right(self, x, t)

    patch.setattr(MultiLayerNetExtend, "gradient", gradient)


def loss_in_training(patch):
    right = MultiLayerNetExtend.loss
    patch.setattr(MultiLayerNetExtend, "loss", lambda self, x, t: right(self, x, t, True))


def gradient_after_training(patch):
    right = MultiLayerNetExtend.predict
    patch.setattr(MultiLayerNetExtend, "predict", lambda self, x, train_flg=False: right(self, x))


def gamma_is_not_trained(patch):
    right = MultiLayerNetExtend.gradient

    def gradient(self, x, t):
        grads = right(self, x, t)
        return {key: 0 * grad if key == "gamma2" else grad for key, grad in grads.items()}

    patch.setattr(MultiLayerNetExtend, "gradient", gradient)


def decays_gamma(patch):
    right = MultiLayerNetExtend.gradient

    def gradient(self, x, t):
        grads = right(self, x, t)
        decay = self.weight_decay_lambda
        return {k: g + decay * self.params[k] if k[0] == "g" else g for k, g in grads.items()}

    patch.setattr(MultiLayerNetExtend, "gradient", gradient)


def torch_never_in_eval(patch):
    patch.setattr(torch_ref.MultiLayerNetExtend, "eval", lambda self: self)


BATCHNORM, DROPOUT = BOTH[:1], BOTH[1:]
BUGS = [
    (other_masks, DROPOUT, "data dropout masks", "step 0"),
    (drops_what_it_should_keep, DROPOUT, "data dropout masks", "step 0"),
    (not_inverted, DROPOUT, "gradient W4", "step 0"),
    (running_start_at_zero, BATCHNORM, "init running_var1", "the start"),
    (book_epsilon, BATCHNORM, "gradient W4", "step 0"),
    (biased, BATCHNORM, "state running_var1", "step 0"),
    (moved_twice, BATCHNORM, "state running_mean1", "step 0"),
    (loss_in_training, DROPOUT, "loss", "step 0"),
    (gradient_after_training, BATCHNORM, "gradient W4", "step 0"),
    (gamma_is_not_trained, BATCHNORM, "gradient gamma2", "step 0"),
    (decays_gamma, (*BATCHNORM, "--weight-decay", "0.01"), "gradient gamma3", "step 0"),
    (torch_never_in_eval, BATCHNORM, "torch state running_mean1", "step 0"),
]


def seen(plant, extras, data=None):
    """Return the first failing judgement of a run around which the bug is planted."""
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        (init,) = run(*extras, data=data).inits
    assert (init.verdict is Verdict.DIFFERENT) == bool(init.failing)
    return first_failing(init.failing)


@pytest.mark.parametrize(
    ("plant", "extras", "quantity", "where"), BUGS, ids=[plant.__name__ for plant, *_ in BUGS]
)
def test_planted_bug_is_seen_and_placed(digits, plant, extras, quantity, where):
    first = seen(plant, extras, digits)
    assert (first.quantity, first.where) == (quantity, where)


def test_a_step_with_a_row_on_a_relus_edge_is_made_up_for_by_the_next(monkeypatch, digits):
    """BatchNorm ties the rows together: none can be left out."""
    right, calls = compare.trial.kink_rows, []

    def kink_rows(e, rounding):
        calls.append(len(e.x))
        return right(e, rounding) | (len(calls) <= 2)

    monkeypatch.setattr(compare.trial, "kink_rows", kink_rows)
    (init,) = run(*BATCHNORM, data=digits).inits
    assert init.verdict is Verdict.SAME
    assert sorted(init.points) == [2, 3, 10, 11]


def test_masks_differ_from_layer_to_layer_and_step_to_step(monkeypatch, digits):
    seen = []

    class Watched(ScratchStack):
        def step(self, x, t):
            super().step(x, t)
            seen.append([mask.tobytes() for mask in self.masks])

    monkeypatch.setattr(compare.subject, "ScratchStack", Watched)
    run(*DROPOUT, data=digits)
    assert len({mask for masks in seen for mask in masks}) == 3 * 12
