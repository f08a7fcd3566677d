"""What a row of the catalogue of mistakes consists of."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Texts = tuple[str, str]
"""In English and in Japanese."""


def book(section: str) -> Texts:
    """Return a section of "Deep Learning from Scratch" (K. Saitoh, volume 1) as a source."""
    return f"book, section {section}", f"『ゼロから作る Deep Learning』{section} 節"


class Lines(NamedTuple):
    """How an activation is written, forward and back, and where that is explained."""

    forward: str
    slope: str
    source: Texts


LINES = {
    "relu": Lines("np.maximum(x, 0)", "dout * (x > 0)", book("5.5.1")),
    "sigmoid": Lines("1 / (1 + np.exp(-x))", "dout * (1 - out) * out", book("5.5.2")),
    "tanh": Lines("np.tanh(x)", "dout * (1 - out ** 2)", ("", "")),
    "leaky_relu": Lines(
        "np.where(x > 0, x, slope * x)", "dout * np.where(x > 0, 1, slope)", ("", "")
    ),
    "elu": Lines("np.where(x > 0, x, np.expm1(x))", "dout * np.where(x > 0, 1, out + 1)", ("", "")),
    "silu": Lines("x * sigmoid(x)", "dout * sigmoid(x) * (1 + x * (1 - sigmoid(x)))", ("", "")),
    "softplus": Lines("np.logaddexp(0, x)", "dout * sigmoid(x)", ("", "")),
    "identity": Lines("x", "dout", ("", "")),
}
"""By activation."""

ANY = Lines("activation(x)", "dout times the derivative of the activation", ("", ""))
"""Of one that has no line of its own."""


@dataclass(frozen=True)
class Mistake:
    """One family of mistakes that people make.

    Attributes
    ----------
    key : str
        Its name, by which planted bugs and reports refer to it.
    part : str
        init, forward, loss, gradient, update, state, data or numerics.
    piece : str
        Which piece is wrong: of `Replay`, of an update, or what is compared.
    change : callable
        Takes what the piece can see and, of a family with a number, the number; returns what the
        wrong piece gives.
    says : (str, str)
        What is wrong, in English and in Japanese; {where} is the layer, {k} the number.
    wrote, write : str
        The line as it probably stands there, and what to write instead; {activation}, {slope} and
        {slope of x}, that with its input for its output, are the lines of the activation at hand.
    source : (str, str)
        Where that is explained; of a row that serves several activations, see `remedy`.
    starts : tuple of float
        Of a family with a number: from where the number is searched.
    means : mapping
        What some numbers mean, by their names: as in `says`, and what stands there if it is not
        `wrote`.
    is_general : bool
        It describes what is seen more than it explains: where another row fits as well, that one
        is said.
    of : str
        The activations, or the optimisers, in which it can be made; all if empty.
    """

    key: str
    part: str
    piece: str
    change: Callable[..., Any]
    says: Texts
    wrote: str
    write: str
    source: Texts = ("", "")
    starts: tuple[float, ...] = ()
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_general: bool = False
    of: str = ""

    def said(self, number: str = "", where: Texts = ("", "")) -> Texts:
        """Return what is wrong, with its number and its place."""
        en, ja = self.means.get(number, self.says)[:2]
        return (
            en.replace("{where}", where[0]).replace("{k}", number),
            ja.replace("{where}", where[1]).replace("{k}", number),
        )

    def remedy(self, activation: str) -> tuple[str, Texts]:
        """Return what to write in a network with this activation, and where that is explained."""
        serves_several = "{" in self.write and not any(self.source)
        source = LINES.get(activation, ANY).source if serves_several else self.source
        return _with_lines(self.write, activation), source

    def written(self, number: str = "", activation: str = "") -> str:
        """Return the line as it probably stands there, with its number."""
        meant = self.means.get(number, ())
        line = _with_lines(meant[2] if len(meant) > 2 else self.wrote, activation)
        number = f"({number})" if " " in number else number
        return re.sub(r"\bk\b", number, line) if number else line


def _with_lines(text: str, activation: str) -> str:
    lines = LINES.get(activation, ANY)
    of_x = re.sub(r"\bout\b", "x", lines.slope)
    for name, line in (("activation", lines.forward), ("slope", lines.slope), ("slope of x", of_x)):
        text = text.replace(f"{{{name}}}", line)
    return text
