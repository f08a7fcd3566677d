"""Networks at the edge of what is known: never called wrong where right, nor right where wrong."""

import re
from dataclasses import replace

import numpy as np
import pytest

import variants
from compare import cli
from compare.activations import BOOK, KNOWN
from compare.check import assert_parity, check_network
from compare.judgement import Verdict
from correct import IMPLEMENTATIONS
from sampled import one_in
from variants import UNKNOWN, Options, Variant

SIZES = (9, 8, 6, 5)
IN_BOTH = ["float64", pytest.param("float32", marks=pytest.mark.slow)]


def judged(options=Options(), wrong="", sizes=SIZES, **declared):  # noqa: B008  # frozen
    return check_network(Variant(sizes, options, wrong=wrong), **declared)


def found(report):
    return "; ".join(report.inferred)


def cause_keys(report):
    causes = report.diagnosis.causes if report.diagnosis else ()
    return {key for cause in causes for key in (cause.key, *cause.equal_keys)}


# targets


@pytest.mark.parametrize("form", ["labels", "one-hot", "both", "loop", "columns"])
@pytest.mark.parametrize("dtype", IN_BOTH)
def test_the_form_of_targets_is_the_one_that_is_meant(form, dtype):
    report = judged(Options(targets=form, predict="probabilities", dtype=dtype))
    assert report.verdict is Verdict.SAME, report.text()
    named = "labels" if form in ("labels", "both") else "one-hot"
    assert f"targets as {named}" in found(report)
    assert ("and as one-hot" in found(report)) == (form == "both")


def test_a_form_that_runs_and_is_not_meant_is_said():
    report = judged(Options(targets="loop"))
    assert report.not_exercised == ("targets as labels (which run, too, and give another loss)",)
    assert "Not exercised: targets as labels" in report.text().split("\nnetwork")[0]


@pytest.mark.parametrize("first", ["labels", "one-hot"])
def test_a_branch_for_one_hot_targets_is_judged_too(first, rng):
    net = Variant(SIZES, Options(targets="both"), wrong="one-hot is not divided")
    t = rng.integers(0, 5, 7)
    report = check_network(
        net, rng.standard_normal((7, 9)), np.eye(5)[t] if first != "labels" else t
    )
    assert report.verdict is Verdict.DIFFERENT
    assert f"targets as {first}, and as" in found(report)
    wrong = {j.where.endswith("one-hot") for j in report.judgements if j.fails}
    assert wrong == {first == "labels"}
    assert "seed scaled" in cause_keys(report), report.text()
    assert (
        judged(Options(targets="both"), "one-hot is not divided", targets="labels").verdict
        == "SAME"
    )


# activations, and functions that nobody knows


@pytest.mark.parametrize("name", one_in(2, KNOWN))
@pytest.mark.parametrize("dtype", IN_BOTH)
def test_activations_are_found(name, dtype):
    report = judged(Options(activation=name, slope=0.2, dtype=dtype, predict="probabilities"))
    assert report.verdict is Verdict.SAME, report.text()
    slope = ", slope 0.2" if name == "leaky_relu" else ""
    assert report.activation == name + slope
    assert not report.is_guess


OTHERWISE = ("gelu", "identity", "relu")  # 1 is its own square, and so are 0 and 1


@pytest.mark.parametrize(
    "name",
    ["gelu", *(pytest.param(k, marks=pytest.mark.slow) for k in KNOWN if k not in OTHERWISE)],
)
def test_a_wrong_derivative_of_any_activation_is_seen(name):
    report = judged(Options(activation=name, slope=0.2), "derivative squared")
    assert report.verdict is Verdict.DIFFERENT, report.text()


def test_what_is_declared_is_judged_as_that():
    report = judged(Options(activation="gelu"), activation="relu")
    assert report.verdict is Verdict.DIFFERENT
    assert report.first_divergence.name == "logits"
    assert judged(Options(activation="gelu"), activation="gelu").verdict is Verdict.SAME
    leaky = Options(activation="leaky_relu", slope=0.2)
    assert judged(leaky, activation="leaky_relu").verdict is Verdict.SAME


@pytest.mark.parametrize("name", one_in(2, UNKNOWN))
@pytest.mark.parametrize("dtype", IN_BOTH)
def test_another_function_is_no_mistake(name, dtype):
    report = judged(Options(activation=name, dtype=dtype, predict="probabilities"))
    assert report.verdict is Verdict.INCONCLUSIVE, report.text()
    assert report.exit_code() == 3
    assert report.is_guess and "activation" not in found(report)
    text = report.text()
    assert re.search(r"--activation (relu|sigmoid|tanh)\b", text.replace("\n", " "))
    assert "supposed" in text and "nearest" not in text
    assert all(name in text.replace("\n", " ") for name in KNOWN)


