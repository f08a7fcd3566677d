"""What explanations may say: nothing of parts that are not there, nothing that reads as nothing, no
convention as a mistake, and the line of the activation at hand.
"""

import numpy as np
import pytest

import book_extended as book
from compare import check_network
from compare.cause import Cause, Diagnosis
from compare.cause_wording import EQUAL, diagnosis_text
from compare.causes.budget import Budget
from compare.causes.case import Case
from compare.causes.extended import EXTENDED
from compare.causes.factor import between, factor, times
from compare.causes.network import NETWORK
from compare.causes.replay import Given, Planted, Replay
from compare.causes.scopes import BATCHNORM, DROPOUT, scopes
from compare.diagnosis import Search
from compare.judgement import Verdict
from compare.rules import Derived
from compare.stimuli import Stimuli, evaluated
from compare.torch_network import Reference
from explained import Net, ReluNet, SigmoidNet
from sampled import one_in
from scratch import MultiLayerNet


def causes(net, **options):
    report = check_network(net, **options)
    assert report.verdict is not Verdict.SAME
    return report, [cause.key for cause in report.diagnosis.causes]


def case(actual=None):
    """Return a case of a plain network, right but for `actual`."""
    reference = Reference((6, 7, 7, 5), "tanh")
    stimulus = Stimuli((6, 7, 7, 5), np.float64, np.random.default_rng(0)).plain()
    e = evaluated(stimulus, reference)
    given = Given(stimulus.params, stimulus.x, stimulus.t, "tanh")
    values = {**e.values(), **(actual(Replay(given).with_gradients().values()) if actual else {})}
    return Case("one", given, values, e.values(), Derived(e, np.float64), np.dtype(np.float64))


def test_a_replay_does_not_depend_on_what_was_replayed_before(monkeypatch):
    """Runs forward are kept, for what follows them."""
    ahead = Planted("affine", lambda c: c.right + 1)
    back = Planted("dW", lambda c: 2 * c.right)
    alone = {m: case().replayed(m) for m in ((), (ahead,), (back,), (ahead, back))}
    one, made, forward = case(), [], Replay._forward
    monkeypatch.setattr(Replay, "_forward", lambda c: made.append(c) or forward(c))
    for mistakes in ((back,), (ahead, back), (), (ahead,), (back,)):
        found = one.replayed(mistakes)
        assert all(np.array_equal(found[key], alone[mistakes][key]) for key in found)
        assert found.keys() == alone[mistakes].keys()
    assert len(made) == 4  # the last was replayed before
    one.network((back,))
    one.network()
    assert len(made) == 5


# factors


@pytest.mark.parametrize(
    ("k", "text"),
    [(1 / 7, "1/7"), (128.0, "128"), (0.356, "0.356"), (-0.0, "0"), (1 + 2e-8, "1 + 2e-08"),
     (1 - 1e-13, "1 - 1e-13"), (-1 - 3e-9, "-1 - 3e-09"), (0.123456789, "0.123457")],
)  # fmt: skip  # a number, its text
def test_a_factor_never_reads_as_nothing(k, text):
    assert factor(k) == text


def test_what_is_nearly_right_is_not_called_1_times_too_small():
    for k in (1 - 1e-8, 1 + 1e-8, 1 + 1e-15):
        assert "times" not in times("W2", k)[0]
        assert f"{abs(k - 1):.0e}" in times("W2", k)[0]
    assert times("W2", 1 / 7)[0] == "W2 is 7 times too small"
    assert between(0.0, -0.0)[0] == "where it is off it is 0"
    assert "times" not in between(1 + 1e-7, 1 + 2e-7)[0]
    assert "0.5 times" in between(0.5, 0.5)[0]


def test_a_gradient_that_is_nearly_right_is_said_to_be_off_by_so_much():
    class Nearly(Net):
        def gradient(self, x, t):
            return {key: grad * (1 + 2e-9) for key, grad in super().gradient(x, t).items()}

    text = " ".join(causes(Nearly())[0].text().split())
    assert "off by 2e-09 of what it should be" in text
    assert " 1 times" not in text


# what may be accused


def test_no_part_is_accused_that_the_network_does_not_have():
    here = case()
    rows = [row for row in NETWORK if row.piece in BATCHNORM | DROPOUT]
    assert len(rows) == len(EXTENDED)
    for row in rows:
        assert not any([*scopes(row, here, target)] for target in here.expected), row.key
    plain = [row for row in NETWORK if row not in rows and not row.of]
    assert all(any([*scopes(row, here, target)] for target in here.expected) for row in plain
               if "float64" not in row.key)  # fmt: skip  # a condition


def test_a_change_that_rounding_explains_is_no_cause():
    """The error is what is allowed, and a little more: any family with a number would fit it."""

    def off(values):
        rng = np.random.default_rng(0)
        noise = rng.standard_normal(values["W2"].shape)
        allowed = case().rule.allowed("W2")
        return {**values, "W2": values["W2"] + 1.3 * allowed * noise / np.linalg.norm(noise)}

    here = case(off)
    assert here.off(()) == ["W2"]
    found = Search([here]).run()
    assert not found.causes, found


