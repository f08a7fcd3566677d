"""A torch module and its loss, evaluated at the parameters of a network."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.parameter import is_lazy

from compare.port.conventions import Definition, Substituting
from compare.port.names import Matching
from compare.port.stimuli import Batch
from compare.reference.evaluate import Evaluation, evaluate
from compare.reference.formats import Format
from compare.reference.problems import UnsupportedError

Array = NDArray[Any]
Also = Mapping[str, Callable[[Any, Any, nn.Module], Any]]


class Reference:
    """What a network is meant to compute.

    Parameters
    ----------
    module, loss
        As `check_network` takes them.
    form : Format
        In which the network computes.

    Raises
    ------
    TypeError, ValueError
        It is no module, or none whose parameters are numbers of 32 or 64 bits on the CPU.
    """

    def __init__(self, module: nn.Module, loss: Callable[..., Any], form: Format) -> None:
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            if is_lazy(value):
                raise ValueError(f"the module's {name} has no shape yet: call the module once")
            if value.device.type != "cpu":
                raise ValueError(
                    f"the module's {name} is on {value.device}: judged on the CPU; pass "
                    "copy.deepcopy(module).cpu()"
                )
            if value.dtype in (torch.float16, torch.bfloat16):
                kind = str(value.dtype).removeprefix("torch.")
                raise ValueError(f"the module's {name} is {kind}: pass module.float()")
        self.module, self.loss, self.form = module, loss, form
        self.buffers: dict[str, str] = {}
        self.warned: dict[str, None] = {}

    def evaluate(
        self, batch: Batch, matching: Matching, *, masks: Sequence[Array] = (),
        also: Also | None = None, defined: Sequence[Definition] = (),
    ) -> Evaluation:  # fmt: skip  # on what, how
        """Return what the module computes, with `defined` in the place of torch's definitions.

        Raises
        ------
        ValueError
            It raises, or no error can be carried through.
        """
        given = {p.name: as_tensor(p.as_module(batch.params[p.key])) for p in matching}
        buffers = {self.buffers[k]: as_tensor(v) for k, v in batch.buffers.items()}
        handed = [torch.from_numpy(np.array(mask)) for mask in masks] or None
        with warnings.catch_warnings(record=True) as warned, Substituting(*defined):
            warnings.simplefilter("always")
            e = evaluated(
                f"the reference raises on x {batch.x.shape}, t {batch.t.shape}",
                lambda: evaluate(
                    self.module, self.loss, given, as_tensor(batch.x), as_tensor(batch.t),
                    buffers=buffers, form=self.form, masks=handed, also=also,
                ),
            )  # fmt: skip  # what, how
        self.warned |= dict.fromkeys(" ".join(str(w.message).split()) for w in warned)
        return e


def evaluated(raises: str, call: Callable[[], Evaluation]) -> Evaluation:
    """Return what `call` returns; what it raises becomes a ValueError of one line."""
    try:
        return call()
    except UnsupportedError as error:
        raise ValueError(f"the reference: {error}") from error
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise ValueError(f"{raises}: {said}") from error


def as_tensor(value: Array) -> torch.Tensor:
    """Return numbers in float64, and integers as torch's indices."""
    wide = {"f": np.float64, "i": np.int64, "u": np.int64}
    return torch.from_numpy(np.array(value, wide.get(value.dtype.kind, value.dtype)))
