"""One batch: what the network shows of it, what the module computes, and how far both are apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.judgement import Judgement, Verdict, judge_fact, judge_tensor
from compare.port.conventions import Convention, Definition
from compare.port.matched import Matched
from compare.port.network import PortedNetwork
from compare.port.places import OUTPUTS, made_of_output
from compare.port.reference import Reference
from compare.port.shown import Shown
from compare.port.stimuli import Batch
from compare.port.verdict import doubts
from compare.reference.evaluate import Evaluation, Quantity
from compare.rules import OfValue
from compare.user_frame import CandidateError

Array = NDArray[Any]

PROBES = {
    "module": "forward", "output": "forward", "loss": "loss", "gradient": "gradient",
    "buffer": "state",
}  # fmt: skip  # a word for a word

TRIES = 3
"""How often samples on an edge are left out: others may come to lie on one, where samples depend on
each other."""


@dataclass(frozen=True)
class Response:
    """A batch, and what both made of it; `raised` where the network made nothing.

    `gradients` is the evaluation of the gradients where other units were dropped for them.
    """

    batch: Batch
    shown: Shown | None
    evaluation: Evaluation | None
    gradients: Evaluation | None = None
    raised: str = ""


class Judge:
    """Asks both, and judges.

    Parameters
    ----------
    network, reference
        The two.
    matched : Matched
        What is known of their parts; it may be filled in later.

    Attributes
    ----------
    convention : Convention
        By which the network is judged.
    """

    def __init__(self, network: PortedNetwork, reference: Reference, matched: Matched) -> None:
        self.network, self.reference, self.matched = network, reference, matched
        self.convention = Convention()

    def respond(self, batch: Batch) -> Response:
        """Return what both make of a batch; ValueError where the reference raises."""
        try:
            shown = self.network.show(batch)
        except CandidateError as error:
            self.reference.evaluate(batch, self.matched.params)  # where it raises, too: no mistake
            return Response(batch, None, None, raised=str(error))
        return self.evaluated(batch, shown)

    def evaluated(self, batch: Batch, shown: Shown) -> Response:
        """Return what the module makes of it, by the convention."""
        masks = shown.masks or shown.other_masks
        alike = len(masks) == len(shown.other_masks) and all(
            np.array_equal(a, b) for a, b in zip(masks, shown.other_masks, strict=True)
        )
        first = self._evaluate(batch, masks)
        other = None if alike else self._evaluate(batch, shown.other_masks)
        return Response(batch, shown, first, other)

    def _evaluate(self, batch: Batch, masks: Sequence[Array]) -> Evaluation:
        also = made_of_output() if self.matched.output in OUTPUTS else None
        c = self.convention
        of_loss = [c.loss] if c.loss else []

        def by(*defined: Definition) -> Evaluation:
            return self.reference.evaluate(
                batch, self.matched.params, masks=masks, also=also, defined=defined
            )

        e = by(*c.layers, *(of_loss if c.in_gradient else []))
        if c.loss and not c.in_gradient:
            loss = Quantity("loss")
            e = replace(e, values=e.values | {loss: by(*c.layers, c.loss).values[loss]})
        return e

    def judge(self, response: Response) -> list[Judgement]:
        """Return a judgement of each value that the network shows, in causal order."""
        batch, shown, e = response.batch, response.shown, response.evaluation
        if shown is None or e is None:
            detail = (
                f"is refused: {response.raised}. A first plain call had worked; a network that is "
                "meant for one batch alone is judged with stimuli=False"
            )
            return [judge_fact("forward", "call", batch.name, False, detail)]
        return self.judge_values(self.actual(shown), e, batch, response.gradients)

    def judge_values(
        self, actual: Mapping[Quantity, Array], e: Evaluation, batch: Batch,
        gradients: Evaluation | None = None,
    ) -> list[Judgement]:  # fmt: skip  # what is shown, by what it is judged
        """Return a judgement of each value; of a difference that proves nothing, an open one."""
        found = [
            self._judgement(q, value, e if q.kind != "gradient" else gradients or e, batch)
            for q, value in _in_order(actual, e)
        ]
        if batch.is_stress:
            found = [replace(j, is_limit=j.verdict is Verdict.UNSTABLE) for j in found]
        both = (e, gradients) if gradients else (e,)
        if doubt := next((text for each in both for text in doubts(each)), ""):
            return [
                replace(j, verdict=Verdict.INCONCLUSIVE, detail=doubt) if j.fails else j
                for j in found
            ]
        return found

    def without_edges(self, response: Response) -> Response:
        """Return the response; where something of it fails beside samples on an edge, without them,
        as far as that can be had.
        """
        for _ in range(TRIES):
            e, batch = response.evaluation, response.batch
            if e is None or not e.kinks or not any(j.detail for j in self.judge(response)):
                break
            picked = [set(range(len(batch.x))) if k.samples is None else set(k.samples)
                      for k in e.kinks]  # fmt: skip  # a condition
            keep = [i for i in range(len(batch.x)) if i not in set().union(*picked)]
            if not keep or len(batch.x) != len(batch.t):
                break
            name = batch.name.partition(", without")[0]
            response = self.respond(batch.rows(f"{name}, without those on an edge", keep))
        return response

    def actual(self, shown: Shown) -> dict[Quantity, Array]:
        """Return what is shown, by the module's names."""
        alone = self.network.gradient_first
        return self.matched.actual(shown, self.reference.buffers, is_gradient_alone=alone)

    def _judgement(self, q: Quantity, value: Array, e: Evaluation, batch: Batch) -> Judgement:
        name = q.name or q.kind
        if q in e.values:
            expected = e.values[q]
            rule = OfValue(expected, self.reference.form.u)
            shown = "predict" if q.kind == "output" and q.name else name
            return judge_tensor(
                PROBES[q.kind], shown, batch.name, value, expected.v.double().numpy(), rule
            )
        why = "the module's output is no single array"
        if q.kind == "gradient":
            is_dead = q.name in e.without_gradient
            why = f"{'the loss does not depend on it' if is_dead else 'it is frozen'} in the module"
            if is_dead and not value.any():
                return Judgement("gradient", name, batch.name, Verdict.SAME)
        return Judgement(PROBES[q.kind], name, batch.name, Verdict.INCONCLUSIVE, detail=why)


def _in_order(actual: Mapping[Quantity, Array], e: Evaluation) -> Iterator[tuple[Quantity, Array]]:
    """Yield what is shown in the order in which the module computes it; last what it does not."""
    order = [q for q in e.values if q in actual]
    # What is made of the output is evaluated after the loss, and comes before it.
    order.sort(key=lambda q: ("module", "output", "loss", "gradient", "buffer").index(q.kind))
    for q in (*order, *(q for q in actual if q not in e.values)):
        yield q, actual[q]
