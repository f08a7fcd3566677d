"""The pytest plugin: a fixture, a marker, and nothing before they are used."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netparity_plugin import PROBES, VERDICT

pytest_plugins = ["pytester"]
TESTS = Path(__file__).parent
NETWORK = (TESTS / "my_network.py").read_text(encoding="utf-8")
ACCEPTING = """
    [tool.netparity]
    accept = ["log(y + 1e-7) in the loss as in the book"]
"""


@pytest.fixture
def project(pytester):
    """A project with the README's network."""
    pytester.makepyfile(my_network=NETWORK, right=NETWORK.replace("dh.mean(", "dh.sum("))
    return pytester


def outcomes(result):
    """Return what became of each test, by function and part."""
    found = {}
    for report in result.reprec.getreports("pytest_runtest_logreport"):
        if report.when == "call" or report.outcome != "passed":
            became = "xfailed" if hasattr(report, "wasxfail") else report.outcome
            function, _, part = report.nodeid.split("::")[-1].rstrip("]").partition("[")
            found[function, part] = became, str(report.longrepr)
    return found


def test_fixture_passes_and_fails_beside_modules_of_our_names(project):
    project.makepyfile(compare="def run(): return 'theirs'", scratch="OURS = False")
    project.makepyprojecttoml(ACCEPTING)
    project.makepyfile(
        """
        import compare, scratch
        import my_network, pytest, right

        def test_right(assert_parity):
            assert_parity(right.TwoLayerNet(7, 6, 5), strict=True)
            assert compare.run() == "theirs"
            import compare as again
            assert again is compare and scratch.OURS is False

        def test_wrong(assert_parity):
            assert_parity(my_network.TwoLayerNet(7, 6, 5))

        @pytest.mark.parity(strict=True)
        def test_marked():
            return right.TwoLayerNet(7, 6, 5)
        """
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=7, failed=1, skipped=2)
    result.stdout.fnmatch_lines(["*First divergence: gradient b1, on 7 rows, random biases*"])
    result.stdout.no_fnmatch_line("*netparity_plugin.py*")


def test_accept_of_the_project_of_the_file_counts_in_the_imported_function_too(project):
    text = """
        from compare import assert_parity
        from right import TwoLayerNet

        def test_{}():
            assert_parity(TwoLayerNet(7, 6, 5), strict=True)
    """
    project.makepyprojecttoml(ACCEPTING)
    project.makeconftest(f"import sys; sys.path.insert(0, {str(project.path)!r})")
    project.makepyfile(
        test_above=text.format("above"),
        **{
            "deep/test_deep": text.format("deep"),
            "own/test_own": text.format("own"),
            "wrong/test_wrong": text.format("wrong"),
        },
    )
    (project.path / "own" / "pyproject.toml").write_text("[project]\nname = 'own'\n")
    wrong = '[tool.netparity]\naccept = ["log(y + 1e-7) in the loss"]\n'
    (project.path / "wrong" / "pyproject.toml").write_text(wrong)
    said = outcomes(project.runpytest_inprocess("-p", "no:cacheprovider"))
    assert [said[name, ""][0] for name in ("test_above", "test_deep")] == ["passed"] * 2
    assert "SAME but by another convention" in said["test_own", ""][1]
    meant = "did you mean 'log(y + 1e-7) in the loss as in the book'?"
    assert meant in said["test_wrong", ""][1]
    assert not any("compare/" in text for _, text in said.values())


WRONG = """
    import numpy as np
    import pytest
    from my_network import TwoLayerNet as Mean
    from right import TwoLayerNet as Right
    from scratch import MultiLayerNetExtend
    from scratch.layers_extend import BatchNormalization

    WEIGHTS = "W1", "W2"
    RNG = np.random.default_rng(0)

    class Norm(BatchNormalization):
        floor, drift = 0, 0

        def forward(self, x, train_flg=True):
            out = super().forward(x, train_flg)
            self.running_mean = self.running_mean + self.drift * train_flg
            return out * (out > -self.floor) if 0 < x.std(axis=0).max() < self.floor else out

    def extended(**how):
        net = MultiLayerNetExtend(7, [6], 5, use_batchnorm=True, rng=np.random.default_rng(1))
        layer = net.layers["BatchNorm1"]
        layer.__class__ = type("Norm", (Norm,), how)
        return net

    class Decaying(Right):
        weight_decay_lambda = 0.0

        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.weight_decay_lambda = 0.0

        def loss(self, x, t):
            decay = self.weight_decay_lambda / 2
            return super().loss(x, t) + decay * sum((self.params[k] ** 2).sum() for k in WEIGHTS)

        def gradient(self, x, t):
            grads = super().gradient(x, t)
            for k in WEIGHTS:
                grads[k] = grads[k] + self.weight_decay_lambda / 2 * self.params[k]
            return grads

    class TwentyRows(Right):
        def gradient(self, x, t):
            grads = super().gradient(x, t)
            return {k: v * (1 + (len(x) == 20)) for k, v in grads.items()}

    @pytest.mark.parity(explain=False)
    def test_drift():
        return extended(drift=0.01)

    @pytest.mark.parity(explain=False)
    def test_small():
        return extended(floor=0.1)

    @pytest.mark.parity(explain=False)
    def test_decay():
        return Decaying(7, 6, 5)

    @pytest.mark.parity(
        x=RNG.standard_normal((20, 7)), t=RNG.integers(5, size=20), explain=False
    )
    def test_batch():
        return TwentyRows(7, 6, 5)

    @pytest.mark.parity(init="he")
    def test_init():
        return Right(7, 6, 5)

    @pytest.mark.parity(known={"gradient b1": "the mean, see issue 12"}, activation="relu")
    def test_known():
        return Mean(7, 6, 5)

    @pytest.mark.parity(known={"gradient b9": "mistyped"}, explain=False)
    def test_mistyped():
        return Mean(7, 6, 5)

    @pytest.mark.parity(known={"gradient b2": "mended"}, explain=False)
    def test_mended():
        return Mean(7, 6, 5)

    @pytest.mark.parity
    @pytest.mark.parametrize("kind", [Right, Mean], ids=["first", "second"])
    def test_several(kind):
        with open("called", "a") as file:
            file.write("x")
        return kind(7, 6, 5)

    @pytest.mark.parity(strict=True)
    def test_strict():
        return Right(7, 6, 5)

    @pytest.fixture
    def nothing_judged(assert_parity, monkeypatch):
        examine = assert_parity.__globals__["_examine"]
        examination = examine.__globals__["Examination"]
        stimuli = examination.__init__.__globals__["stimuli_of"].__globals__["Stimuli"]
        monkeypatch.setattr(stimuli, "battery", lambda *_: [])

    @pytest.mark.parity
    def test_open(nothing_judged):
        return Right(7, 6, 5)

    @pytest.mark.parity
    def test_nothing():
        pass

    @pytest.mark.parity
    def test_raises():
        return Right(7, 6)

    @pytest.mark.parity(known=["gradient b1"])
    def test_listed():
        return Mean(7, 6, 5)

    @pytest.mark.parity("relu")
    def test_positional():
        return Right(7, 6, 5)
"""


