"""One thread for each stack: defaults of two libraries that both take every core are slower."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from threadpoolctl import threadpool_limits


def one_thread_each() -> AbstractContextManager[None]:
    """Give numpy's BLAS and torch one thread each, and restore what they had."""
    return threads(1, 1)


@contextmanager
def threads(blas: int, of_torch: int) -> Iterator[None]:
    """Give numpy's BLAS and torch these numbers of threads, and restore what they had.

    BLAS is limited in the whole process; torch in this thread and in those started meanwhile.
    """
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(of_torch)
        with threadpool_limits(blas, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
