"""Who may import whom, and names that would break `python compare/run.py`."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path for folder in ("scratch", "torch_ref", "compare") for path in (ROOT / folder).rglob("*.py")
]
ALLOWED = {
    "scratch": {"scratch", "numpy"},
    "torch_ref": {"torch_ref", "torch", "numpy"},
    "compare": {
        "compare", "torch_ref", "scratch", "torch", "numpy", "matplotlib", "psutil", "rich",
        "threadpoolctl",
    },
}  # fmt: skip  # a package and what it may import
KNOW_SCRATCH = {
    "data.py", "figure.py", "initialisation.py", "inits.py", "lockstep.py", "subject.py",
}  # fmt: skip  # a set


def package(path):
    return path.relative_to(ROOT).parts[0]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports_point_one_way(path):
    strangers = set(imports(path)) - ALLOWED[package(path)] - sys.stdlib_module_names
    assert not strangers


def test_the_oracle_shares_no_arithmetic_with_scratch():
    knowing = {
        path.name for path in FILES if package(path) == "compare" and "scratch" in imports(path)
    }
    assert knowing == KNOW_SCRATCH


def test_a_wrong_import_would_be_seen(tmp_path):
    (tmp_path / "wrong.py").write_text("def f():\n    from torch import nn\n")
    assert "torch" in set(imports(tmp_path / "wrong.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_module_hides_one_of_python(path):
    assert path.stem not in sys.stdlib_module_names - {"__init__"}


def test_every_package_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in ("scratch", "torch_ref", "compare")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert found == {*listed}
