"""Search by anything: a height, a hash, an account, a name, a Datanet, a model, a call."""

from __future__ import annotations

import asyncio
import re

from markupsafe import Markup

from studio.context import Studio
from studio.frame import html, page
from studio.parts import values
from studio.parts.tables import card, columns, table
from studio.parts.tags import Child, link, tag
from studio.tabs import address

FOUND_MAX = 50
_HASH = re.compile("[0-9a-f]{64}")
Found = tuple[str, Child, Child]


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/search")
    async def search(q: str = "") -> None:
        lead = "A height, an id, an extrinsic, an account or its name, a Datanet, a model, a call."
        async with page(studio, "Search", "/search", lead=lead):
            found = await find(studio, q)
            html(_result(q, found[:FOUND_MAX]))


async def find(studio: Studio, text: str) -> list[Found]:
    """Everything that a text may mean: what it is, a link, and a word about it."""
    wanted = text.strip().removeprefix("0x")
    if not wanted:
        return []
    found: list[Found] = []
    if wanted.replace(",", "").isdecimal():
        found += await _by_number(studio, int(wanted.replace(",", "")))
    if _HASH.fullmatch(wanted.lower()):
        found += await _by_hash(studio, wanted.lower())
    return found + await _by_name(studio, wanted.lower())


async def _by_number(studio: Studio, value: int) -> list[Found]:
    found: list[Found] = []
    if value <= studio.chain.height:
        found.append(("Block", values.block_link(value), "by its height"))
    if await studio.chain.state.read("Datanets", "datanets", value):
        found.append(("Datanet", link(f"#{value}", f"/datanets/{value}"), "by its number"))
    if await studio.chain.state.read("Compute", "jobs", value):
        found.append(("Job", link(f"#{value}", f"/jobs/{value}"), "by its number"))
    return found


async def _by_hash(studio: Studio, digits: str) -> list[Found]:
    index, state = studio.chain.index, studio.chain.state
    found: list[Found] = []
    height = await asyncio.to_thread(index.block_height, digits)
    if height is not None:
        found.append(("Block", values.block_link(height), "by its id"))
    extrinsics = await asyncio.to_thread(index.extrinsics, 0, 1, hash=digits)
    found.extend(
        ("Extrinsic", link(row.call, f"/extrinsics/{digits}"), "by its hash") for row in extrinsics
    )
    if await state.read("Models", "models", bytes.fromhex(digits)):
        found.append(("Model", values.digest(digits, f"/models/{digits}"), "by its hash"))
    mentions = await asyncio.to_thread(index.mention_count, digits)
    balance = await state.read("Balances", "accounts", bytes.fromhex(digits))
    if mentions or balance.free or balance.held or balance.nonce:
        note = f"{values.number(mentions)} events name it"
        found.append(("Account", studio.account(digits), note))
    return found


async def _by_name(studio: Studio, wanted: str) -> list[Found]:
    found: list[Found] = [
        ("Account", studio.account(account), "by its name on this machine")
        for account in studio.names.find(wanted)
    ]
    for entry in await studio.chain.state.entries("Datanets", "datanets"):
        if wanted in entry.value.name.lower():
            href = f"/datanets/{entry.key[0]}"
            found.append(("Datanet", link(entry.value.name, href), entry.value.description[:80]))
    for name, pallet in studio.chain.state.pallets.items():
        if wanted in name.lower():
            found.append(("Pallet", link(name, f"/pallets/{name}"), pallet["documentation"][:80]))
        for call in pallet["calls"]:
            if wanted in f"{name}.{call['name']}".lower():
                full = f"{name}.{call['name']}"
                found.append(("Call", values.call_name(full), call["documentation"][:80]))
    return found


def _result(text: str, found: list[Found]) -> Markup:
    if not text.strip():
        return card("Nothing to look for", tag("p", "Write into the field at the top."))
    empty = tag(
        "div",
        tag("strong", f"Nothing here is called “{text[:80]}”."),
        "Paste a whole hash, or a part of a name; heights are numbers.",
    )
    heads = columns("What", "Where", "Why")
    return card(f"“{text[:80]}”", table(heads, found, caption="Found", empty=empty))
