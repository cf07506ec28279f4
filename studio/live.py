"""Parts of a page that follow the chain: made anew after a new block, sent if they differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from markupsafe import Markup
from nicegui import ui

from runtime.errors import OpenLedgerError
from studio.context import Studio
from studio.frame import html, notice
from studio.tabs import every

INTERVAL_S = 1.0


async def live(
    studio: Studio, make: Callable[[], Awaitable[Markup]], interval_s: float = INTERVAL_S
) -> ui.html:
    """What `make` returns, now and after each new block, at most once an interval."""
    made_at = studio.chain.height
    element = html(await make()).classes("live")

    async def refresh() -> None:
        nonlocal made_at
        if studio.chain.height == made_at:
            return
        made_at = studio.chain.height
        try:
            content = await make()
        except OpenLedgerError as error:
            content = notice(error.message, error.remedy, "bad")
        if element.content != content:
            element.content = str(content)

    every(interval_s, refresh)
    return element