def test_another_function_beside_an_epsilon_is_no_mistake():
    options = Options(activation="arctan", epsilon=1e-7, predict="probabilities")
    report = judged(options)
    assert report.verdict is Verdict.INCONCLUSIVE, report.text()
    assert judged(options, "derivative squared", explain=False).verdict is Verdict.DIFFERENT


def test_another_function_with_a_wrong_gradient_is_a_mistake():
    report = judged(Options(activation="arctan"), "derivative squared")
    assert report.verdict is Verdict.DIFFERENT


def test_another_loss_is_no_mistake_and_raises_in_a_test():
    options = Options(loss="squared", predict="probabilities")
    with pytest.raises(AssertionError, match="softmax cross-entropy was supposed") as raised:
        assert_parity(Variant(SIZES, options))
    assert str(raised.value).startswith("INCONCLUSIVE")
    assert judged(options, "dW1 doubled", explain=False).verdict is Verdict.DIFFERENT


def test_a_known_mistake_in_a_right_function_is_a_mistake_still():
    report = judged(Options(), "derivative of relu", sizes=(9, 8, 5))
    assert report.verdict is Verdict.SAME  # which it is, of a ReLU
    report = judged(Options(activation="leaky_relu"), "derivative of relu")
    assert report.verdict is Verdict.DIFFERENT
    assert cause_keys(report) == {"leaky relu"}, report.text()


# weight decay


@pytest.mark.parametrize("form", ["half", pytest.param("whole", marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", one_in(2, [
    Options(dtype="float32"), Options(), Options(epsilon=1e-7), Options(summed=True),
    Options(predict="none", bias="none"), Options(activation="gelu"), Options(layernorm=True),
    Options(activation="leaky_relu", slope=0.1, predict="none"), Options(step=1e-4),
]), ids=str)  # fmt: skip  # options a line
def test_weight_decay_under_any_name_is_found(options, form):
    report = judged(replace(options, decay=0.1, decay_form=form), sizes=(5, 4, 3))
    assert report.verdict is Verdict.SAME, report.text()
    decay = 0.1 if form == "half" else 0.2
    assert f"weight decay {decay:g} in loss and gradient" in report.conventions


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_weight_decay_in_one_of_loss_and_gradient_is_a_mistake(where):
    report = judged(Options(decay=0.1), f"decay missing in the {where}")
    assert report.verdict is Verdict.DIFFERENT
    assert not report.conventions


def test_declared_weight_decay_is_no_convention():
    report = judged(Options(decay=0.1), weight_decay_lambda=0.1)
    assert (report.verdict, report.conventions) == (Verdict.SAME, ())
    assert judged(Options(decay=0.1), weight_decay_lambda=0.0).verdict is Verdict.DIFFERENT


def test_weight_decay_is_not_found_where_there_is_none():
    for options in (Options(epsilon=1e-7), Options(summed=True), Options(dtype="float32")):
        report = judged(options)
        assert not any("decay" in text for text in report.conventions)


# gradients by finite differences


@pytest.mark.parametrize("central", [True, False])
@pytest.mark.parametrize("step", [1e-3, 1e-4, 1e-6])
def test_numerical_gradients_are_recognised(step, central):
    report = judged(Options(step=step, central=central, activation="sigmoid"), sizes=(5, 4, 3))
    assert report.verdict is Verdict.SAME, report.text()
    (convention,) = report.conventions
    h = float(convention.split("h = ")[1])
    assert h == step and ("- L(w - h)" in convention) == central


def test_analytic_gradients_are_not_taken_for_numerical_ones():
    for wrong in ("", "dW1 doubled", "db averaged"):
        report = judged(Options(), wrong)
        assert not any("numerical" in text for text in report.conventions)


class Halved(Variant):
    """Divides a forward difference by 2h."""

    def numerical(self, x, t):
        return {key: grad / 2 for key, grad in super().numerical(x, t).items()}


class ByRows(Variant):
    """Loops over the rows of W."""

    def numerical(self, x, t):
        grads = {}
        for key, value in self.params.items():
            grads[key] = np.zeros_like(value)
            for i in range(len(value)):
                kept = np.copy(value[i])
                value[i] = kept + self.o.step
                up = self.loss(x, t)
                value[i] = kept - self.o.step
                down = self.loss(x, t)
                value[i] = kept
                grads[key][i] = (up - down) / (2 * self.o.step)
        return grads


def test_a_wrong_numerical_gradient_is_a_mistake():
    options = Options(step=1e-4, central=False)
    report = check_network(Halved((5, 4, 3), options))
    assert report.verdict is Verdict.DIFFERENT
    assert "1/2 times it" in found(report)


def test_a_numerical_gradient_that_moves_whole_rows_is_named():
    report = check_network(ByRows((5, 4, 3), Options(step=1e-4)))
    assert report.verdict is Verdict.DIFFERENT
    assert cause_keys(report) == {"numerical gradient by rows"}
    assert "goes over the rows of W" in report.text().replace("\n", " ")


