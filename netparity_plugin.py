"""pytest plugin: networks judged as tests. Imports nothing before it is used.

It lies beside the packages and not in one of them, so that a project with a `compare.py` or a
`scratch/` of its own can use it, too.

    def test_my_network(assert_parity):              # raises the report unless it says SAME
        assert_parity(TwoLayerNet(784, 50, 10))

    @pytest.mark.parity(known={"gradient b1": "summed over the wrong axis, to be mended"})
    def test_my_network():                           # a test for each kind of thing that is judged
        return TwoLayerNet(784, 50, 10)
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from netparity import imported

PROBES = ("aliasing", "init", "forward", "loss", "gradient", "state", "purity")
"""Tests that fail for what their probe found, on whatever stimulus: a report names both."""

VERDICT = "verdict"
"""The test that fails unless the whole is SAME, so that nothing is lost that has no other test."""

REPORTS = pytest.StashKey[dict[Any, Any]]()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "parity(known=None, strict=False, **options): judge the network that the function returns; "
        "known: reasons for what is known to fail, by quantity; options: of check_network",
    )
    config.stash[REPORTS] = {}


@pytest.fixture
def assert_parity() -> Callable[..., None]:
    """Return `compare.assert_parity`."""
    function: Callable[..., None] = imported("compare.check").assert_parity
    return function


@pytest.fixture
def netparity_part(request: pytest.FixtureRequest) -> Any:
    """Return which of the tests of a marked function this is."""
    return request.param


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a marked function a test for each probe, and one for the verdict."""
    if metafunc.definition.get_closest_marker("parity"):
        metafunc.fixturenames.append("netparity_part")
        metafunc.parametrize("netparity_part", [*PROBES, VERDICT], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a marked function for its network, once for all its tests, and judge one part of it."""
    marker = pyfuncitem.get_closest_marker("parity")
    if marker is None:
        return None
    options = dict(marker.kwargs)
    known, strict = options.pop("known", None) or {}, options.pop("strict", False)
    # by identity: a parameter may be anything, and its index is another one for each part
    given = {k: id(v) for k, v in pyfuncitem.callspec.params.items() if k != "netparity_part"}
    reports = pyfuncitem.config.stash[REPORTS]
    key = pyfuncitem.parent, pyfuncitem.originalname, frozenset(given.items())
    if key not in reports:
        names = pyfuncitem._fixtureinfo.argnames
        net = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
        refused = _unusable(marker)
        reports[key] = (None, refused) if refused else _report(net, pyfuncitem.path.parent, options)
    report, refused = reports[key]
    if refused:
        pytest.fail(f"{pyfuncitem.originalname}: {refused}", pytrace=False)
    _judge(report, str(pyfuncitem.callspec.params["netparity_part"]), known, strict)
    return True


def _unusable(marker: pytest.Mark) -> str:
    """Return what is wrong with the arguments of the marker, if something is."""
    known = marker.kwargs.get("known") or {}
    if marker.args:
        return f"the marker parity takes names, not {marker.args[0]!r}"
    if not isinstance(known, Mapping):
        return f"known is {type(known).__name__}; expected a dict of quantities and reasons"
    return ""


def _report(net: Any, folder: Path, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the report, with what the project of the test accepts; or None, and why."""
    try:
        accepted = imported("compare.baseline").accepted_conventions(folder)
        report = imported("compare.check").check_network(net, **options)
        return dataclasses.replace(report, accepted=accepted), ""
    except (TypeError, ValueError, imported("compare.errors").InputError) as error:
        return None, str(error)


def _judge(report: Any, part: str, known: Mapping[str, str], strict: bool) -> None:
    """Pass, fail or skip by what the report says of one part."""
    failing = [j for j in report.judgements if j.fails or (strict and j.is_limit)]
    if part == VERDICT:
        _see_known(known, report, failing)
        _judge_whole(report, failing, known, strict)
        return
    if report.verdict == "INCONCLUSIVE":
        pytest.fail("INCONCLUSIVE: the test of the verdict says why", pytrace=False)
    here = [j for j in report.judgements if j.probe == part]
    off = [j for j in failing if j.probe == part]
    if new := [j for j in off if j.quantity not in known]:
        pytest.fail(_findings(report, new), pytrace=False)
    if off:
        pytest.xfail(_reasons(off, known))
    if not any(j.verdict == "SAME" for j in here):
        open_ = "; ".join(dict.fromkeys(f"{j.quantity}, on {j.where}: {j.detail}" for j in here))
        pytest.skip(open_ or "nothing of this kind is judged in this network")


def _judge_whole(
    report: Any, failing: Sequence[Any], known: Mapping[str, str], strict: bool
) -> None:
    """Pass where the verdict is SAME, and expect to fail where all that is off is known."""
    refused = strict and bool(set(report.conventions) - set(report.accepted))
    if failing and not refused and all(j.quantity in known for j in failing):
        pytest.xfail(_reasons(failing, known))
    if refused or report.exit_code(strict=strict):
        pytest.fail(report.text(strict=strict), pytrace=False)


def _see_known(known: Mapping[str, str], report: Any, failing: Sequence[Any]) -> None:
    """Fail where something is known to fail that does not, or is not there."""
    there = dict.fromkeys(j.quantity for j in report.judgements)
    off = dict.fromkeys(j.quantity for j in failing)
    for quantity in known:
        if quantity not in there:
            said = f"there is no such quantity; there is: {', '.join(there)}"
        elif quantity not in off:
            fails = f"what fails is: {', '.join(off)}" if off else "nothing does"
            said = f"does not fail, take it out; {fails}"
        else:
            continue
        pytest.fail(f"known: {quantity!r}: {said}", pytrace=False)


def _findings(report: Any, findings: Sequence[Any]) -> str:
    """Return a line for each finding, and where it goes wrong first."""
    lines = []
    for j in findings:
        far = f"off by {j.relative_error:.1e} of {j.part}; rounding explains "
        said = j.detail or f"{far}{j.relative_allowed:.1e}"
        lines.append(f"{j.quantity}, on {j.where}: {said}")
    first = report.first_divergence
    if first is not None and first is not findings[0]:
        lines.append(f"It goes wrong first in {first.quantity}, on {first.where}.")
    return "\n".join(lines)


def _reasons(findings: Sequence[Any], known: Mapping[str, str]) -> str:
    return "; ".join(dict.fromkeys(known[j.quantity] for j in findings))
