"""Lists as JSON: every table of pages has its whole list behind one address.

What the index knows is told as it is kept, storage as the metadata decode it; the newest first, and
at most `ROWS_MAX` of a list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from fastapi.responses import JSONResponse
from nicegui import app

from runtime.errors import OpenLedgerError
from studio.chain.index import PAGE_ROWS_MAX
from studio.context import Studio

ROWS_MAX = 10_000
NOT_FOUND = 404


def register(studio: Studio) -> None:
    """Add the addresses."""

    @app.get("/export/blocks.json")
    async def blocks() -> JSONResponse:
        return await _listed(studio.chain.index.blocks)

    @app.get("/export/extrinsics.json")
    async def extrinsics(signer: str = "", call: str = "") -> JSONResponse:
        wanted = {name: text for name, text in (("signer", signer), ("call", call)) if text}
        index = studio.chain.index
        return await _listed(lambda offset, count: index.extrinsics(offset, count, **wanted))

    @app.get("/export/events.json")
    async def events(account: str) -> JSONResponse:
        index = studio.chain.index
        return await _listed(lambda offset, count: index.mentions(account, offset, count))

    @app.get("/export/{pallet}/{item}.json")
    async def storage(pallet: str, item: str) -> JSONResponse:
        try:
            found = await _entries(studio, pallet, item)
        except OpenLedgerError as error:
            said = {"error": error.message, "remedy": error.remedy}
            return JSONResponse(said, status_code=NOT_FOUND)
        return JSONResponse(found)


def storage_address(pallet: str, item: str) -> str:
    """Where all of a map is to be had."""
    return f"/export/{pallet}/{item}.json"


async def _listed(page: Callable[[int, int], Sequence[Any]]) -> JSONResponse:
    """All pages of a list of the index."""

    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < ROWS_MAX:
            rows = page(len(found), PAGE_ROWS_MAX)
            found.extend(asdict(row) for row in rows)
            if len(rows) < PAGE_ROWS_MAX:
                break
        return found

    return JSONResponse(await asyncio.to_thread(read))


async def _entries(studio: Studio, pallet: str, item: str) -> list[dict[str, Any]]:
    state = studio.chain.state
    state.decoder.item(pallet, item)
    to_json = state.decoder.to_json
    return [
        {"key": to_json(entry.key), "value": to_json(entry.value)}
        for entry in await state.entries(pallet, item, ROWS_MAX)
    ]
