"""Somebody's file: imported as far as it can be, its network found and built.

Runs in the process that is given over to the candidate, and imports nothing of ours but
`errors` and `user_frame`.
"""

import ast
import importlib.util
import inspect
import itertools
import sys
import tokenize
import types
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np

from compare.errors import InputError, NoNetworkError
from compare.user_frame import account

SIZES = (11, 13, 6, 5)
"""Features, hidden units and classes of the network that is built: pairwise different, none a ratio
of two others."""


def by_name(sizes: Sequence[int]) -> dict[str, Any]:
    """Return what is passed for the arguments of constructors, by what these are called."""
    features, *hidden, classes = sizes
    called: tuple[tuple[Any, str], ...] = (
        (features, "input_size n_in n_input n_inputs input_dim in_features n_features D"),
        (hidden[0] if hidden else classes, "hidden_size n_hidden hidden_dim hidden_units H"),
        (hidden, "hidden_size_list hidden_sizes hidden hidden_dims hidden_layers"),
        (classes, "output_size n_out n_output n_outputs n_classes num_classes output_dim C"),
        (list(sizes), "sizes layers layer_dims layer_sizes dims"),
        (0.01, "weight_init_std std"),
        ("relu", "activation"),
        (0, "seed"),
    )
    return {name: value for value, names in called for name in names.split()}


METHODS = ("gradient", "loss")


class Stub(types.ModuleType):
    """Stands in for a package that is not installed; whatever it is asked for cannot be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        missing = self.__name__.split(".")[0]

        def call(*_: Any, **__: Any) -> Any:
            raise ModuleNotFoundError(f"{missing} is not installed, and {name} is needed")

        return call


class StubFinder:
    """Makes stubs of the packages that are named, and of what lies in them."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """Return a spec for stubs, as Python's import system asks for it."""
        top = name.split(".")[0]
        return ModuleSpec(name, self, is_package=True) if top in self.missing else None  # type: ignore[arg-type]  # a loader by what it does

    def create_module(self, spec: ModuleSpec) -> Stub:
        """Return the stub."""
        return Stub(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Run nothing."""


class Source:
    """A Python file that is said to hold a network.

    Attributes
    ----------
    path : Path
        The file.
    remarks : list of str
        What was done to load it, for the report.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.remarks: list[str] = []
        self._stubs = StubFinder()
        sys.meta_path.append(self._stubs)

    def load(self, *, definitions_only: bool = False) -> types.ModuleType:
        """Import the file; where it fails, its imports, definitions and constants alone.

        Raises
        ------
        InputError
            It is not Python, or fails even so.
        """
        tree = self._parsed()
        if not definitions_only:
            try:
                return self._run(tree)
            except (Exception, SystemExit) as error:
                self.remarks.append(f"stops at import: {account(error, str(self.path))}")
        self.remarks.append("loaded: only imports, definitions and constants")
        try:
            return self._run(_definitions(tree))
        except (Exception, SystemExit) as error:
            said = account(error, str(self.path))
            raise InputError(f"{self.path}: cannot be imported: {said}") from error

    def _parsed(self) -> ast.Module:
        try:
            with tokenize.open(self.path) as file:
                return ast.parse(file.read(), str(self.path))
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = f"{self.path}, line {line}" if line else f"{self.path}"
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise InputError(f"{where}: is not Python ({reason})") from error

    def _run(self, tree: ast.Module) -> types.ModuleType:
        """Execute the module, again for every package that turns out to be missing."""
        while True:
            module = self._module(tree)
            sys.modules[module.__name__] = module
            try:
                exec(compile(tree, str(self.path), "exec"), module.__dict__)
                return module
            except ModuleNotFoundError as error:
                top = (error.name or "").split(".")[0]
                if not top or top in self._stubs.missing:
                    raise
                self._stubs.missing.append(top)
                self.remarks.append(f"{top} is not installed: a stub stands in for it")

    def _module(self, tree: ast.Module) -> types.ModuleType:
        """Return an empty module, in its package where the file imports relatively."""
        relative = any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
        names, folder = [self.path.stem], self.path.parent
        while relative and (folder / "__init__.py").is_file():
            names.insert(0, folder.name)
            folder = folder.parent
        module = types.ModuleType(".".join(names))
        module.__file__ = str(self.path)
        if len(names) > 1:
            module.__package__ = ".".join(names[:-1])
            importlib.import_module(module.__package__)
        return module


def _definitions(tree: ast.Module) -> ast.Module:
    """Return the module without statements that do something."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = [node for node in tree.body if isinstance(node, kinds) or _is_constant(node)]
    return ast.Module(body, [])


def _is_constant(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


def search_path(path: Path) -> list[str]:
    """Return the file's folder and its ancestors up to the root of the repository."""
    folders = [path.parent]
    while not any((folders[-1] / mark).exists() for mark in (".git", "pyproject.toml")):
        if folders[-1].parent in (folders[-1], Path.home()):
            return [str(path.parent), str(path.parent.parent)]
        folders.append(folders[-1].parent)
    return [str(folder) for folder in folders]


def find_network(module: types.ModuleType, name: str | None, path: Path) -> Any:
    """Return the class, or the network itself, of the given name; else the one class that fits.

    Raises
    ------
    InputError
        There is none of that name, none that fits, or more than one.
    """
    if name is not None:
        if name not in vars(module):
            raise InputError(f"{path}: has no {name}; {_offer(module)}")
        found = vars(module)[name]
        lacking = [method for method in METHODS if not callable(getattr(found, method, None))]
        if lacking:
            raise InputError(f"{path}: {name} has no {' and no '.join(lacking)}; {_offer(module)}")
        return found
    fitting = _fitting(module)
    if len(fitting) != 1:
        count = "no class" if not fitting else f"{len(fitting)} classes"
        hint = "; a network has `params`, gradient(x, t) and loss(x, t)"
        if others := _borrowed(module):
            hint = f"; {others[0]} is no class of this file: name it, as in {path.name}:{others[0]}"
        if fitting:
            hint = f": {', '.join(fitting)}; name one, as in {path.name}:{next(iter(fitting))}"
        kind = InputError if fitting else NoNetworkError
        raise kind(f"{path}: {count} with gradient and loss{hint}")
    return fitting.popitem()[1]


def find_optimizer(module: types.ModuleType, name: str, path: Path) -> Any:
    """Return the class, or the optimiser itself, of the given name.

    Raises
    ------
    InputError
        There is none of that name, or it has no update.
    """
    found = vars(module).get(name)
    if not callable(getattr(found, "update", None)):
        classes = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and callable(getattr(value, "update", None))
        ]
        there = f"there is {', '.join(classes)}" if classes else "no class there has"
        lacks = "no method update(params, grads)" if found is not None else "not there"
        raise InputError(f"--optimizer {name}: {lacks} in {path}; {there}")
    return found


