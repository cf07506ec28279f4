"""Accounts: all of them, and one with its balance, what it did and what was done to it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from markupsafe import Markup
from nicegui import ui

from runtime.errors import OpenLedgerError
from studio.context import Studio
from studio.errors import FieldInvalid
from studio.exports import storage_address
from studio.frame import html, page
from studio.live import live
from studio.parts import values
from studio.parts.lists import event_table, extrinsic_table
from studio.parts.tables import PAGE_ROWS, card, columns, crumbs, pager, table, tiles
from studio.parts.tags import link, tag
from studio.tabs import address

ACCOUNT_BYTES = 32
EXTRINSICS_SHOWN = 10


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/accounts")
    async def accounts(after: str = "") -> None:
        lead = "Everybody who holds OPEN here. Names are this machine's own; others see digits."
        async with page(studio, "Accounts", "/accounts", lead=lead):
            html(await _list(studio, after))

    @address("/accounts/{digits}")
    async def account(digits: str, page_number: Annotated[int, Query(alias="page")] = 1) -> None:
        back = crumbs(("Accounts", "/accounts"))
        title = studio.names.of(digits) or f"Account {values.short(digits)}"
        async with page(studio, title, "/accounts", crumbs=back):
            account_bytes = _parsed(digits)
            _name_field(studio, digits)
            await live(studio, lambda: _account(studio, account_bytes, page_number))


def _parsed(digits: str) -> bytes:
    try:
        account = bytes.fromhex(digits)
    except ValueError:
        account = b""
    if len(account) != ACCOUNT_BYTES:
        message = f"{digits[:80]!r} is not an account."
        raise FieldInvalid(message, remedy="An account is 64 hexadecimal digits.")
    return account


def _name_field(studio: Studio, digits: str) -> None:
    def keep(name: str) -> None:
        try:
            studio.names.add(digits, name)
            ui.notify("Kept on this machine.")
        except OpenLedgerError as error:
            ui.notify(str(error), type="negative")

    with ui.row().classes("items-center q-gutter-sm"):
        html(values.digest(digits))
        field = ui.input("Name on this machine", value=studio.names.of(digits) or "")
        field.props("outlined dense maxlength=48").style("width: 230px")
        ui.button("Keep", on_click=lambda: keep(field.value)).props("outline")


async def _list(studio: Studio, after: str) -> Markup:
    state = studio.chain.state
    entries = await state.page(
        "Balances", "accounts", PAGE_ROWS, bytes.fromhex(after) if after else None
    )
    issuance = await state.read("Balances", "issuance")
    rows = [
        (
            studio.account(entry.key[0].hex()),
            values.amount(entry.value.free),
            values.amount(entry.value.held),
            values.share(entry.value.free + entry.value.held, issuance, 4),
            values.number(entry.value.nonce),
        )
        for entry in entries
    ]
    first = link("First", "/accounts") if after else None
    more = len(entries) == PAGE_ROWS
    last_key = entries[-1].storage_key.hex() if entries else ""
    following = link("Next", f"/accounts?after={last_key}") if more else None
    heads = columns("Account", "Free#", "Held#", "Of all OPEN#", "Extrinsics#")
    grown = tag("span", class_="grow")
    return card(
        "In the order of their digits",
        table(heads, rows, caption="Accounts"),
        tag("nav", first, grown, following, class_="pager", aria_label="Pages"),
        note=tag("span", "In all ", values.amount(issuance, 0)),
        export=storage_address("Balances", "accounts"),
    )


async def _account(studio: Studio, account: bytes, page_number: int) -> Markup:
    digits, index = account.hex(), studio.chain.index
    offset = (max(1, page_number) - 1) * PAGE_ROWS
    balance, holds, sent, sent_count, events, total = await asyncio.gather(
        studio.chain.state.read("Balances", "accounts", account),
        studio.chain.state.page("Balances", "holds", PAGE_ROWS, prefix=b"\x58\x20" + account),
        asyncio.to_thread(index.extrinsics, 0, EXTRINSICS_SHOWN, signer=digits),
        asyncio.to_thread(index.extrinsic_count, signer=digits),
        asyncio.to_thread(index.mentions, digits, offset, PAGE_ROWS),
        asyncio.to_thread(index.mention_count, digits),
    )
    held = [(str(entry.key[1]), values.amount(entry.value)) for entry in holds if entry.value]
    heads = columns("For", "OPEN#")
    parts = [
        tiles(
            ("Free", values.amount(balance.free), "may be spent"),
            ("Held", values.amount(balance.held), "bonds and deposits"),
            ("Extrinsics sent", values.number(balance.nonce), None),
        ),
        card("What is held, and why", table(heads, held, caption="Holds")) if held else None,
        card(
            "Sent by this account",
            extrinsic_table(studio, sent, "It has sent nothing yet."),
            note=f"{values.number(sent_count)} in all",
            export=f"/export/extrinsics.json?signer={digits}",
        ),
        card(
            "What happened to it",
            event_table(studio, events, "No event names it yet."),
            pager(page_number, total, f"/accounts/{digits}"),
            export=f"/export/events.json?account={digits}",
        ),
    ]
    return tag("div", *parts, class_="stack")