def test_marked_functions_are_green_only_where_the_network_is_right(project):
    project.makepyfile(test_net=WRONG)
    result = project.runpytest_inprocess("-p", "no:cacheprovider", "--junitxml=junit.xml")
    said, junit = outcomes(result), ElementTree.parse(project.path / "junit.xml")

    def of(function, *names):
        """Return which of the parts became what, all others having passed or been skipped."""
        parts = {part: said[function, part][0] for part in (*PROBES, VERDICT)}
        rest = {part: became for part, became in parts.items() if part not in names}
        assert set(rest.values()) <= {"passed", "skipped"}, rest
        return [parts[name] for name in names]

    assert of("test_drift", "state", VERDICT) == ["failed"] * 2
    assert (
        "state running_mean1, on 7 rows, random biases, train: off by"
        in said["test_drift", "state"][1]
    )
    assert of("test_small", "forward", VERDICT) == ["failed"] * 2
    assert "n1, on 8 rows, small variances, train: off by" in said["test_small", "forward"][1]
    assert of("test_decay", "gradient", VERDICT) == ["failed"] * 2
    assert "gradient W1, on 7 rows, weight decay 0.1: off by" in said["test_decay", "gradient"][1]
    assert of("test_batch", "gradient", VERDICT) == ["failed"] * 2
    assert said["test_batch", "gradient"][1].count("your batch of 20 rows") == 4
    assert of("test_init", "init", VERDICT) == ["failed"] * 2
    assert of("test_known", "gradient", VERDICT) == ["xfailed"] * 2
    assert of("test_mistyped", "gradient", VERDICT) == ["failed"] * 2
    assert of("test_mended", "gradient", VERDICT) == ["failed"] * 2
    assert of("test_strict", VERDICT) == ["failed"]
    names = (*PROBES, VERDICT)
    assert of("test_open", *names) == ["failed"] * len(names)
    for function in ("test_nothing", "test_positional", "test_listed", "test_raises"):
        assert of(function, *names) == ["failed"] * len(names)
    findings = [f.get("message") for f in junit.iter("failure")]
    assert any("state running_mean1, on 7 rows, random biases, train" in text for text in findings)
    there = "known: 'gradient b9': there is no such quantity; there is: aliasing params, "
    assert said["test_mistyped", VERDICT][1].startswith(there)
    mended = "known: 'gradient b2': does not fail, take it out; what fails is: gradient b1"
    assert said["test_mended", VERDICT][1] == mended
    assert "First divergence: gradient b1, on 7 rows" in said["test_several", "verdict-second"][1]
    assert said["test_several", "verdict-first"][0] == "passed"
    assert (project.path / "called").read_text() == "xx", "each is judged once"
    assert "NoneType has no `params`" in said["test_nothing", PROBES[0]][1]
    assert "the marker parity takes names, not 'relu'" in said["test_positional", PROBES[0]][1]
    assert "known is list; expected a dict" in said["test_listed", PROBES[0]][1]
    assert "INCONCLUSIVE  TwoLayerNet could not be judged" in said["test_open", VERDICT][1]
    assert "missing 1 required positional argument" in said["test_raises", VERDICT][1]
    failed = [text for became, text in said.values() if became == "failed"]
    assert not any("netparity_plugin.py" in text for text in failed)


def test_ids_are_known_at_collection_and_call_nothing(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parity
        def test_net():
            raise SystemExit("called")
        """
    )
    result = project.runpytest_inprocess("--collect-only", "-q")
    result.stdout.fnmatch_lines([f"*test_net?{part}?" for part in (*PROBES, VERDICT)])


def test_plugin_imports_nothing_until_it_is_used(project):
    project.makepyfile(
        """
        import sys
        import pytest

        def test_nothing():
            loaded = {name.split(".")[0] for name in sys.modules}
            assert "netparity_plugin" in loaded
            assert not loaded & {"torch", "numpy", "matplotlib", "compare", "torch_ref", "rich"}
        """
    )
    result = project.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:jaxtyping")
    result.assert_outcomes(passed=1)


def test_this_process_knows_the_plugin(request):
    assert "netparity_plugin" in sys.modules
    assert request.config.pluginmanager.hasplugin("netparity")
