"""What the long-running commands share."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set; the second signal interrupts at once.

    Raising wherever the program happens to be would print a traceback out of a finaliser.
    """
    stop = threading.Event()

    def request(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request)
    return stop
