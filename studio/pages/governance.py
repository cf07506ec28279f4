"""Governance: what is asked of everybody, how it stands, voting, and asking oneself.

A referendum carries a call.  What the call would do is tried on the chain's newest state before it
is proposed, and again by whoever votes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from nicegui import ui

from node.submission import Inclusion
from runtime.calls import RuntimeCall
from runtime.cbor import encode_plain
from runtime.hashing import hash_call
from studio.context import Studio
from studio.errors import ObjectMissing
from studio.frame import html, notice, page
from studio.live import live
from studio.parts import simulation, values
from studio.parts.call_form import CallForm, FilledCall, call_form, definition_of, filled_call
from studio.parts.fields import Fields
from studio.parts.tables import card, columns, crumbs, table, tiles
from studio.parts.tags import link, tag
from studio.signing import sign, told

TRACKS = ("ROOT", "PARAMETERS", "SMALL_SPENDER", "LARGE_SPENDER", "CANCELLER", "KILLER")
RESULTS = {"APPROVED": "ok", "REJECTED": "bad", "TIMED_OUT": "neutral"}
SHOWN_MAX = 100
TENTHS = 10
SLOW_S = 2.0


def register(studio: Studio) -> None:
    """Add the pages."""

    @ui.page("/governance")
    async def governance() -> None:
        lead = "Whoever holds OPEN decides: proposals, votes, and what became of them."
        async with page(studio, "Governance", "/governance", lead=lead):
            if not studio.chain.state.has("Governance", "referenda"):
                text = "This chain was composed without the pallet Governance."
                html(notice(text, "Its parameters change by upgrades of the software only."))
                return
            ui.button(
                "Propose", icon="campaign", on_click=lambda: ui.navigate.to("/governance/new")
            ).props("unelevated").classes("self-start")
            await live(studio, lambda: _ongoing(studio), SLOW_S)
            await live(studio, lambda: _over(studio), SLOW_S)
            html(_delegation())

    @ui.page("/governance/new")
    async def new() -> None:
        back = crumbs(("Governance", "/governance"))
        lead = "Choose a call, see what it would do, and sign twice: for the call, and to ask."
        async with page(studio, "A new proposal", "/governance", lead=lead, crumbs=back):
            _proposal(studio)

    @ui.page("/governance/{number}")
    async def referendum(number: int) -> None:
        back = crumbs(("Governance", "/governance"))
        async with page(studio, f"Referendum #{number}", "/governance", crumbs=back):
            await live(studio, lambda: _referendum(studio, number))
            _try_out(studio, lambda: [str(number)])
            if await studio.chain.state.read("Governance", "referenda", number):
                _ballot(studio, number)


def _try_out(studio: Studio, words: Callable[[], list[str]]) -> None:
    """A button that tries a proposal on a fork of the newest state, and shows the difference."""
    shown = ui.element("div").classes("full-width")

    async def go() -> None:
        button.props("loading")
        try:
            found = await simulation.simulated(studio, *words())
            shown.clear()
            with shown, ui.element("section").classes("card"):
                html(tag("header", tag("h2", "What it would change")))
                html(simulation.outcome(studio, found))
        finally:
            button.props(remove="loading")

    button = ui.button("Try it on a fork", icon="science", on_click=lambda: told(go))
    button.props("outline").classes("self-start")


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
    return card("Open referenda", table(heads, rows, caption="Open referenda", empty=empty))


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
    return card("Past referenda", table(heads, rows, caption="Past referenda", empty=empty))


async def _what(studio: Studio, call_hash: bytes) -> Markup | str:
    """The call of a referendum, as far as the chain still keeps it."""
    held = await studio.chain.state.read("Preimage", "calls", call_hash)
    if held is None:
        return values.digest(call_hash.hex())
    told_as = studio.chain.state.decoder.to_json(held)
    if not isinstance(told_as, dict):
        return values.digest(call_hash.hex())
    return tag("div", Fields(studio).value("call", told_as))


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
            each.props("outlined dense")

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


def _proposal(studio: Studio) -> None:
    """A call of any pallet, the track, and two signatures."""
    held: list[CallForm] = []
    names = sorted(studio.chain.state.decoder.call_definitions)
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "1. What shall happen")))
        chooser = ui.select(names, label="Call", with_input=True).props("outlined dense")
        chooser.style("max-width: 420px")
        inside = ui.element("div").classes("q-pt-md")
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "2. How it is decided")))
        with ui.element("div").classes("form"):
            tracks = {each: each.lower().replace("_", " ") for each in TRACKS}
            track = ui.select(tracks, value=TRACKS[1], label="Track")
            delay = ui.number("Blocks from the approval to the call", value=10, min=1, precision=0)
        for each in (track, delay):
            each.props("outlined dense")

    def choose() -> None:
        held.clear()
        inside.clear()
        if chooser.value:
            with inside:
                held.append(call_form(studio, definition_of(studio, chooser.value)))

    chooser.on_value_change(choose)

    async def propose() -> None:
        if not held:
            raise ObjectMissing("No call is chosen.", remedy="Choose what shall happen.")
        call = held[0].read().call
        call_hash = hash_call(encode_plain(call.to_plain()))
        ask = filled_call(
            studio,
            "Governance.submit",
            {
                "track": track.value,
                "call_hash": call_hash,
                "enactment_blocks": int(delay.value or 1),
            },
        )

        async def noted(_inclusion: Inclusion) -> None:
            await sign(studio, ask, lambda _done: ui.navigate.to("/governance"))

        if await studio.chain.state.read("Preimage", "calls", call_hash):
            await sign(studio, ask, lambda _done: ui.navigate.to("/governance"))
            return
        await sign(studio, _note_call(studio, call), noted)

    _try_out(studio, lambda: _words(held, str(track.value)))
    ui.button("Preview and sign", icon="campaign", on_click=lambda: told(propose)).props(
        "unelevated"
    ).classes("self-start")


def _words(held: list[CallForm], track: str) -> list[str]:
    """The proposal as the command line has it."""
    if not held:
        raise ObjectMissing("No call is chosen.", remedy="Choose what shall happen.")
    filled = held[0].read()
    words = [filled.definition.pallet, filled.definition.name]
    for name, word in filled.words.items():
        if word is None:
            message = "The command line cannot write calls inside calls."
            raise ObjectMissing(message, remedy="Propose it, and try the referendum.")
        words += [f"--{name}", word]
    return [*words, "--track", track.lower()]


def _note_call(studio: Studio, call: RuntimeCall) -> FilledCall:
    """The call that puts another one on the chain, for a referendum to name."""
    definition = definition_of(studio, "Preimage.note")
    return FilledCall(definition, definition.arguments.record(call=call), {"call": None})


def _delegation() -> Markup:
    text = tag(
        "span",
        "Somebody you trust can vote for you: ",
        link("Voting.delegate", "/pallets/Voting?call=delegate"),
        ".",
    )
    return notice("No time to follow every referendum?", text)
