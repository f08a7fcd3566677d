"""What a network of the book's has beside Affine and activations: BatchNorm, and dropout."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from compare.modes import RATIOS, RUNNING, Modes, flag_of, is_number, own_attributes, ratio_of


@dataclass(frozen=True)
class Found:
    """What was found of a network beside Affine and activations.

    Attributes
    ----------
    normalization : {'', 'batch', 'layer'}
        What has gamma and beta: BatchNorm, or LayerNorm.
    remembers : bool
        Whether the layers with the running statistics of BatchNorm were found.
    ratio : float or None
        Share of units that dropout drops; None where there is none, or none is judged.
    can_switch : bool
        Whether it can be told that it is in training, or is not.
    remarks : tuple of str
        For the report.
    """

    normalization: str = ""
    remembers: bool = False
    ratio: float | None = None
    can_switch: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def batchnorm(self) -> bool:
        """Whether a row depends on those beside it, in training."""
        return self.normalization == "batch"

    @property
    def has_modes(self) -> bool:
        """Whether it computes otherwise in training than afterwards."""
        return self.batchnorm or self.ratio is not None

    def __bool__(self) -> bool:
        return bool(self.normalization) or self.ratio is not None


class Extended(Modes):
    """The layers of a network that are neither Affine nor activation, and its modes.

    Parameters
    ----------
    net
        Layers are looked for in its `layers`, a dict or a list: those with `running_mean` and
        `running_var`, and those that are called dropout, or have a ratio that is.
    hidden : int
        Hidden layers that it has.
    batchnorm : bool
        Whether it has gamma and beta.

    Raises
    ------
    TypeError
        It has a dropout of which the ratio is not known.
    """

    def __init__(self, net: Any, hidden: int, *, batchnorm: bool) -> None:
        super().__init__(net)
        normalizations = [v for v in self.layers if all(hasattr(v, name) for name in RUNNING)]
        self.normalizations = normalizations if len(normalizations) == hidden else []
        self._running = self.read_running()
        kind = "batch" if batchnorm else ""
        self.found = Found(kind, bool(self.normalizations), None, self.has_modes)
        self._look_at_dropout(hidden)

    def call(self, function: Callable[..., Any], *arguments: Any, training: bool) -> Any:
        """Call from what was written, in a mode; as often as wanted, with the same result."""
        self.begin(training=training)
        return self.told(function, *arguments, training=training)

    def begin(self, *, training: bool) -> None:
        """Put the network where a call is to start from."""
        if not self.found:
            return
        self.write_running(self._running)
        self.switch(training=training)

    def told(self, function: Callable[..., Any], *arguments: Any, training: bool) -> Any:
        """Call with the mode as an argument where there is one."""
        flag = flag_of(function) if self.found else ""
        return function(*arguments, **({flag: training} if flag else {}))

    def write_running(self, running: Mapping[str, Any]) -> None:
        """Give BatchNorm copies of running_mean1, running_var1, ...; each call starts from them."""
        self._running = dict(running)
        for i, layer in enumerate(self.normalizations, start=1):
            for name in RUNNING:
                setattr(layer, name, copy.copy(running[f"{name}{i}"]))

    def read_running(self) -> dict[str, Any]:
        """Return copies of them; None where there was no batch yet, as in the book."""
        return {
            f"{name}{i}": copy.copy(getattr(layer, name))
            for i, layer in enumerate(self.normalizations, start=1)
            for name in RUNNING
        }

    def without_dropout(self, reason: str) -> None:
        """Set the ratio of every dropout to 0, and say why."""
        for layer in self.dropouts:
            setattr(layer, ratio_of(layer), 0.0)
        remark = f"dropout is judged with ratio 0: {reason}"
        self.found = replace(self.found, ratio=None, remarks=(*self.found.remarks, remark))
        self.dropouts = []

    def with_layernorm(self) -> None:
        """Take gamma and beta for those of LayerNorm, which remembers nothing."""
        self.found = replace(self.found, normalization="layer", remembers=False)

    @contextmanager
    def no_dropout(self) -> Iterator[None]:
        """Let nothing be dropped for a while."""
        kept = [(layer, ratio_of(layer)) for layer in self.dropouts]
        values = [getattr(layer, name) for layer, name in kept]
        try:
            for layer, name in kept:
                setattr(layer, name, 0.0)
            yield
        finally:
            for (layer, name), value in zip(kept, values, strict=True):
                setattr(layer, name, value)

    def _look_at_dropout(self, hidden: int) -> None:
        if self.dropouts:
            ratios = {float(getattr(layer, ratio_of(layer))) for layer in self.dropouts}
            if len(self.dropouts) != hidden or len(ratios) > 1 or not 0 <= min(ratios) < 1:
                self.without_dropout("not every hidden layer has the same")
            else:
                self.found = replace(self.found, ratio=ratios.pop())
        for name in RATIOS[:3]:
            value = own_attributes(self.net).get(name)
            if is_number(value) and value and not self.dropouts:
                setattr(self.net, name, 0.0)
                remark = f"dropout is judged with {name} 0: no layers of it are found"
                self.found = replace(self.found, remarks=(*self.found.remarks, remark))
