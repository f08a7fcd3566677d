"""What is kept of a run: trajectories of every step, and the judgements worth keeping."""

from dataclasses import dataclass, field

from compare.judgement import Judgement, Verdict, first_failing, overall


@dataclass
class Trace:
    """Trajectories of one initialisation on both stacks.

    Attributes
    ----------
    scratch, torch : list of float
        Loss of each step, after the update, on the same batch.
    errors : list of float
        Worst relative error over all gradients, each stack at its own parameters: the free run.
    flip : int or None
        The first step in which a ReLU of the two lets different samples pass. From there on the
        two are different functions, and the free run says nothing.
    apart : int or None
        The first step in which the free run is further apart than one step's rounding allows.
    """

    scratch: list[float] = field(default_factory=list)
    torch: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    flip: int | None = None
    apart: int | None = None

    @property
    def compared(self) -> int:
        """The number of steps up to which the free run is compared."""
        ends = [end for end in (self.flip, self.apart) if end is not None]
        return min(ends, default=len(self.errors))


@dataclass
class Ledger:
    """The judgements of a run: the worst of each quantity, and all of the first failing step.

    Attributes
    ----------
    worst : dict of str to Judgement
        By quantity, the one with the highest score.
    failing : list of Judgement
        All judgements of the first place where one fails; empty if none did.
    points : dict of int to Judgement
        By judged step, the gradient with the highest score.
    sees : dict of str to float
        By quantity, the smallest relative error that would have been seen in some step.
    largest : float
        The largest relative error of any gradient that could be judged.
    """

    worst: dict[str, Judgement] = field(default_factory=dict)
    failing: list[Judgement] = field(default_factory=list)
    points: dict[int, Judgement] = field(default_factory=dict)
    sees: dict[str, float] = field(default_factory=dict)
    largest: float = 0.0

    def add(self, judgements: list[Judgement], step: int | None = None) -> None:
        """Take in the judgements of one step, or those made before the first."""
        for judgement in judgements:
            kept = self.worst.get(judgement.quantity)
            if kept is None or judgement.rank() > kept.rank():
                self.worst[judgement.quantity] = judgement
            if judgement.has_power and judgement.norm:
                seen = self.sees.get(judgement.quantity, judgement.relative_allowed)
                self.sees[judgement.quantity] = min(seen, judgement.relative_allowed)
        gradients = [j for j in judgements if j.probe == "gradient" and not j.stack]
        powerful = [j.relative_error for j in gradients if j.has_power and j.norm]
        self.largest = max([self.largest, *powerful])
        judged = [j for j in gradients if j.verdict is not Verdict.INCONCLUSIVE]
        if step is not None and judged:
            # One without power, such as a bias before BatchNorm, is nothing but rounding.
            self.points[step] = max(judged, key=lambda j: (j.fails, j.has_power, j.rank()))
        if not self.failing and first_failing(judgements):
            self.failing = judgements

    @property
    def verdict(self) -> Verdict:
        """The verdict on everything judged; INCONCLUSIVE if no gradient was."""
        return overall([*self.worst.values(), *self.failing])
