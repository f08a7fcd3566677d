"""Ending soon when asked to, whatever is being computed."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

GRACE = 1.5
"""Seconds after which the process ends even inside a library that does not return to Python."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While active, SIGINT and SIGTERM raise KeyboardInterrupt, and end the process after GRACE.

    Attributes
    ----------
    signum : int or None
        The signal that came, for exit status 128 + signum.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, Any] = {}
        self._last = threading.Timer(GRACE, self._end)
        self._last.daemon = True

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # Python's rule for handlers
            self._before = {number: signal.signal(number, self._stop) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._last.cancel()

    def _stop(self, signum: int, _: FrameType | None) -> None:
        if self.signum is None:
            self.signum = signum
            self._last.start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        os._exit(128 + (self.signum or 0))
