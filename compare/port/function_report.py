"""What is said of a function that was judged against one of tensors."""

from dataclasses import dataclass

from compare.judgement import Judgement, Verdict
from compare.port.report import ModuleReport


@dataclass(frozen=True, repr=False)
class FunctionReport(ModuleReport):
    """The verdict on a function; `print(report)` shows it. `module` is what its reference is."""

    @property
    def summary(self) -> str:
        """The verdict, the function, and what is wrong first or what agrees."""
        first = self.first_divergence
        what = f"{first.quantity} first, on {first.where}" if first else self.agreement
        return f"{self.verdict} {self.name}: {what}"

    @property
    def agreement(self) -> str:
        """Of what is right, how far, and what would have been seen."""
        seen = [j for j in self.judgements if j.verdict is Verdict.SAME and j.has_power]
        if not seen:
            return "nothing could be judged"
        best: dict[str, Judgement] = {}
        for j in seen:
            kept = best.setdefault(j.quantity, j)
            best[j.quantity] = min(kept, j, key=lambda j: j.relative_allowed)
        worst = max(j.relative_error for j in best.values())
        least = max(j.relative_allowed for j in best.values())
        return (
            f"Right: {', '.join(best)} agree with PyTorch to {worst:.0e}. A mistake of {least:.0e} "
            "would have been seen."
        )
