"""Mistakes in the networks that are written by hand, read from mistakes.txt: `MISTAKES`."""

from dataclasses import dataclass
from pathlib import Path

import by_hand
from by_hand.architecture import Architecture


@dataclass(frozen=True)
class Mistake:
    """One edit of a network's source, and the first value that it makes wrong.

    Attributes
    ----------
    network, name : str
        Of which it is, and what is wrong.
    kind, place : str
        Of the value: its name, or that of a layer of which it is one of the parameters.
    old, new : str
        What stands in the source, and in its place.
    """

    network: str
    name: str
    kind: str
    place: str
    old: str
    new: str

    def planted(self, strength: float = 1.0) -> Architecture:
        """Return the network with this mistake: right + strength (wrong - right)."""
        return by_hand.load(self.network, self.old, self.new, strength)

    def is_at(self, kind: str, name: str) -> bool:
        """Return whether that is where it shows first."""
        return kind == self.kind and (name == self.place or name.startswith(f"{self.place}."))


def _read(line: str) -> Mistake:
    network, where, name, right, wrong = (part.strip() for part in line.split(" | "))
    kind, _, place = where.partition(" ")
    before, _, rest = right.replace("\\n", "\n").partition("«")
    inner, _, after = rest.partition("»")
    new = f"{before}mix({inner}, {wrong}){after}"
    return Mistake(network, name, kind, place, before + inner + after, new)


_LINES = (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8").splitlines()
MISTAKES = tuple(_read(line) for line in _LINES if line and not line.startswith("#"))
