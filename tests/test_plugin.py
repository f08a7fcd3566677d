"""The pytest plugin: a fixture, a marker, and nothing before they are used."""

import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
TESTS = Path(__file__).parent
NETWORK = (TESTS / "my_network.py").read_text(encoding="utf-8")


@pytest.fixture
def project(pytester):
    """A project with the README's network, whose names are also ours."""
    pytester.makepyfile(my_network=NETWORK, right=NETWORK.replace("dh.mean(", "dh.sum("))
    pytester.makepyfile(compare="def run(): return 'theirs'", scratch="OURS = False")
    return pytester


USES = """
    import compare, scratch
    from {module} import TwoLayerNet

    def test_net(assert_parity):
        assert_parity(TwoLayerNet(7, 6, 5))
        assert compare.run() == "theirs"
        import compare as again
        assert again is compare and scratch.OURS is False
"""


def test_fixture_passes_and_fails_beside_modules_of_our_names(project):
    project.makepyfile(test_right=USES.format(module="right"))
    project.makepyfile(test_wrong=USES.format(module="my_network"))
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*First divergence: gradient b1, on 7 rows, random biases*"])


def test_conventions_that_the_project_accepts_pass_strict(project):
    project.makepyfile(
        test_right="""
        import pytest
        from right import TwoLayerNet

        def test_fixture(assert_parity):
            assert_parity(TwoLayerNet(7, 6, 5), strict=True)

        @pytest.mark.parity(strict=True)
        def test_marked():
            return TwoLayerNet(7, 6, 5)
        """
    )
    arguments = ("-p", "no:cacheprovider", "-k", "fixture or aliasing")
    project.makepyprojecttoml("[tool.netparity]\naccept = []")
    project.runpytest_subprocess(*arguments).assert_outcomes(failed=2, deselected=28)
    project.makepyprojecttoml(
        """
        [tool.netparity]
        accept = ["log(y + 1e-7) in the loss as in the book"]
        """
    )
    project.runpytest_subprocess(*arguments).assert_outcomes(passed=2, deselected=28)


MARKED = """
    import pytest
    from my_network import TwoLayerNet

    @pytest.fixture
    def sizes():
        print("BUILT")
        return 7, 6, 5

    @pytest.mark.parity
    def test_all(sizes):
        return TwoLayerNet(*sizes)

    @pytest.mark.parity(known={"gradient b1": "the mean, see issue 12"}, activation="relu")
    def test_known():
        return TwoLayerNet(7, 6, 5)
"""


def test_marker_makes_a_test_of_each_probe_and_stimulus(project):
    project.makepyfile(test_net=MARKED)
    collected = project.runpytest_subprocess("--collect-only", "-q")
    collected.stdout.fnmatch_lines(["*test_all?gradient-one_row?", "*test_known?purity?"])
    result = project.runpytest_subprocess("-rxfs")
    # One row has no wrong mean, and under stress this gradient is exactly 0 or fails likewise.
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == outcomes["xfailed"] > 3
    result.stdout.fnmatch_lines(
        [
            "XFAIL *test_known?gradient-duplicates?*issue 12*",
            "FAILED *test_all?gradient-duplicates?*",
        ]
    )
    result.stdout.no_fnmatch_line("FAILED *one_row*")
    result.stdout.no_fnmatch_line("FAILED *forward*")


def test_marker_that_is_of_no_use_is_said_once(project):
    project.makepyfile(
        test_net="""
        import pytest
        from right import TwoLayerNet

        @pytest.mark.parity(known={"gradient b9": "mistyped"})
        def test_stale():
            return TwoLayerNet(7, 6, 5)

        @pytest.mark.parity
        def test_nothing():
            pass
        """
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-rf")
    assert result.parseoutcomes()["failed"] == 2
    result.stdout.fnmatch_lines(["*known: 'gradient b9' does not fail; take it out*"])
    result.stdout.fnmatch_lines(["*test_nothing: NoneType has no `params`*"])


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
