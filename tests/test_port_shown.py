"""What a network shows beside its gradients is judged, too: layers, buffers, modes, masks."""

import numpy as np
import pytest
from torch import nn

from book_extended import BatchNormalization, Dropout, Inverted, MultiLayerNetExtend, Tanh
from compare import check_network


def reference(*, batchnorm=True, dropout=0.0, eps=10e-7):
    parts = []
    for fan_in, fan_out in ((11, 13), (13, 6)):
        parts.append(nn.Linear(fan_in, fan_out))
        if batchnorm:
            parts.append(nn.BatchNorm1d(fan_out, eps=eps))
        parts.append(nn.ReLU())
        if dropout:
            parts.append(nn.Dropout(dropout))
    return nn.Sequential(*parts, nn.Linear(6, 5))


def batch(rows=9):
    rng = np.random.default_rng(3)
    return rng.standard_normal((rows, 11)), rng.integers(0, 5, rows)


class Unbiased(BatchNormalization):
    factor = staticmethod(lambda rows: rows / (rows - 1))


class Net(MultiLayerNetExtend):
    normalization, dropout = Unbiased, Inverted


def with_parts(**parts):
    return type("Planted", (Net,), parts)


def test_layers_and_running_statistics_are_matched_and_right():
    report = check_network(Net(use_dropout=False), *batch(), reference=reference())
    assert report.verdict == "SAME", report.text()
    names = {j.quantity for j in report.judgements}
    assert {"0", "1", "2", "state 1.running_mean", "state 4.running_var"} <= names
    assert any(j.where.endswith("in evaluation") for j in report.judgements)


class WrongTanh(Tanh):
    def forward(self, x):
        super().forward(x)
        return 1.001 * self.out


def test_the_first_layer_that_is_wrong_is_named():
    tanh = nn.Sequential(nn.Linear(11, 13), nn.Tanh(), nn.Linear(13, 6), nn.Tanh(), nn.Linear(6, 5))
    right = with_parts(activation=Tanh)(use_batchnorm=False, use_dropout=False)
    assert check_network(right, *batch(), reference=tanh).verdict == "SAME"
    wrong = with_parts(activation=WrongTanh)(use_batchnorm=False, use_dropout=False)
    report = check_network(wrong, *batch(), reference=tanh)
    assert report.verdict == "DIFFERENT"
    assert report.place == ("forward", "1", "0")


class Misnamed(Net):
    """Shows what comes after the activation under the name of the linear layer."""

    def loss(self, x, t, train_flg=False):
        self.outputs = {"0": self.layers["Activation1"].forward(self.layers["Affine1"].forward(x))}
        return super().loss(x, t, train_flg)


def test_what_is_shown_under_another_name_is_no_mistake():
    net = Misnamed(use_batchnorm=False, use_dropout=False)
    report = check_network(net, *batch(), reference=reference(batchnorm=False))
    assert report.verdict == "SAME", report.text()


class Trainer(Net):
    def train(self, epochs=10):
        self.params["W1"] += 1

    def eval(self):
        raise AssertionError


def test_a_method_that_trains_is_no_switch():
    net = Trainer(use_dropout=False)
    before = net.params["W1"].copy()
    assert check_network(net, *batch(), reference=reference()).verdict == "SAME"
    assert (net.params["W1"] == before).all()


class Drifting(Unbiased):
    def forward(self, x, train_flg=True):
        y = super().forward(x, train_flg)
        if train_flg:
            self.running_mean = self.running_mean * 0.99
        return y


class Batchwise(Unbiased):
    """Normalizes by the batch after training, too."""

    def forward(self, x, train_flg=True):
        kept = self.running_mean, self.running_var
        y = super().forward(x)
        if not train_flg:
            self.running_mean, self.running_var = kept
        return y


@pytest.mark.parametrize(
    ("normalization", "probe", "where"),
    [(Drifting, "state", "your batch of 9"), (Batchwise, "forward", "in evaluation")],
)
def test_what_is_remembered_wrongly_is_seen(normalization, probe, where):
    net = with_parts(normalization=normalization)(use_dropout=False)
    report = check_network(net, *batch(), reference=reference())
    first = report.first_divergence
    assert (report.verdict, first.probe) == ("DIFFERENT", probe)
    assert first.where.endswith(where)


def test_the_books_running_variance_and_another_epsilon_are_conventions():
    net = with_parts(normalization=BatchNormalization)(use_dropout=False)
    report = check_network(net, *batch(), reference=reference(eps=1e-5))
    assert report.verdict == "SAME", report.text()
    assert len(report.conventions) == 2
    assert report.exit_code(strict=True) == 1
    assert report.exit_code() == 0


class Off(Net):
    def gradient(self, x, t):
        grads = super().gradient(x, t)
        return {**grads, "b1": grads["b1"] + 1e-9}


def test_a_gradient_that_is_zero_in_theory_is_judged_by_what_is_added_up():
    report = check_network(Off(use_dropout=False), *batch(), reference=reference())
    assert (report.verdict, report.first_divergence.name) == ("DIFFERENT", "0.bias")


def test_the_books_dropout_is_a_convention():
    net = with_parts(dropout=Dropout)()
    report = check_network(net, *batch(), reference=reference(dropout=0.3))
    assert report.verdict == "SAME", report.text()
    assert report.conventions == (
        "dropout scales by 1 - p afterwards, as in the book; torch's in training",
    )


def test_masks_of_dropout_are_handed_over():
    report = check_network(Net(use_batchnorm=False), *batch(),
                           reference=reference(batchnorm=False, dropout=0.3))  # fmt: skip  # two
    assert report.verdict == "SAME", report.text()

    class Unscaled(Inverted):
        def backward(self, dout):
            return dout * (self.mask != 0)

    wrong = with_parts(dropout=Unscaled)(use_batchnorm=False)
    report = check_network(wrong, *batch(), reference=reference(batchnorm=False, dropout=0.3))
    assert report.verdict == "DIFFERENT"
    assert report.place[:2] == ("backward", "3")


def test_evaluation_is_judged_alone_where_the_module_is_in_it():
    module = reference(batchnorm=False, dropout=0.3).eval()
    report = check_network(Net(use_batchnorm=False, dropout_ratio=0.0), *batch(), reference=module)
    assert report.verdict == "SAME", report.text()
    assert report.not_exercised == ("training (the module was passed in evaluation)",)


def test_a_dropout_without_masks_is_one_line():
    net = Net(use_batchnorm=False, use_dropout=False)
    with pytest.raises(ValueError, match="dropout draws random numbers: evaluate in eval mode"):
        check_network(net, *batch(), reference=reference(batchnorm=False, dropout=0.3))
