"""How reports are shown: as a value, in a cell, and what is said of limits and initial weights."""

import numpy as np
import pytest

from compare import check_network, check_optimizer
from compare.initialisation import KURTOSES, NORMAL, UNIFORM, kind_of, name_rule
from compare.judgement import Verdict
from compare.shown import CELL, cut
from compare.wording import table
from explained import Net, ReluNet
from sampled import one_in
from scratch import MultiLayerNet


class Uphill:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for key in params:
            params[key] += self.lr * grads[key]


class Doubled(MultiLayerNet):
    def gradient(self, x, t):
        return {key: 2 * grad for key, grad in super().gradient(x, t).items()}


def deep(kind=MultiLayerNet):
    return check_network(kind(9, [7] * 12, 5, rng=np.random.default_rng(0)), explain=False)


REPORTS = {
    "right": lambda: check_network(Net()),
    "wrong": lambda: check_network(Doubled(11, [13], 5, rng=np.random.default_rng(0))),
    "deep": deep,
    "deep and wrong": lambda: deep(Doubled),
    "optimiser": lambda: check_optimizer(Uphill(), "sgd"),
}


@pytest.mark.parametrize("name", one_in(3, REPORTS))
def test_a_report_is_one_line_as_a_value_and_a_page_in_a_cell(name):
    report = REPORTS[name]()
    line = repr(report)
    assert "\n" not in line
    assert str(report.verdict) in line and report.name in line
    if first := report.first_divergence:
        assert first.quantity in line
    shown = report._repr_mimebundle_()
    assert len(shown["text/plain"].splitlines()) <= CELL
    assert len(report._repr_html_().splitlines()) <= CELL
    assert shown["text/html"].startswith("<pre>")
    head = "quantity" + " " * 4
    assert head in shown["text/plain"], "columns"
    for quantity in {j.quantity for j in report.judgements}:
        assert quantity in report.text(verbose=True)


def test_print_of_a_wrong_optimiser_fits_a_page():
    report = check_optimizer(Uphill(), "sgd")
    assert len(str(report).splitlines()) <= CELL
    assert len(report.text(verbose=True)) > len(str(report))


def test_a_shortened_table_keeps_what_is_off_and_counts_the_rest():
    judgements = deep(Doubled).judgements
    rows = table(judgements, 12)
    assert len(rows) == 12
    assert "gradient W13" in rows[1] and "DIFFERENT" in rows[1]
    whole = table(judgements)
    off = sum("DIFFERENT" in row for row in whole)
    assert rows[-1] == f"... and {len(whole) - 11} more quantities, {off - 10} of them off"


def test_a_text_is_cut_with_a_count():
    text = "\n".join(map(str, range(10)))
    assert cut(text, 10) == text
    assert cut(text, 4).splitlines()[:3] == ["0", "1", "2"]
    assert "7 more lines" in cut(text, 4)


# limits


def test_a_loss_that_underflows_is_described_and_its_gradients_are_said_to_stay_right():
    report = check_network(ReluNet())
    text = " ".join(report.text().split())
    assert report.verdict is Verdict.SAME and report.limits
    assert report.diagnosis is None
    assert "Your gradients are right" in text and text.index("are right") < text.index("limit")
    assert "the loss is inf, as the probability of a target underflows to 0" in text
    assert "the gradients stay right" in text
    assert "does not subtract the maximum" not in text


def test_a_softmax_that_overflows_is_described_where_its_logits_are_right():
    class Naive(ReluNet):
        def softmax(self, z):
            e = np.exp(z)
            return e / e.sum(axis=1, keepdims=True)

        def predict(self, x):
            return self.logits(x)

        def loss(self, x, t):
            y = self.softmax(self.logits(x))
            return -np.mean(np.log(y[np.arange(len(x)), t]))

        def gradient(self, x, t):
            self.predict = lambda x: self.softmax(self.logits(x))
            try:
                return super().gradient(x, t)
            finally:
                del self.predict

    with np.errstate(all="ignore"):
        report = check_network(Naive())
    text = " ".join(report.text().split())
    assert report.verdict is Verdict.SAME, text
    assert "gradient W2 b2 W1 b1 are not finite" in text
    assert "Softmax of z - z.max(axis=1, keepdims=True) is finite there" in text
    assert "stay right" not in text


# initial weights


def test_weights_by_no_known_rule_are_described():
    net = Net()
    rng = np.random.default_rng(0)
    for key in ("W1", "W2"):
        net.params[key][...] = rng.random(net.params[key].shape)
    (said,) = [text for text in check_network(net).inferred if "initial weights" in text]
    assert "no known rule: rather uniform than normal from 0.0" in said
    assert "mean 0.5" in said
    assert f"W1 {net.params['W1'].std():.2g} (11 inputs)" in said


def test_a_rule_whose_weights_have_a_mean_does_not_fit():
    """The root mean square of uniform weights on [0, 1) is that of He's rule for 6 inputs."""
    draw = np.random.default_rng(0).random((6, 500))
    assert "no known rule" in name_rule({"W1": draw})
    centred = (2 * draw - 1) * np.sqrt(3) * np.sqrt(2 / 6)
    assert name_rule({"W1": centred}).endswith(", uniform")
    normal = np.random.default_rng(0).standard_normal((6, 500)) * np.sqrt(2 / 6)
    assert name_rule({"W1": normal}).startswith("init he, ratio")


def test_weights_that_are_all_one_number_or_not_finite_are_said_to_be():
    assert name_rule({"W1": np.full((3, 4), 0.5)}).endswith("all are 0.5")
    assert name_rule({"W1": np.full((3, 4), np.nan)}).endswith("not finite")
    each = {"W1": np.zeros((3, 4)), "W2": np.ones((4, 2))}
    assert "one number in each layer" in name_rule(each)


@pytest.mark.parametrize(
    ("kind", "m4", "m6", "m8"), [(NORMAL, 3, 15, 105), (UNIFORM, 9 / 5, 27 / 7, 9)]
)
def test_the_variance_of_a_kurtosis_is_what_the_moments_give(kind, m4, m6, m8):
    expected, variance = KURTOSES[kind]
    assert expected == m4
    assert f"{m8 - 4 * m4 * m6 + 4 * m4**3 - m4**2:.3g}" == f"{variance:.3g}"


@pytest.mark.parametrize("kind", [NORMAL, UNIFORM])
def test_the_error_of_a_kurtosis_is_that_of_samples(kind):
    rng = np.random.default_rng(0)
    draw = rng.standard_normal if kind == NORMAL else rng.random
    samples = draw((4000, 400))
    z = (samples - samples.mean(axis=1, keepdims=True)) / samples.std(axis=1, keepdims=True)
    kurtoses = (z**4).mean(axis=1)
    spreads = {
        name: abs(np.log(kurtoses.std() / np.sqrt(variance / samples.shape[1])))
        for name, (_, variance) in KURTOSES.items()
    }
    assert min(spreads, key=spreads.get) == kind
    assert min(KURTOSES, key=lambda name: abs(kurtoses.mean() - KURTOSES[name][0])) == kind
    assert kind_of({"W1": draw((40, 50))}) == kind
