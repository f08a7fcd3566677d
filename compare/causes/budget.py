"""How much work a search for causes may be: counted, so that no report depends on the machine."""

from dataclasses import dataclass


@dataclass
class Budget:
    """Replays that may be made.

    Attributes
    ----------
    most : float
        How many.
    used : int
        How many have been made.
    """

    most: float = float("inf")
    used: int = 0

    def spend(self) -> None:
        """Count one."""
        self.used += 1

    @property
    def is_spent(self) -> bool:
        """Whether no further mistake is to be tried."""
        return self.used >= self.most
