"""The connection of a page to its browser tab, which may stall: a slow machine, a closed laptop.

A tab that was away finds its page, and all that was typed into it, as it was.  NiceGUI's own limit
is three seconds, after which the page is made anew with empty forms: on a busy machine a vote was
signed with the field's first amount instead of the one that had been typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

RECONNECT_S = 600.0
"""How long a page waits for its tab to come back."""
RESPONSE_S = 30.0
"""How long the node may take over what a page shows at first."""


def address(path: str) -> ui.page:
    """What registers a page under an address."""
    return ui.page(path, response_timeout=RESPONSE_S)


def every(interval_s: float, act: Callable[[], Awaitable[None] | None]) -> ui.timer:
    """Do something at intervals for as long as somebody looks: a page without its tab rests."""
    client = ui.context.client

    async def tick() -> None:
        if client.has_socket_connection and (waiting := act()) is not None:
            await waiting

    return ui.timer(interval_s, tick)