# normalizations, biases, and what else people write


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_layernorm_is_told_from_batchnorm(dtype):
    report = judged(Options(layernorm=True, dtype=dtype))
    assert report.verdict is Verdict.SAME, report.text()
    assert "LayerNorm" in report.inferred


def test_a_mistake_in_layernorm_is_named():
    report = judged(Options(layernorm=True), "norm without its third term")
    assert report.verdict is Verdict.DIFFERENT
    assert cause_keys(report) == {"batchnorm back without variance"}, report.text()
    text = report.text()
    assert "LayerNorm" in text and "BatchNorm" not in text


class BatchNormInTheNet(Variant):
    """BatchNorm whose running statistics are attributes of the network."""

    def forward(self, x):
        self.a, self.z, self.n, self.xn, self.s = [x], [], [], [], []
        for i in range(1, self.L + 1):
            z = self.a[-1] @ self.W(i) + self.b(i)
            if i == self.L:
                return z
            self.s.append(np.sqrt(z.var(axis=0) + 1e-5))
            self.xn.append((z - z.mean(axis=0)) / self.s[-1])
            self.n.append(self.params[f"gamma{i}"] * self.xn[-1] + self.params[f"beta{i}"])
            self.a.append(np.maximum(self.n[-1], 0))
        raise AssertionError

    def through_norm(self, d, i):
        xn = self.xn[i - 1]
        return (d - d.mean(axis=0) - xn * (d * xn).mean(axis=0)) / self.s[i - 1]


def test_batchnorm_without_layers_is_judged():
    report = check_network(BatchNormInTheNet(SIZES, Options(layernorm=True)))
    assert report.verdict is Verdict.SAME, report.text()
    assert "running statistics are not judged: no layers with running_mean" in report.inferred


@pytest.mark.parametrize("bias", ["row", "column", "none"])
def test_biases_of_any_shape_are_taken(bias):
    options = Options(bias=bias, activation="tanh")
    assert judged(options).verdict is Verdict.SAME
    wrong = "db averaged" if bias != "none" else "dW1 doubled"
    report = judged(options, wrong)
    assert report.verdict is Verdict.DIFFERENT
    assert ("no b1, b2, b3" in found(report)) == (bias == "none")


@pytest.mark.parametrize("options", [
    *one_in(3, [Options(predict="answers"), Options(matrix=True), Options(needs_loss=True)]),
], ids=str)  # fmt: skip  # options a line
def test_what_else_people_write_is_taken(options):
    assert judged(options).verdict is Verdict.SAME
    assert judged(options, "dW1 doubled").verdict is Verdict.DIFFERENT


# a first look, whatever it is


class YesNo:
    """One sigmoid output, binary cross-entropy; two gradients are off."""

    def __init__(self, n_in=6, n_hidden=5):
        rng = np.random.default_rng(0)
        self.params = {
            "W1": rng.standard_normal((n_in, n_hidden)), "b1": np.zeros(n_hidden),
            "W2": rng.standard_normal((n_hidden, 1)), "b2": np.zeros(1),
        }  # fmt: skip  # a parameter a pair

    def forward(self, x):
        a = np.tanh(x @ self.params["W1"] + self.params["b1"])
        return a, variants.sigmoid(a @ self.params["W2"] + self.params["b2"])

    def loss(self, x, t):
        y, t = self.forward(x)[1].ravel(), np.ravel(t)
        return -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))

    def gradient(self, x, t):
        a, y = self.forward(x)
        d2 = (y - np.reshape(t, (-1, 1))) / len(x)
        d1 = (d2 @ self.params["W2"].T) * (1 - a**2)
        return {"W1": x.T @ d1, "b1": 4 * d1.sum(0), "W2": 2 * a.T @ d2, "b2": d2.sum(0)}


class Conv(YesNo):
    """A convolution whose kernel is the first parameter: another shape than is judged."""

    def __init__(self, classes=3):
        rng = np.random.default_rng(0)
        self.params = {
            "W1": rng.standard_normal((2, 1, 3, 3)), "W2": rng.standard_normal((32, classes)),
        }  # fmt: skip  # a parameter a pair

    def forward(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), axis=(1, 2))
        self.col = windows.reshape(len(x), 16, 9)
        u = (self.col @ self.params["W1"].reshape(2, 9).T).transpose(0, 2, 1)
        a = np.tanh(u).reshape(len(x), -1)
        e = np.exp(a @ self.params["W2"])
        return a, e / e.sum(axis=1, keepdims=True)

    def loss(self, x, t):
        return -np.mean(np.log(self.forward(x)[1][np.arange(len(x)), t]))

    def gradient(self, x, t):
        a, d2 = self.forward(x)
        d2[np.arange(len(x)), t] -= 1
        d2 /= len(x)
        d1 = ((d2 @ self.params["W2"].T) * (1 - a**2)).reshape(len(x), 2, 16)
        return {
            "W1": np.einsum("bfp,bpk->fk", d1, self.col).reshape(2, 1, 3, 3), "W2": a.T @ d2,
        }  # fmt: skip  # a gradient a pair


