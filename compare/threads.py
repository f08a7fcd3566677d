"""One thread for each stack: defaults of two libraries that both take every core are slower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Give numpy's BLAS and torch one thread each, and restore what they had.

    BLAS is limited in the whole process; torch in this thread and in those started meanwhile.
    """
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
