"""A request on its way through the engine, and the thread-safe end that its owner holds."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Literal

from ml.serving.errors import ServingError
from ml.serving.requests import GenerationRequest, TokenStep
from ml.serving.rows import AdapterRow

_Item = TokenStep | ServingError | Literal["ready"]


class Ticket:
    """One request: steps go in at the engine's end and come out at the owner's.

    The queue between them is bounded by the request: an item for its adapter, and one for each of
    its tokens.
    """

    def __init__(self, request: GenerationRequest) -> None:
        """Nothing has happened yet."""
        self.request = request
        self.row: AdapterRow | None = None
        """The adapter, pinned from when it is loaded until it is in a slot."""
        self.shares_ppb: tuple[int, ...] = ()
        """What part of a merge each of its adapters has, once it is loaded."""
        self.cancelled = False
        self.closed = False
        """Whether the last step, or an error, has been put in."""
        self._items: SimpleQueue[_Item] = SimpleQueue()

    def cancel(self) -> None:
        """Say that nobody wants the rest; the engine lets go of it before its next step."""
        self.cancelled = True

    def wait_until_ready(self) -> None:
        """Wait until the adapter is loaded; raises the `ServingError` that prevents the answer."""
        item = self._items.get()
        if isinstance(item, ServingError):
            raise item

    def next_step(self) -> TokenStep:
        """Wait for the next step; raises the `ServingError` that ended the answer."""
        item = self._items.get()
        if isinstance(item, ServingError):
            raise item
        if isinstance(item, TokenStep):
            return item
        return self.next_step()

    def put_ready(self) -> None:
        """The adapter is in memory (the engine's end)."""
        self._items.put("ready")

    def put_step(self, step: TokenStep) -> None:
        """Hand on a step (the engine's end)."""
        self.closed = step.finish is not None
        self._items.put(step)

    def fail(self, error: ServingError) -> None:
        """End the answer with an error (the engine's end)."""
        self.closed = True
        self._items.put(error)
