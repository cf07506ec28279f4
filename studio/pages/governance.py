"""Governance: what is asked of everybody, how it stands, and voting.

A referendum carries a call.  Whoever votes can try what it would do on the chain's newest state.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from nicegui import ui

from studio.context import Studio
from studio.errors import ObjectMissing
from studio.exports import storage_address
from studio.frame import html, notice, page
from studio.live import live
from studio.parts import simulation, values
from studio.parts.call_form import filled_call
from studio.parts.fields import Fields
from studio.parts.tables import card, columns, crumbs, table, tiles
from studio.parts.tags import link, tag
from studio.signing import sign, told
from studio.tabs import address

RESULTS = {"APPROVED": "ok", "REJECTED": "bad", "TIMED_OUT": "neutral"}
SHOWN_MAX = 100
TENTHS = 10
SLOW_S = 2.0


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/governance")
    async def governance() -> None:
        lead = "Whoever holds OPEN decides: proposals, votes, and what became of them."
        async with page(studio, "Governance", "/governance", lead=lead):
            if not studio.chain.state.has("Governance", "referenda"):
                text = "This chain was composed without the pallet Governance."
                html(notice(text, "Its parameters change by upgrades of the software only."))
                return
            with ui.row().classes("q-gutter-sm"):
                ui.button(
                    "Propose", icon="campaign", on_click=lambda: ui.navigate.to("/governance/new")
                ).props("unelevated")
                ui.button(
                    "Parameters",
                    icon="tune",
                    on_click=lambda: ui.navigate.to("/governance/parameters"),
                ).props("outline")
            await live(studio, lambda: _ongoing(studio), SLOW_S)
            await live(studio, lambda: _over(studio), SLOW_S)
            html(_delegation())

    @address("/governance/{number}")
    async def referendum(number: int) -> None:
        back = crumbs(("Governance", "/governance"))
        async with page(studio, f"Referendum #{number}", "/governance", crumbs=back):
            await live(studio, lambda: _referendum(studio, number))
            shown = ui.element("div").classes("full-width")
            with ui.row():
                simulation.try_out(studio, lambda: [str(number)], shown)
            if await studio.chain.state.read("Governance", "referenda", number):
                _ballot(studio, number)


async def _ongoing(studio: Studio) -> Markup:
    entries = await studio.chain.state.entries("Governance", "referenda", SHOWN_MAX)
    rows = [
        (
            link(f"#{entry.key[0]}", f"/governance/{entry.key[0]}"),
            entry.value.track.name.lower(),
            await _what(studio, entry.value.call_hash),
            _tally(entry.value.tally),
            _stage(entry.value),
            studio.account(entry.value.submitter.hex()),
        )
        for entry in reversed(entries)
    ]
    heads = columns("Referendum", "Track", "It would", "For it", "Stage", "Asked by")
    empty = tag("div", tag("strong", "Nothing is asked at present."), "Propose something.")
    shown = table(heads, rows, caption="Open referenda", empty=empty)
    return card("Open referenda", shown, export=storage_address("Governance", "referenda"))


async def _over(studio: Studio) -> Markup:
    entries = await studio.chain.state.entries("Governance", "outcomes", SHOWN_MAX)
    rows = [
        (
            link(f"#{entry.key[0]}", f"/governance/{entry.key[0]}"),
            entry.value.track.name.lower(),
            await _what(studio, entry.value.call_hash),
            _tally(entry.value.tally),
            _result(entry.value),
            values.block_link(entry.value.ended_at),
        )
        for entry in reversed(entries)
    ]
    heads = columns("Referendum", "Track", "It would", "For it", "Result", "Block#")
    empty = tag("div", tag("strong", "No referendum is over yet."))
    shown = table(heads, rows, caption="Past referenda", empty=empty)
    return card("Past referenda", shown, export=storage_address("Governance", "outcomes"))


async def _what(studio: Studio, call_hash: bytes) -> Markup | str:
    """The call of a referendum, as far as the chain still keeps it."""
    held = await studio.chain.state.read("Preimage", "calls", call_hash)
    if held is None:
        return values.digest(call_hash.hex())
    told_as = studio.chain.state.decoder.to_json(held)
    if not isinstance(told_as, dict):
        return values.digest(call_hash.hex())
    return Fields(studio).call(told_as["call"], told_as["arguments"])


def _tally(tally: Any) -> Markup:
    voted = tally.aye_tenths + tally.nay_tenths
    part = 100 * tally.aye_tenths // voted if voted else 0
    fill = tag("i", style=f"width:{part}%")
    said = f"{part} % of {values.amount_text(voted // TENTHS, 0)}" if voted else "no vote yet"
    return tag("div", tag("span", fill, class_="bar"), tag("div", said, class_="small muted"))


def _stage(asked: Any) -> Markup:
    if asked.confirming_since is not None:
        return values.badge("passing", "ok")
    if asked.deciding_since is not None:
        return values.badge("being decided", "info")
    if asked.depositor is None:
        return values.badge("needs a decision deposit", "wait")
    return values.badge("preparing", "wait")


def _result(ended: Any) -> Markup:
    return values.badge(
        ended.result.name.lower().replace("_", " "), RESULTS.get(ended.result.name, "neutral")
    )


async def _referendum(studio: Studio, number: int) -> Markup:
    state = studio.chain.state
    asked = await state.read("Governance", "referenda", number)
    ended = await state.read("Governance", "outcomes", number)
    found = asked or ended
    if found is None:
        message = f"There is no referendum {number}."
        raise ObjectMissing(message, remedy="The Governance page has all of them.")
    tally = found.tally
    figures = tiles(
        ("For it", values.amount(tally.aye_tenths // TENTHS, 0), "with conviction"),
        ("Against it", values.amount(tally.nay_tenths // TENTHS, 0), "with conviction"),
        ("Support", values.amount(tally.support, 0), "OPEN for it or abstaining"),
        ("Track", found.track.name.lower(), _stage(asked) if asked else _result(ended)),
    )
    facts = [("It would", await _what(studio, found.call_hash))]
    if asked:
        facts += [
            ("Asked by", studio.account(asked.submitter.hex())),
            ("Asked in block", values.block_link(asked.submitted_at)),
            ("Deciding since", str(asked.deciding_since or "not yet")),
            ("Passing since", str(asked.confirming_since or "not yet")),
        ]
    return tag("div", figures, card("The proposal", values.facts(*facts)), class_="stack")


def _ballot(studio: Studio, number: int) -> None:
    """Vote, or put down what it takes for a decision."""
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "Your vote")))
        with ui.element("div").classes("form"):
            side = ui.select(
                {"aye": "For it", "nay": "Against it", "abstain": "Abstain"},
                value="aye",
                label="Side",
            )
            balance = ui.input("OPEN to vote with", value="1000OPEN")
            conviction = ui.number("Conviction", value=1, min=0, max=6, precision=0)
            conviction.props["hint"] = "0 to 6: counts more, and stays locked longer"
        for each in (side, balance, conviction):
            each.props("outlined dense hide-bottom-space")

        async def vote() -> None:
            amounts = dict.fromkeys(("aye", "nay", "abstain"), "0")
            amounts[str(side.value)] = balance.value
            strength = 0 if side.value == "abstain" else int(conviction.value or 0)
            cast = {**amounts, "conviction": strength}
            await sign(studio, filled_call(studio, "Voting.vote", {"poll": number, "vote": cast}))

        async def deposit() -> None:
            call = filled_call(studio, "Governance.place_decision_deposit", {"referendum": number})
            await sign(studio, call)

        with ui.row().classes("q-gutter-sm q-mt-sm"):
            ui.button("Preview and vote", icon="how_to_vote", on_click=lambda: told(vote)).props(
                "unelevated"
            )
            ui.button("Place the decision deposit", on_click=lambda: told(deposit)).props("outline")


def _delegation() -> Markup:
    text = tag(
        "span",
        "Somebody you trust can vote for you: ",
        link("Voting.delegate", "/pallets/Voting?call=delegate"),
        ".",
    )
    return notice("No time to follow every referendum?", text)