def test_three_explanations_that_fit_equally_are_said_and_the_others_counted():
    others = tuple((f"row {i}", f"行 {i}") for i in range(6))
    cause = Cause("a", "forward", ("row", "行"), equals=others, is_certain=False)
    text = "\n".join(diagnosis_text(Diagnosis((cause,), 0.0, 1, 1), "en"))
    assert text.count("row") == EQUAL
    assert "4 more that fit as well" in text


# the line of the activation


@pytest.mark.parametrize(
    ("net", "line", "section"),
    [(ReluNet, "dout * (x > 0)", "5.5.1"), (SigmoidNet, "dout * (1 - out) * out", "5.5.2"),
     (Net, "dout * (1 - out ** 2)", "")],
)  # fmt: skip  # a network, what is right in it
@pytest.mark.parametrize(
    "wrong", one_in(2, ["out", "out**2", "1 + out**2", "(1 - out) ** 2", "1 - out"])
)
def test_the_line_to_write_is_that_of_the_activation(net, line, section, wrong):
    made = type("Wrong", (net,), {"slope": lambda self, u, out: eval(wrong, {"out": out})})
    cause = check_network(made()).diagnosis.causes[0]
    assert cause.key.startswith("slope")
    assert cause.write == line
    assert section in cause.source[0]


def test_every_row_of_several_activations_has_the_line_of_each():
    told = [row for row in NETWORK if not row.of and row.piece in ("slope", "act")]
    lines = ("np.maximum", "np.tanh", "(1 - out)", "1 - out ** 2", "x > 0")
    for row in told:
        assert not any(line in row.write for line in lines), row.key
        for activation in ("relu", "sigmoid", "tanh", "one that is not known"):
            assert "{" not in row.remedy(activation)[0] + row.written("1", activation), row.key


# dropout


class MaskOut(book.Dropout):
    def forward(self, x, train_flg=True):
        if not train_flg:
            return x * (1 - self.dropout_ratio)
        self.mask = np.random.rand(*x.shape) > self.dropout_ratio  # noqa: NPY002  # as people do
        return self.mask


def extended(**pieces):
    return type("Extended", (book.MultiLayerNetExtend,), pieces)


def test_dropout_that_returns_its_mask_is_named_and_no_copies_are():
    report, keys = causes(extended(dropout=MaskOut)(use_dropout=True, use_batchnorm=False))
    assert keys == ["dropout returns its mask"]
    assert report.diagnosis.causes[0].is_certain
    assert report.first_divergence.name == "d1"
    assert "copies" not in report.text()


def test_layers_that_hold_copies_are_still_found():
    net = MultiLayerNet(11, [13, 6], 5, rng=np.random.default_rng(0))
    for layer in net.layers.values():
        if hasattr(layer, "W"):
            layer.W = layer.W.copy()
    assert "does not reach the loss" in check_network(net).first_divergence.detail


# conventions beside a mistake


class TurnedSign(SigmoidNet):
    """The sign of the exponent is wrong; the loss is the book's."""

    def activation(self, u):
        return 1 / (1 + np.exp(u))

    def loss(self, x, t):
        return -np.mean(np.log(self.predict(x)[np.arange(len(x)), t] + 1e-7))


class SummedOverAll(ReluNet):
    """Softmax over the batch at once; loss and gradient are sums."""

    def softmax(self, z):
        e = np.exp(z)
        return e / e.sum()

    def loss(self, x, t):
        return super().loss(x, t) * len(x)

    def gradient(self, x, t):
        return {key: grad * len(x) for key, grad in super().gradient(x, t).items()}


@pytest.mark.parametrize(
    ("net", "declared", "key", "convention"),
    [(TurnedSign, None, "activation of a multiple", "log(y + 1e-7)"),
     # where only the end is seen, and is wrong, which activation is meant is a guess
     (SummedOverAll, "relu", "softmax over everything", "sums over the batch")],
)  # fmt: skip  # a network, its activation, its mistake, its convention
def test_a_convention_beside_a_mistake_is_no_second_cause(net, declared, key, convention):
    report, keys = causes(net(), activation=declared)
    assert keys == [key]
    assert report.diagnosis.is_repaired
    (beside,) = report.diagnosis.beside
    assert convention in beside[0]
    assert f"beside     {beside[0][:20]}" in report.text(lang="en")


class Unseen:
    """A network of which only loss and gradient can be seen."""

    def __init__(self, net):
        self.net, self.params = net, net.params

    def loss(self, x, t):
        return self.net.loss(x, t)

    def gradient(self, x, t):
        return self.net.gradient(x, t)


@pytest.mark.slow
@pytest.mark.parametrize("net", [TurnedSign, SummedOverAll])
def test_a_convention_beside_a_mistake_is_recognised_where_the_forward_pass_is_not_seen(net):
    report, keys = causes(Unseen(net()))
    assert len(keys) == 1, keys
    assert "times" not in report.diagnosis.causes[0].finding[0], "one number fits one number"
    assert report.diagnosis.is_repaired
    assert len(report.diagnosis.beside) == 1


