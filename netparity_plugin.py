"""pytest plugin: networks judged as tests. Imports nothing before it is used.

It lies beside the packages and not in one of them, so that a project with a `compare.py` or a
`scratch/` of its own can use it, too.

    def test_my_network(assert_parity):              # raises the report unless it says SAME
        assert_parity(TwoLayerNet(784, 50, 10))

    @pytest.mark.parity(known={"gradient b1": "summed over the wrong axis, to be mended"})
    def test_my_network():                           # a test for each probe and stimulus
        return TwoLayerNet(784, 50, 10)
"""

import dataclasses
import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PACKAGES = ("compare", "scratch", "torch_ref")
WHERE = {
    "random_biases": "random biases",
    "duplicates": "duplicates",
    "one_row": "1 row",
    "blank_rows": "blank",
    "saturated_units": "saturated units",
    "huge_logits": "huge logits",
    "huge_units": "huge units",
    "again": "again",
    "your_batch": "your batch",
}
"""Stimuli, and the words by which a report names them."""

PARTS = [
    "aliasing",
    "purity",
    *(f"{probe}-{stimulus}" for stimulus in WHERE for probe in ("forward", "loss", "gradient")),
]
"""The tests that a marked function becomes, by their ids."""

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
def assert_parity(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Return `compare.assert_parity`, with the conventions that the project accepts."""
    return functools.partial(_ours("compare.check").assert_parity, accept=_accepted(pytestconfig))


@pytest.fixture
def netparity_part(request: pytest.FixtureRequest) -> Any:
    """Return the probe and the stimulus of this test, as one word."""
    return request.param


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a marked function one test for each probe and stimulus."""
    if metafunc.definition.get_closest_marker("parity"):
        metafunc.fixturenames.append("netparity_part")
        metafunc.parametrize("netparity_part", PARTS, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a marked function for its network, once for all its tests, and judge one part of it."""
    marker = pyfuncitem.get_closest_marker("parity")
    if marker is None:
        return None
    options = dict(marker.kwargs)
    known, strict = options.pop("known", None) or {}, options.pop("strict", False)
    reports, key = pyfuncitem.config.stash[REPORTS], (pyfuncitem.parent, pyfuncitem.originalname)
    if key not in reports:
        names = pyfuncitem._fixtureinfo.argnames
        net = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
        try:
            report = _ours("compare.check").check_network(net, **options)
        except (TypeError, ValueError) as error:
            reports[key] = None
            pytest.fail(f"{pyfuncitem.originalname}: {error}", pytrace=False)
        reports[key] = dataclasses.replace(report, accepted=_accepted(pyfuncitem.config))
    if reports[key] is None:
        pytest.skip("the network could not be judged at all: see the first test of this function")
    _judge(reports[key], str(pyfuncitem.callspec.params["netparity_part"]), known, strict)
    return True


def _judge(report: Any, part: str, known: Mapping[str, str], strict: bool) -> None:
    """Pass, fail or skip by what the report says of one part."""
    probe, _, stimulus = part.partition("-")
    words = WHERE.get(stimulus, "")
    here = [j for j in report.judgements if j.probe == probe and words in j.where]
    failing = [j for j in here if j.fails or (strict and j.is_limit)]
    for judgement in failing:
        if judgement.quantity not in known:
            pytest.fail(_finding(report, judgement, strict), pytrace=False)
    if part == PARTS[0]:
        off = {judgement.quantity for judgement in report.judgements if judgement.fails}
        if stale := [quantity for quantity in known if quantity not in off]:
            pytest.fail(f"known: {stale[0]!r} does not fail; take it out", pytrace=False)
    if failing:
        pytest.xfail("; ".join(known[j.quantity] for j in failing))
    if set(report.conventions) - set(report.accepted) and strict and part == PARTS[0]:
        pytest.fail(report.text(strict=True), pytrace=False)
    if not here:
        pytest.skip("nothing of this kind is judged in this network")


def _finding(report: Any, judgement: Any, strict: bool) -> str:
    """Return the whole report where the first divergence lies, and elsewhere a line or two."""
    first = report.first_divergence
    if first in (judgement, None):
        return f"{judgement.quantity}, on {judgement.where}\n\n{report.text(strict=strict)}"
    return (
        f"{judgement.quantity}, on {judgement.where}: off by {judgement.relative_error:.1e} of its "
        f"size; rounding explains {judgement.relative_allowed:.1e}\n"
        f"It goes wrong first in {first.quantity}, on {first.where}."
    )


def _accepted(config: pytest.Config) -> tuple[str, ...]:
    accepted: tuple[str, ...] = _ours("compare.baseline").accepted_conventions(config.rootpath)
    return accepted


def _ours(name: str) -> ModuleType:
    """Import a module of this project, whatever else is called `compare`, `scratch` or so."""
    hidden = {module: sys.modules.pop(module) for module in list(_of_these_names())}
    kept = _OURS.copy()
    sys.modules.update(kept)
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(Path(__file__).parent))
        ours = {module: sys.modules[module] for module in list(_of_these_names())}
        _OURS.update(ours)
        theirs = {m: v for m, v in hidden.items() if v is not ours.get(m)}
        if theirs:
            for module in ours:
                del sys.modules[module]
            sys.modules.update(theirs)


_OURS: dict[str, ModuleType] = {}


def _of_these_names() -> Iterator[str]:
    return (module for module in sys.modules if module.split(".")[0] in PACKAGES)