def _fitting(module: types.ModuleType) -> dict[str, type]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and all(callable(getattr(value, method, None)) for method in METHODS)
    }


def _borrowed(module: types.ModuleType) -> list[str]:
    """Return the names of networks that were imported, or are instances already."""
    return [
        name
        for name, value in vars(module).items()
        if not isinstance(value, Stub)
        and all(callable(getattr(value, method, None)) for method in METHODS)
    ]


def _offer(module: types.ModuleType) -> str:
    names = _fitting(module)
    return f"there is {', '.join(names)}" if names else "no class there has gradient and loss"


def build(
    cls: Any, given: Mapping[str, Any], sizes: Sequence[int], option: str = "--arg"
) -> tuple[Any, str, dict[str, Any]]:
    """Return an instance, the call that made it, and its arguments.

    Arguments are filled by `given`, then by their names; of others without a default, the values
    that make a network are found by trying.

    Raises
    ------
    InputError
        An argument cannot be filled, or the constructor raises.
    """
    if not isinstance(cls, type):
        return cls, f"{type(cls).__name__}, as it is", {}
    parameters = inspect.signature(cls).parameters
    unknown = sorted(set(given) - set(parameters))
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise InputError(
            f"{option} {unknown[0]}: {cls.__name__} takes {', '.join(parameters) or 'no arguments'}"
        )
    values, named, open_ = dict(given), by_name(sizes), list[str]()
    shapes = {name for name, value in named.items() if value not in (0.01, "relu", 0)}
    for name, parameter in parameters.items():
        if name in values or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if name in named and (parameter.default is parameter.empty or name in shapes):
            values[name] = named[name]
        elif name in ("rng", "generator"):
            values[name] = np.random.default_rng(0)
        elif parameter.default is parameter.empty:
            open_.append(name)
    if open_:
        values |= _tried(cls, parameters, values, open_, sizes, option)
    try:
        net = _call(cls, parameters, values)
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{cls.__name__}({_text(values)}): {account(error, _file(cls))}; "
            f"other arguments can be given by {option} NAME=VALUE"
        ) from error
    return net, f"{cls.__name__}({_text(values)})", values


def _tried(
    cls: Callable[..., Any],
    parameters: Mapping[str, inspect.Parameter],
    values: Mapping[str, Any],
    names: Sequence[str],
    sizes: Sequence[int],
    option: str,
) -> dict[str, Any]:
    """Return values for the arguments `names` with which a network comes out."""
    features, *hidden, classes = sizes
    options = (features, hidden[0] if hidden else classes, classes, hidden, list(sizes), 0.01)
    first = ""
    for choice in itertools.permutations(options, len(names)):
        tried = dict(zip(names, choice, strict=True))
        try:
            net = _call(cls, parameters, {**values, **tried})
            weights = [net.params[key] for key in sorted(net.params) if key[0] == "W"]
            if weights and all(a.shape[1] == b.shape[0] for a, b in itertools.pairwise(weights)):
                return tried
        except (Exception, SystemExit) as error:
            first = first or f"; with {_text(tried)} it raises: {account(error, _file(cls))}"
    given = f"{names[0]}=VALUE"
    raise InputError(
        f"{cls.__name__}: what is {', '.join(names)}? Give it by {option} {given}{first}"
    )


def _file(cls: Any) -> str:
    """Return the file that a class was read from."""
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or ""


def _call(
    cls: Callable[..., Any],
    parameters: Mapping[str, inspect.Parameter],
    values: Mapping[str, Any],
) -> Any:
    """Call with positional-only arguments by position and all others by name."""
    first = [
        values[name]
        for name, parameter in parameters.items()
        if parameter.kind is parameter.POSITIONAL_ONLY and name in values
    ]
    rest = list(parameters)[: len(first)]
    return cls(*first, **{name: value for name, value in values.items() if name not in rest})


def _text(values: Mapping[str, Any]) -> str:
    plain = (int, float, str, list, tuple, bool, type(None))
    return ", ".join(
        f"{name}={value!r}" if isinstance(value, plain) else f"{name}=<{type(value).__name__}>"
        for name, value in values.items()
    )