class Summed:
    """Loss and gradient are sums; db is that of the mean, which is the mistake."""

    def loss(self, x, t):
        return super().loss(x, t) * len(x)

    def gradient(self, x, t):
        grads = super().gradient(x, t)
        return {k: grad * len(x) if k[0] == "W" or self.is_right else grad
                for k, grad in grads.items()}  # fmt: skip  # an item, its source

    is_right = False


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(
    "net", [Net, *(pytest.param(n, marks=pytest.mark.slow) for n in (ReluNet, SigmoidNet))]
)
def test_two_mistakes_that_are_one_under_a_convention_are_one(net, seen):
    wrong = type("Wrong", (Summed, net), {})()
    report, keys = causes(wrong if seen else Unseen(wrong))
    assert keys == ["db scaled"], report.text()
    assert "sums over the batch" in report.diagnosis.beside[0][0]


@pytest.mark.parametrize("net", [Net, ReluNet, SigmoidNet])
def test_a_summed_loss_hides_no_activation(net):
    right = type("Right", (Summed, net), {"is_right": True})()
    report = check_network(Unseen(right))
    assert report.verdict is Verdict.SAME, report.text()


def test_a_loss_that_alone_is_summed_is_a_mistake_beside_another():
    """Of loss and gradient both must follow a convention."""

    class Summed(TurnedSign):
        def loss(self, x, t):
            return Net.loss(self, x, t) * len(x)

    report, keys = causes(Summed())
    assert keys == ["activation of a multiple", "loss scaled"]
    assert not report.diagnosis.beside


# no biases


class NoBiases(Net):
    """Whose biases are there only to be asked for."""

    def logits(self, x):
        self.u = x @ self.params["W1"]
        self.a = self.activation(self.u)
        return self.a @ self.params["W2"]

    def gradient(self, x, t):
        grads = super().gradient(x, t)
        return {key: grad * (key[0] == "W") for key, grad in grads.items()}


def test_a_network_without_biases_is_one_remark_and_the_mistake_comes_first():
    class Wrong(NoBiases):
        def slope(self, u, out):
            return out

    report, keys = causes(Wrong())
    assert keys == ["slope out"]
    assert "has no biases" in report.diagnosis.beside[0][0]
    assert report.diagnosis.is_repaired


def test_a_network_without_biases_has_no_two_causes():
    report, keys = causes(NoBiases())
    assert keys == ["no biases"]
    assert report.diagnosis.is_repaired


def test_gradients_of_biases_that_are_0_in_a_network_with_biases_are_a_mistake():
    class Wrong(Net):
        def gradient(self, x, t):
            grads = super().gradient(x, t)
            return {key: grad * (key[0] == "W") for key, grad in grads.items()}

    report, keys = causes(Wrong())
    assert keys == ["db scaled"]
    assert not report.diagnosis.beside


# the budget


def test_where_the_budget_ends_it_is_said_how_many_were_tried():
    here = case(lambda values: {**values, "W2": 2 * values["W2"]})
    whole = Search([here]).run()
    assert whole.causes and whole.tried == (0, 0)
    cut = Search([here], most=1).run()
    count, total = cut.tried
    assert 0 < count < total == len(NETWORK)
    assert f"({count} of {total})" in " ".join(" ".join(diagnosis_text(cut, "en")).split())
    assert not any(cause.is_certain for cause in cut.causes)


def test_replays_are_counted_and_none_twice():
    here = case()
    budget = Budget(3)
    here = Case(*[getattr(here, n) for n in ("where", "given", "actual", "expected", "rule",
                                             "dtype")], budget=budget)  # fmt: skip  # as in Case
    here.replayed(())
    here.replayed(())
    assert budget.used == 1 and not budget.is_spent
    here.network()
    here.network()
    assert budget.is_spent


# running statistics


class Norm(book.BatchNormalization):
    share = 0.03

    def __init__(self, gamma, beta):
        super().__init__(gamma, beta)
        self.momentum = 1 - self.share


@pytest.mark.parametrize("share", one_in(4, [0.03, 0.25, 1 / 3, 0.987]))
def test_running_statistics_may_take_any_share_of_a_batch(share):
    kind = type("Kind", (Norm,), {"share": share})
    report = check_network(extended(normalization=kind)(use_dropout=False))
    assert report.verdict is Verdict.SAME, report.text()
    assert any(f"running statistics take {share:.6g}" in text for text in report.conventions)


@pytest.mark.parametrize(("share", "key"), [(0.9, "running share"), (0.19, "running twice")])
def test_the_other_share_and_that_of_two_moves_are_mistakes(share, key):
    kind = type("Kind", (Norm,), {"share": share})
    report, keys = causes(extended(normalization=kind)(use_dropout=False))
    assert key in keys
    assert not any("running statistics take" in text for text in report.conventions)
