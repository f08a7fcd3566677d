"""A process that is given over to somebody's code, asked across a pipe."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import psutil

MEMORY_SHARE = 0.5
"""Of the memory that is free, what the process may take."""

ROOM = 4_000_000_000
"""Addresses, hardly any of them memory, that Python with numpy reserves before it does anything."""


class Child:
    """A new process, in which `target` is called with a connection and the arguments.

    Parameters
    ----------
    what : str
        Whose process it is, for messages.
    target : callable
        Of a module that can be imported; its last argument is the memory it may take, in bytes.
    """

    def __init__(self, what: str, target: Callable[..., None], *arguments: Any) -> None:
        self.what = what
        self._lost: tuple[str, str] | None = None
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        memory = ROOM + int(MEMORY_SHARE * psutil.virtual_memory().available)
        self._process = context.Process(
            target=target, args=(theirs, *arguments, memory), daemon=True
        )
        self._process.start()
        theirs.close()

    def ask(self, request: Any, limit: float) -> tuple[Any, ...]:
        """Send `request` and return the answer."""
        try:
            self._connection.send(request)
        except OSError:
            return self._ended()
        return self.receive(limit)

    def receive(self, limit: float) -> tuple[Any, ...]:
        """Return what the process sends, or ('lost', why) where it sends nothing."""
        try:
            if self._connection.poll(limit):
                answer: tuple[Any, ...] = self._connection.recv()
                return answer
        except (EOFError, OSError):
            return self._ended()
        self._process.kill()
        self._lost = "lost", f"no answer within {limit:g} s"
        return self._lost

    def close(self) -> None:
        """End the process, and whatever it has started."""
        self._connection.close()
        if os.name == "posix" and self._process.pid:
            try:
                if os.getpgid(self._process.pid) == self._process.pid:
                    os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.kill()
        self._process.join()

    def _ended(self) -> tuple[str, str]:
        if self._lost:
            return self._lost
        self._process.join(1.0)
        code = self._process.exitcode
        how = f"by signal {-code}" if code and code < 0 else f"with exit status {code}"
        self._lost = "lost", f"the process of {self.what} ended {how}"
        return self._lost
