"""What a network in the caller's process could leave changed, kept and put back."""

import io
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import torch


@contextmanager
def contained() -> Iterator[None]:
    """Keep output, global random states, numpy's error handling, warnings and torch's default type.

    A network that never returns is beyond this: `netparity check` gives it a process of its own.
    """
    python, legacy, generator = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002  # the global one is what networks change
    dtype, errors = torch.get_default_dtype(), np.geterr()
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002  # as above
        torch.set_rng_state(generator)
        torch.set_default_dtype(dtype)
        np.seterr(**errors)
