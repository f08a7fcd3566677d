"""How people write what is judged against a module, and what is passed that cannot be judged."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from compare import check_network


def softmax(y):
    y = np.exp(y - y.max(axis=1, keepdims=True))
    return y / y.sum(axis=1, keepdims=True)


class Port:
    """Two layers; what a subclass replaces is how people write it."""

    rows = 0

    def __init__(self, dtype=np.float64):
        rng = np.random.default_rng(1)
        params = {"W1": rng.standard_normal((6, 8)), "b1": rng.standard_normal(8),
                  "W2": rng.standard_normal((8, 3)),
                  "b2": rng.standard_normal(3)}  # fmt: skip  # a row a layer
        self.params = {k: v.astype(dtype) for k, v in params.items()}

    def logits(self, x):
        P = self.params
        self.a = np.tanh(x @ P["W1"] + P["b1"])
        return self.a @ P["W2"] + P["b2"]

    predict = logits

    def loss(self, x, t):
        y = softmax(self.logits(x))
        return -np.mean(np.log(y[np.arange(len(x)), t]))

    def dy(self, x, t):
        dy = softmax(self.logits(x))
        dy[np.arange(len(x)), t] -= 1
        return dy / len(x)

    def gradient(self, x, t):
        return self.back(x, self.dy(x, t))

    def back(self, x, dy):
        dz = (dy @ self.params["W2"].T) * (1 - self.a**2)
        return {"W1": x.T @ dz, "b1": dz.sum(axis=0).reshape(self.params["b1"].shape),
                "W2": self.a.T @ dy,
                "b2": dy.sum(axis=0).reshape(self.params["b2"].shape)}  # fmt: skip  # as above


def module():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def batch(rows=7):
    rng = np.random.default_rng(2)
    return rng.standard_normal((rows, 6)), rng.integers(0, 3, rows)


def judged(net, **options):
    options.setdefault("reference", module())
    return check_network(net, *batch(), **options)


class Rows(Port):
    def __init__(self):
        super().__init__()
        self.params["b1"], self.params["b2"] = self.params["b1"][None], self.params["b2"][None]


class Probabilities(Port):
    def predict(self, x):
        return softmax(self.logits(x))


class Answers(Port):
    def predict(self, x):
        return self.logits(x).argmax(axis=1)


class Silent(Port):
    predict = None


class GoesBack(Port):
    def loss(self, x, t):
        self.kept = x, t
        return super().loss(x, t)

    def gradient(self, x, t):
        return super().gradient(*self.kept)


@pytest.mark.parametrize("kind", [Port, Rows, Probabilities, Answers, Silent, GoesBack])
def test_each_way_is_same_right_and_different_wrong(kind):
    report = judged(kind())
    assert report.verdict == "SAME", report.text()
    assert (kind is GoesBack) == bool(report.inferred)

    class Wrong(kind):
        def back(self, x, dy):
            grads = super().back(x, dy)
            return {**grads, "b1": grads["b1"] * 1.0001}

    report = judged(Wrong())
    assert report.verdict == "DIFFERENT"
    assert report.place == ("backward", "0", "2.weight")
    assert json.loads(report.to_json())["place"]["module"] == "0"


class Book(Port):
    def loss(self, x, t):
        y = softmax(self.logits(x))
        return -np.sum(np.log(y[np.arange(len(x)), t] + 1e-7)) / len(x)


class Sum(Port):
    def loss(self, x, t):
        return super().loss(x, t) * len(x)

    def dy(self, x, t):
        return super().dy(x, t) * len(x)


class HalfSum(Sum):
    """The loss is a sum, and its gradient that of a mean."""

    dy = Port.dy


@pytest.mark.parametrize("kind", [Book, Sum])
def test_another_definition_of_the_loss_is_a_convention(kind):
    report = judged(kind())
    assert report.verdict == "SAME", report.text()
    assert len(report.conventions) == 1
    assert (report.exit_code(), report.exit_code(strict=True)) == (0, 1)

    class Wrong(kind):
        def back(self, x, dy):
            return {**super().back(x, dy), "W1": 1.01 * super().back(x, dy)["W1"]}

    report = judged(Wrong())
    assert (report.verdict, report.place[:2]) == ("DIFFERENT", ("backward", "0"))
    assert len(report.conventions) == 1


def test_what_is_in_the_loss_alone_is_a_mistake():
    report = judged(HalfSum())
    assert (report.verdict, report.first_divergence.name) == ("DIFFERENT", "loss")
    assert report.first_divergence.ratio == 7 or report.conventions == ()


class Squared(Port):
    def loss(self, x, t):
        return 0.5 * np.sum((self.logits(x) - t) ** 2) / len(x)

    def dy(self, x, t):
        return (self.logits(x) - t) / len(x)


def test_the_books_squared_error_is_a_convention():
    x, t = batch()
    report = check_network(Squared(), x, np.eye(3)[t], reference=module(), loss=F.mse_loss)
    assert report.verdict == "SAME", report.text()
    assert report.conventions == ("the squared error of a sample is halved and summed",)


class OneAtZero(Port):
    """A ReLU whose derivative is 1 at 0, as where the mask is z >= 0."""

    def logits(self, x):
        self.z = x @ self.params["W1"] + self.params["b1"]
        self.a = np.maximum(self.z, 0)
        return self.a @ self.params["W2"] + self.params["b2"]

    predict = logits

    def back(self, x, dy):
        dz = (dy @ self.params["W2"].T) * (self.z >= 0)
        return {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": self.a.T @ dy, "b2": dy.sum(axis=0)}


def test_the_other_derivative_of_a_relu_at_zero_is_a_convention():
    x, t = batch()
    x[::2] = 0  # and no biases: every unit of these samples is at 0
    net = OneAtZero()
    net.params["b1"][...] = 0
    relu = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    report = check_network(net, x, t, reference=relu)
    assert report.verdict == "SAME", report.text()
    assert report.conventions == ("ReLU'(0) is 1; PyTorch's is 0",)
    wrong = OneAtZero()
    wrong.params["b1"][...] = 0
    wrong.back = lambda x, dy: {k: 2 * v for k, v in OneAtZero.back(wrong, x, dy).items()}
    assert check_network(wrong, x, t, reference=relu).verdict == "DIFFERENT"


class OneBatch(Port):
    def logits(self, x):
        if len(x) != 7:
            raise ValueError("made for 7")
        return super().logits(x)

    predict = logits


def test_a_network_for_one_batch_is_judged_on_it_alone():
    assert judged(OneBatch(), stimuli=False).verdict == "SAME"
    report = judged(OneBatch())
    assert report.verdict == "DIFFERENT"
    assert "stimuli=False" in report.text().replace("\n  ", " ")


class Spoiling(Port):
    def gradient(self, x, t):
        grads = super().gradient(x, t)
        x *= 0
        return grads


def test_an_argument_that_is_changed_is_seen():
    report = judged(Spoiling())
    assert (report.verdict, report.first_divergence.probe) == ("DIFFERENT", "purity")


class Updating(Port):
    def gradient(self, x, t):
        grads = super().gradient(x, t)
        self.params["W1"] -= 0.1 * grads["W1"]
        return grads


class Copied(Port):
    """Holds copies, so that what is trained is not what it computes with."""

    def __init__(self):
        super().__init__()
        self.own = {k: v.copy() for k, v in self.params.items()}

    def logits(self, x):
        P = self.own
        self.a = np.tanh(x @ P["W1"] + P["b1"])
        return self.a @ P["W2"] + P["b2"]

    predict = logits


class Shared(Port):
    def gradient(self, x, t):
        grads = super().gradient(x, t)
        self.params["b2"][...], grads["b2"] = grads["b2"], self.params["b2"]
        return grads


@pytest.mark.parametrize(
    ("kind", "probe", "says"),
    [
        (Updating, "purity", "gradient changed params['W1']"),
        (Copied, "aliasing", "no change of them reaches the loss"),
        (Shared, "aliasing", "is the array of b2 itself"),
    ],
)
def test_what_is_one_array_or_two_is_seen(kind, probe, says):
    report = judged(kind())
    assert (report.verdict, report.first_divergence.probe) == ("DIFFERENT", probe), report.text()
    assert says in report.first_divergence.detail


def test_predict_that_is_not_judged_is_said():
    assert "predict: it returns no array" in " ".join(judged(Answers()).not_judged)
    shaped = type("Shaped", (Port,), {"predict": lambda self, x: self.logits(x)[:, :1]})
    assert judged(shaped()).not_judged == (
        "predict: it returns shape (7, 1), and the module (7, 3)",
    )


class Images:
    """A convolution as a product with its patches, W as (C h w, F) or (h, w, C, F)."""

    def __init__(self, shape, order):
        W = np.random.default_rng(4).standard_normal((5, 2, 3, 3))
        self.params = {"W": np.ascontiguousarray(W.transpose(order).reshape(shape)),
                       "b": np.zeros(5)}  # fmt: skip  # a row a parameter
        self.shape, self.order = shape, order

    def own(self):
        there = [(5, 2, 3, 3)[a] for a in self.order]
        return self.params["W"].reshape(there).transpose(np.argsort(self.order))

    def patches(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        return np.einsum("nchwij->nhwcij", windows)

    def predict(self, x):
        out = np.einsum("nhwcij,fcij->nfhw", self.patches(x), self.own())
        return out + self.params["b"][:, None, None]

    def loss(self, x, t):
        return np.mean((self.predict(x) - t) ** 2)

    def gradient(self, x, t):
        d = 2 * (self.predict(x) - t) / t.size
        dW = np.einsum("nhwcij,nfhw->fcij", self.patches(x), d)
        return {"W": dW.transpose(self.order).reshape(self.shape), "b": d.sum(axis=(0, 2, 3))}


@pytest.mark.parametrize(
    ("shape", "order"),
    [((5, 18), (0, 1, 2, 3)), ((18, 5), (1, 2, 3, 0)), ((3, 3, 2, 5), (2, 3, 1, 0))],
)
def test_filters_may_lie_in_any_order(shape, order):
    rng = np.random.default_rng(5)
    x, t = rng.standard_normal((4, 2, 5, 5)), rng.standard_normal((4, 5, 3, 3))
    report = check_network(
        Images(shape, order), x, t, reference=nn.Conv2d(2, 5, 3), loss=F.mse_loss
    )
    assert report.verdict == "SAME", report.text()


def test_a_frozen_parameter_that_is_left_over_stays_as_it_is():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(6), requires_grad=False)
            self.net = module()

        def forward(self, x):
            return self.net(x + self.shift)

    assert judged(Port(), reference=Shifted()).verdict == "SAME"
    shifted = Shifted()
    shifted.shift.requires_grad_(True)
    with pytest.raises(ValueError, match=r"freeze it with requires_grad_\(False\)"):
        judged(Port(), reference=shifted)


class Choosy(nn.Module):
    """Takes no parameters but those that it was made with."""

    def __init__(self):
        super().__init__()
        self.net = module()

    def forward(self, x):
        if not self.net[2].bias.abs().max() < 0.9:
            raise ValueError("not with these")
        return self.net(x)


def test_a_module_that_raises_at_other_parameters_is_judged_at_its_own():
    net = Port()
    net.params["b2"][...] = 0.5
    report = judged(net, reference=Choosy())
    assert report.verdict == "SAME", report.text()
    assert any("not with these" in text for text in report.not_judged)


class OnAnEdge(nn.Module):
    """Selects, for all samples at once, by what is 0 but for rounding."""

    def __init__(self):
        super().__init__()
        self.net = module()

    def forward(self, x):
        total = x.sum()
        return self.net(x) * torch.where(total * (0.1 * 3) > total * 0.3, 1.0, 1.0)


def test_what_is_off_where_nothing_is_proof_is_never_same():
    assert judged(Port(), reference=OnAnEdge()).verdict == "SAME"

    class Wrong(Port):
        def back(self, x, dy):
            return {**super().back(x, dy), "W1": 2 * super().back(x, dy)["W1"]}

    report = judged(Wrong(), reference=OnAnEdge())
    assert report.verdict == "INCONCLUSIVE", report.text()
    assert "selects within rounding" in report.text()


def hooked():
    hooked = module()
    hooked[0].register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("no\nway")))
    return hooked


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reference": module().half()}, "is float16: pass module.float()"),
        ({"reference": module().to("meta")}, "is on meta: judged on the CPU"),
        ({"reference": hooked()}, "the reference raises on x (7, 6), t (7,): RuntimeError: no way"),
        ({"loss": lambda y, t: y}, "the loss: shape (7, 3), where a tensor of one number is due"),
        ({"loss": lambda y, t: 3.0}, "the loss: float, where a tensor of one number is due"),
        ({"loss": nn.MSELoss}, "loss is the class MSELoss; pass an instance, MSELoss()"),
        ({"loss": "mse"}, "loss is str; expected a callable"),
        ({"names": ["W1"]}, "names is list; expected a dict"),
        ({"reference": nn.Linear}, "reference is the class Linear; pass an instance, Linear()"),
        ({"reference": nn.Sequential(nn.LazyLinear(3))}, "has no shape yet: call the module once"),
        ({"loss": F.mse_loss}, "the reference raises"),
        ({"names": {"W1": "2.weight"}}, "W1 has shape (6, 8); the module's 2.weight has (3, 8)"),
    ],
)  # fmt: skip  # a row a case
def test_wrong_use_is_one_line(options, says):
    with pytest.raises((TypeError, ValueError)) as raised:
        judged(Port(), **options)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_hook_that_changes_nothing_is_no_trouble():
    watched, seen = module(), []
    watched[0].register_forward_hook(lambda *_: seen.append(1))
    assert judged(Port(), reference=watched).verdict == "SAME"
    assert seen
