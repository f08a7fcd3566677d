"""A network in a process of its own, asked across a pipe."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import LABELS, Array, Candidate, Float64, Targets
from compare.child import Child
from compare.errors import InputError, NoNetworkError
from compare.extended import Found
from compare.host import IMPORT_LIMIT, serve, serve_against, serve_optimizer
from compare.report import SCHEMA, strict_json
from compare.source import SIZES
from compare.user_frame import CandidateError, call_text
from compare.wording import paragraph

BUILD_LIMIT = 30.0
"""Seconds for importing what the file imports, and building the network."""

CALL_LIMIT = 10.0
"""Seconds for one call on at most a few rows."""

OPTIMIZER_LIMIT = 60.0
"""Seconds for importing torch and what the file imports, and for all updates."""

REFERENCE_LIMIT = 600.0
"""Seconds for all that is done with a network and a module, of any size."""


class RemoteCandidate(Candidate):
    """The network of a file, with the methods of Candidate.

    Parameters
    ----------
    path : Path
        The file.
    name : str or None
        The class in it; the one that fits if None.
    given : mapping
        Arguments of its constructor.
    sizes : sequence of int
        Features, hidden units, classes of the network that is to be built.

    Attributes
    ----------
    call : str
        How the network was built.
    remarks : list of str
        What was done to load the file.

    Raises
    ------
    InputError
        The file, the class or its arguments cannot be used.
    """

    def __init__(
        self,
        path: Path,
        name: str | None,
        given: Mapping[str, Any],
        sizes: Sequence[int] = SIZES,
    ) -> None:
        self._child, answer, remarks = _asked(
            "the network", serve, path, name, dict(given), tuple(sizes), limit=BUILD_LIMIT
        )
        if answer[0] != "built":
            self.close()
            raise InputError(f"{path}: {answer[1]}")
        built = answer[1]
        self._name: str = built["name"]
        self.sizes = built["sizes"]
        self.dtype = np.dtype(built["dtype"])
        self.call: str = built["call"]
        self.remarks = [*remarks, *built["remarks"]]
        self.weight_decay_lambda = built["weight_decay_lambda"]
        self.params = built["params"]
        self.absent, self.not_exercised = built["absent"], built["not_exercised"]
        self.targets, self.after_loss = LABELS, False
        self.asked_after_loss: set[str] = set()
        self.spoiled: list[str] = []
        self.not_judged = ""
        self.output = "logits"
        self._found = Found(**built["found"])

    def __enter__(self) -> "RemoteCandidate":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and whatever it has started."""
        self._child.close()

    @property
    def name(self) -> str:
        """The class of the network."""
        return self._name

    def write(self, params: Mapping[str, Array]) -> None:
        """Write values into the arrays of the network, in place."""
        self._ask("write", dict(params))

    def read(self) -> dict[str, Array]:
        """Return copies of the parameters."""
        return self._ask("read")  # type: ignore[no-any-return]  # as Candidate returns it

    @property
    def found(self) -> Found:
        """What the network has beside Affine and activations."""
        return self._found

    def write_running(self, running: Mapping[str, Any]) -> None:
        """Give BatchNorm running_mean1, running_var1, ..., from which each call then starts."""
        self._ask("write_running", dict(running))

    def read_running(self) -> dict[str, Any]:
        """Return copies of what BatchNorm remembers now."""
        return self._ask("read_running")  # type: ignore[no-any-return]  # as above

    def masks(self) -> list[NDArray[np.bool_]]:
        """Return what dropout kept in the last call, a mask for each hidden layer."""
        return self._ask("masks")  # type: ignore[no-any-return]  # as above

    def without_dropout(self, reason: str) -> dict[str, Any]:
        """Set the ratio of dropout to 0; return the fields of `found`."""
        fields: dict[str, Any] = self._ask("without_dropout", reason)
        self._found = Found(**fields)
        return fields

    def see_normalization(self, x: Array, t: Targets) -> dict[str, Any]:
        """Find whether gamma and beta are those of LayerNorm; return the fields of `found`."""
        fields: dict[str, Any] = self._ask("see_normalization", x, t)
        self._found = Found(**fields)
        return fields

    def write_decay(self, value: float) -> None:
        """Give the network another weight_decay_lambda."""
        self._ask("write_decay", value)

    def restore(self) -> None:
        """Put back what weight decay, BatchNorm, dropout and their modes came with."""
        self._ask("restore")

    def loss(self, x: Array, t: Targets, *, training: bool = True) -> float:
        """Return the loss of the batch, as a float."""
        return float(self._ask("loss", x, t, training=training))

    def gradient(self, x: Array, t: Targets) -> dict[str, Float64]:
        """Return copies of the gradients, by the names of the parameters."""
        return self._ask("gradient", x, t)  # type: ignore[no-any-return]  # as above

    def outputs(self, x: Array, *, training: bool = False) -> dict[str, Array]:
        """Return what can be seen of the forward pass."""
        seen = self._ask("outputs", x, training=training)
        return {self.output if name == "logits" else name: value for name, value in seen.items()}

    def after_other(self, before: str, other: Array, method: str, x: Array, t: Targets) -> Any:
        """Return loss or gradient of `x`, in the array in which `before` was just given `other`."""
        return self._ask("after_other", before, other, method, x, t)

    def shared_params(self) -> list[tuple[str, str]]:
        """Return the pairs of parameters that share memory."""
        return self._ask("shared_params")  # type: ignore[no-any-return]  # as above

    def shared_gradients(self, x: Array, t: Targets) -> list[tuple[str, str]]:
        """Return the pairs of a parameter and a gradient that share memory."""
        return self._ask("shared_gradients", x, t)  # type: ignore[no-any-return]  # as above

    def changed_since(self, params: Mapping[str, Array]) -> list[str]:
        """Return the parameters that are no longer what was written."""
        return self._ask("changed_since", dict(params))  # type: ignore[no-any-return]  # as above

    def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Return what the network gives; CandidateError where it gives nothing."""
        how = {"targets": self.targets, "after_loss": self.after_loss}
        answer = self._child.ask((method, how, arguments, options), CALL_LIMIT)
        if answer[0] == "raised":
            raise CandidateError(*answer[1:])
        if answer[0] == "lost":
            raise CandidateError(answer[1], _called(method, arguments))
        self.spoiled += answer[2]
        self.not_judged = answer[3]
        return answer[1]


def _called(method: str, arguments: Sequence[Any]) -> str:
    """Return which call of the network it was, as far as that can be told from here."""
    calls = {"loss": "loss", "gradient": "gradient", "outputs": "predict"}
    return call_text(calls[method], *arguments) if method in calls else ""


def _asked(
    what: str, serve: Callable[..., None], path: Path, *arguments: Any, limit: float
) -> tuple[Child, tuple[Any, ...], list[str]]:
    """Return the process that has loaded the file, its first answer, and remarks.

    A file that is still at work after its import is loaded again without statements that do
    something.
    """
    remarks: list[str] = []
    child = Child(what, serve, path, *arguments, False)
    answer = child.receive(limit)
    if answer[0] == "busy":
        remarks.append(f"line {answer[1]} is still at work {IMPORT_LIMIT:g} s after import")
        child.close()
        child = Child(what, serve, path, *arguments, True)
        answer = child.receive(limit)
    if answer[0] == "refused":
        child.close()
        refused = (NoNetworkError if answer[2] else InputError)(answer[1])
        refused.seen = answer[3]
        raise refused
    return child, answer, remarks


def judged_optimizer(
    path: Path, name: str, given: Mapping[str, Any], seed: int = 0, lang: str = "en"
) -> tuple[dict[str, Any], list[str]]:
    """Judge the optimiser `name` of a file in a process of its own.

    Returns
    -------
    dict
        text; and under plain and strict, the exit status; json, of the report.
    list of str
        What was done to load the file.

    Raises
    ------
    InputError
        The file, the class or its arguments cannot be used.
    """
    child, answer, remarks = _asked(
        "the optimiser", serve_optimizer, path, name, dict(given), seed, lang, limit=OPTIMIZER_LIMIT
    )
    child.close()
    if answer[0] != "judged":
        said = f"DIFFERENT  {name} does not compute what PyTorch computes: {answer[1]}."
        said = "\n".join(paragraph(said))
        report = {"schema": SCHEMA, "name": name, "verdict": "DIFFERENT", "raised": answer[1]}
        return {"text": said, "plain": 1, "strict": 1, "json": strict_json(report)}, remarks
    return answer[1], [*remarks, *answer[2]]


def judged_against(
    path: Path, name: str | None, given: Mapping[str, Any], reference: Path, module: str, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Judge the network of a file against a torch module of another, in a process of its own.

    Returns
    -------
    dict, list of str
        As of `judged_optimizer`, with text_strict beside text.

    Raises
    ------
    InputError
        One of the files, the class, its arguments or the module cannot be used; or the process
        ended before there was a verdict.
    """
    child, answer, remarks = _asked(
        "the network", serve_against, path, name, dict(given), reference, module, seed,
        limit=REFERENCE_LIMIT,
    )  # fmt: skip  # who, what
    child.close()
    if answer[0] != "judged":
        raise InputError(f"{path}: {answer[1]}, before there was a verdict")
    return answer[1], [*remarks, *answer[2]]


def file_and_name(text: str) -> tuple[Path, str | None]:
    """Return the file and the name of FILE[:NAME]."""
    path, name = Path(text), None
    if not path.exists() and ":" in text:
        before, _, name = text.rpartition(":")
        path = Path(before)
    if not path.is_file():
        raise InputError(
            f"{path}: {'is a folder; name a file' if path.is_dir() else 'no such file'}"
        )
    if name == "":
        raise InputError(f"{text}: no name after the colon; FILE or FILE:NAME")
    return path.resolve(), name
