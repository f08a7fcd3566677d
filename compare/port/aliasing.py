"""Arrays that should be apart and are one, or should be one and are apart."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np

from compare.judgement import Judgement, judge_fact
from compare.port.network import PortedNetwork
from compare.port.stimuli import Batch
from compare.reference.evaluate import Evaluation
from compare.rules import OfValue
from compare.user_frame import CandidateError

WHERE = "the parameters that it came with"


def shared_arrays(network: PortedNetwork, grads: Mapping[str, Any]) -> Iterator[Judgement]:
    """Yield a mistake for each two arrays that should be apart and are one."""
    for (a, one), (b, other) in combinations(network.params.items(), 2):
        if np.shares_memory(one, other):
            detail = f"is the same array as {a}: training one changes the other"
            yield judge_fact("aliasing", b, WHERE, False, detail)
    for (a, one), (b, other) in product(network.params.items(), grads.items()):
        if isinstance(other, np.ndarray) and np.shares_memory(one, other):
            detail = f"is the array of {a} itself: an update in place would change it"
            yield judge_fact("aliasing", f"gradient {b}", WHERE, False, detail)


def ignored_params(
    network: PortedNetwork, batch: Batch, names: Mapping[str, str], e: Evaluation
) -> list[Judgement]:
    """Return a mistake where the loss follows none of the parameters of which the module's has a
    gradient beyond rounding.

    One that alone is ignored may have been left out: that is for the forward pass to show.
    """
    u = network.form.u
    grads = {q.name: value for q, value in e.values.items() if q.kind == "gradient"}
    alive = {k for k, v in grads.items() if v.v.norm() > OfValue(v, u).allowed(k)}
    try:
        loss = network.show(batch).loss
        for key in (key for key, name in names.items() if name in alive):
            halved = {**batch.params, key: batch.params[key] / 2}
            if network.show(replace(batch, params=halved)).loss != loss:
                return []
    except CandidateError:
        return []
    detail = "are ignored: no change of them reaches the loss, the layers hold copies"
    return [judge_fact("aliasing", "params", WHERE, not alive, detail)]
