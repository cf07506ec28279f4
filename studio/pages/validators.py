"""Validators: who decides blocks, with what stake, and who decided the last ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from markupsafe import Markup
from nicegui import ui

from studio.chain.tables import BlockRow
from studio.context import Studio
from studio.exports import storage_address
from studio.frame import page
from studio.live import live
from studio.parts import values
from studio.parts.lists import event_table
from studio.parts.tables import card, columns, table, tiles
from studio.parts.tags import tag
from studio.tabs import address

BLOCKS_LOOKED_AT = 300
TIMELINE_BLOCKS = 120
EVENTS_SHOWN = 15
EVENTS = (
    "Offences.Punished",
    "Offences.SlashDeferred",
    "Offences.SlashTaken",
    "Offences.SlashCancelled",
    "Staking.Slashed",
    "Staking.CommissionSet",
    "Session.SetChanged",
)


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/validators")
    async def validators() -> None:
        lead = "They put OPEN at stake, and two thirds of it make a block final."
        async with page(studio, "Validators", "/validators", lead=lead):
            await live(studio, lambda: _set(studio), 2.0)
            await live(studio, lambda: _events(studio), 5.0)
            with ui.row().classes("q-gutter-sm"):
                for text, call in (
                    ("Bond", "bond"),
                    ("Claim rewards", "claim"),
                    ("Unbond", "unbond"),
                ):
                    href = f"/pallets/Staking?call={call}"
                    ui.button(text, on_click=lambda href=href: ui.navigate.to(href)).props(
                        "outline"
                    )


async def _set(studio: Studio) -> Markup:
    state = studio.chain.state
    current, ends_at, issuance = await asyncio.gather(
        state.read("Session", "current"),
        state.read("Session", "ends_at"),
        state.read("Balances", "issuance"),
    )
    blocks = await asyncio.to_thread(studio.chain.index.blocks, 0, BLOCKS_LOOKED_AT)
    members = list(current.validators) if current else []
    accounts = [(each.account,) for each in members]
    backings = await state.read_many("Staking", "backings", accounts)
    proposed = Counter(block.proposer for block in blocks)
    bonded = sum(backing.stake for backing in backings)
    weight = sum(each.weight for each in members) or 1
    rows = [
        (
            studio.account(each.account.hex()),
            values.amount(backing.stake, 2),
            values.share(backing.own_shares, backing.shares),
            values.ppb(backing.commission_ppb),
            values.share(each.weight, weight),
            values.number(proposed[each.account.hex()]),
        )
        for each, backing in zip(members, backings, strict=True)
    ]
    heads = columns(
        "Validator",
        "Stake#",
        "Its own#",
        "Commission#",
        "Voting power#",
        f"Of {len(blocks)} blocks#",
    )
    return tag(
        "div",
        tiles(
            ("Validators", values.number(len(members)), "in this session"),
            ("At stake", values.amount(bonded, 0), f"{values.share(bonded, issuance, 3)} of all"),
            ("Time of a block", f"{_interval_s(blocks):.2f} s", f"over {len(blocks)} blocks"),
            ("Session ends at", values.number(ends_at or 0), "block"),
        ),
        card(
            "This session",
            table(heads, rows, caption="Validators"),
            export=storage_address("Staking", "backings"),
        ),
        card("Who proposed", _timeline(studio, members, blocks), note=f"{TIMELINE_BLOCKS} blocks"),
        class_="stack",
    )


def _interval_s(blocks: tuple[BlockRow, ...]) -> float:
    """The mean time from one block to the next; the genesis block was made long before."""
    timed = [block for block in blocks if block.height]
    if len(timed) < 2:  # an interval has two ends
        return 0.0
    return (timed[0].time_ms - timed[-1].time_ms) / 1_000 / (len(timed) - 1)


def _timeline(studio: Studio, members: list[Any], blocks: tuple[BlockRow, ...]) -> Markup:
    """A row a validator, a tick a block that it proposed; the newest at the right."""
    newest = list(reversed(blocks[:TIMELINE_BLOCKS]))
    lines = []
    for each in members:
        digits = each.account.hex()
        ticks = [tag("i", class_="on" if block.proposer == digits else None) for block in newest]
        mine = sum(block.proposer == digits for block in newest)
        label = f"{studio.names.of(digits) or values.short(digits)} proposed {mine} blocks"
        track = tag("span", *ticks, class_="ticks", role="img", aria_label=label)
        lines.append(tag("div", studio.account(digits), track, class_="timeline-row"))
    return tag("div", *lines, class_="timeline")


async def _events(studio: Studio) -> Markup:
    events = await asyncio.to_thread(studio.chain.index.events, 0, EVENTS_SHOWN, *EVENTS)
    empty = tag("div", tag("strong", "Nothing out of the ordinary."), "Nobody was punished.")
    return card("Changes and punishments", event_table(studio, events, empty))
