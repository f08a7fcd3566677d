"""How a report shows itself: one line as a value, a text when printed, a page of it in a cell."""

import html
from abc import ABC, abstractmethod
from typing import Any

CELL = 60
"""Lines that a notebook shows of a report."""

CUT = "... and {count} more lines: print(report) has them"


class Shown(ABC):
    """What has a `text` and a `summary`; a dataclass of this kind needs repr=False."""

    @abstractmethod
    def text(self, **options: Any) -> str:
        """Return all that is to be said."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What is said in a line."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.summary}>"

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return preformatted(self.page())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Return what a notebook shows: a text that keeps its columns where there is no HTML."""
        return {"text/plain": self.page(), "text/html": self._repr_html_()}

    def page(self) -> str:
        """Return the text, shortened to what a cell of a notebook shows."""
        return cut(self.text(), CELL)


def cut(text: str, most: int) -> str:
    """Return no more than `most` lines, the last of which counts the rest."""
    lines = text.splitlines()
    if len(lines) <= most:
        return text
    return "\n".join([*lines[: most - 1], CUT.format(count=len(lines) - most + 1)])


def preformatted(text: str) -> str:
    """Return text for a notebook, in which columns stay columns."""
    return f"<pre>{html.escape(text)}</pre>"
