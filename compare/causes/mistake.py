"""What a row of the catalogue of mistakes consists of."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Texts = tuple[str, str]
"""In English and in Japanese."""


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
        The line as it probably stands there, and what to write instead.
    source : (str, str)
        Where that is explained.
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

    def written(self, number: str = "") -> str:
        """Return the line as it probably stands there, with its number."""
        meant = self.means.get(number, ())
        line = meant[2] if len(meant) > 2 else self.wrote
        return re.sub(r"\bk\b", number, line) if number else line


def book(section: str) -> Texts:
    """Return a section of "Deep Learning from Scratch" (K. Saitoh, volume 1) as a source."""
    return f"book, section {section}", f"『ゼロから作る Deep Learning』{section} 節"
