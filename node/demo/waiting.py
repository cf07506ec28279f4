"""Waiting for something to become true, with a limit and a sentence for when it does not."""

from __future__ import annotations

import time
from collections.abc import Callable

from node.errors import NodeError

POLL_SECONDS = 0.2


class StageTimeout(NodeError):
    """A stage did not come to its end in time."""


def wait_for(
    condition: Callable[[], bool], message: str, seconds_max: float, remedy: str = "Read the logs."
) -> None:
    """Return once `condition` holds; raises `StageTimeout` with `message` after `seconds_max`."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            raise StageTimeout(message, remedy=remedy)
        time.sleep(POLL_SECONDS)