def test_finite_differences_are_said_of_what_is_refused():
    with pytest.raises(ValueError, match="a softmax needs 2 or more") as refused:
        check_network(YesNo())
    text = str(refused.value)
    assert "b1 (4 times it), W2 (2 times it); right are W1, b2" in text
    assert "x (7, 6)" in text


def test_a_convolution_gets_a_first_look_too():
    with pytest.raises(ValueError, match="each gradient is the derivative of its own loss"):
        check_network(Conv())
    net = Conv()
    before = {key: value.copy() for key, value in net.params.items()}
    with pytest.raises(ValueError):
        check_network(net)
    assert all(np.array_equal(net.params[key], before[key]) for key in before)


@pytest.mark.parametrize(
    "implementation", one_in(4, IMPLEMENTATIONS), ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize("kind", ["equal", "blank"])
@pytest.mark.parametrize("count", [1000, 20_000])
def test_rows_that_round_alike_are_no_mistake_in_float32(rng, implementation, kind, count):
    net = implementation((20, 10, 5), "relu", np.float32, rng=rng)
    row = rng.random((1, 20)) * (kind == "equal")
    rows, t = np.tile(row, (count, 1)), np.ones(count, int)
    report = check_network(net, rows, t, explain=False)
    assert report.verdict is Verdict.SAME, report.text()


# what is mended later, by the title of that work


@pytest.mark.xfail(
    strict=True, raises=ValueError, reason="Layers alone, convolution, recurrence, attention"
)
def test_a_right_convolution_is_same():
    assert check_network(Conv()).verdict is Verdict.SAME


# the command


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file with the networks of this one."""
    path = tmp_path_factory.mktemp("edges") / "net.py"
    folder = str(variants.__file__).removesuffix("variants.py")
    path.write_text(
        f"import sys; sys.path.insert(0, {folder!r})\n"
        "from variants import Options, Variant\nimport test_edges\n"
        "class Decayed(Variant):\n"
        "    def __init__(self, sizes, use_decay=True, wrong=''):\n"
        "        super().__init__(sizes, Options(decay=0.1 * use_decay, targets='both',\n"
        "                         activation='gelu'), wrong=wrong)\n"
        "class Refused(test_edges.YesNo):\n    pass\n"
        "class Unbiased(Variant):\n"
        "    def __init__(self, sizes):\n"
        "        super().__init__(sizes, Options(bias='none'))\n"
    )
    return path


@pytest.mark.slow
def test_the_command_declares_and_names_what_was_not_exercised(file, capsys):
    assert cli.main(["check", f"{file}:Decayed"]) == 0
    out = capsys.readouterr().out
    assert "weight decay 0.1 in loss and gradient" in out
    assert "Not exercised: --arg use_decay=False." in out
    assert "targets as labels, and as one-hot" in out
    declared = ["--weight-decay", "0.1", "--targets", "one-hot", "--activation", "gelu"]
    assert cli.main(["check", f"{file}:Decayed", *declared]) == 0
    out = capsys.readouterr().out
    assert "targets as one-hot;" in out and "convention" not in out
    wrong = "wrong=one-hot is not divided"
    assert cli.main(["check", f"{file}:Decayed", "--arg", wrong]) == 1
    assert "random biases, one-hot" in capsys.readouterr().out


def test_the_command_prints_a_first_look_before_it_refuses(file, capsys):
    assert cli.main(["check", f"{file}:Refused"]) == 2
    out, err = capsys.readouterr()
    assert "b1 (4 times it), W2 (2 times it)" in out.replace("\n", " ")
    assert len(err.splitlines()) == 1 and "a softmax needs 2 or more" in err


@pytest.mark.parametrize(("name", "says"), [
    *one_in(2, [("Unbiased", "has no b1, b2"),
                ("Decayed", "a run trains networks of relu, sigmoid, tanh")]),
])  # fmt: skip  # a network a line
def test_a_run_says_what_it_does_not_train(file, capsys, name, says):
    run = ["run", "--candidate", f"{file}:{name}", "--data", "digits", "--hidden", "5"]
    assert cli.main([*run, "--steps", "2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line and "netparity check" in line


def test_switches_of_an_instance_are_named():
    class Switched(Variant):
        def __init__(self, use_batchnorm=False, activation="relu", verbose=False):
            super().__init__(SIZES)

    report = check_network(Switched())
    assert report.not_exercised == ("another use_batchnorm", "another activation")
    assert len(BOOK) == 3
