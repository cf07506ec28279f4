"""Overview: whether the chain is well, what happens on it, and who is paid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup
from nicegui import ui

from runtime.wire.records import PayoutLeaf
from studio.chain import attribution
from studio.chain.tables import EventRow
from studio.context import Studio
from studio.frame import html, notice, page
from studio.live import live
from studio.parts import charts, values
from studio.parts.fields import Fields
from studio.parts.first_steps import first_steps
from studio.parts.lists import block_table
from studio.parts.tables import card, columns, table, tiles
from studio.parts.tags import link, tag
from studio.tabs import address, every

SLOW_S = 3.0
MINUTES_CHARTED = 60
ROWS_SHOWN = 8
EPOCHS_SHOWN = 2
EVENTS_READ = 200
ACTIVITY = {
    "Datanets.Created": "A Datanet was opened",
    "Submissions.Revealed": "Rows were contributed",
    "Datanets.VersionPublished": "A version was published",
    "Compute.Submitted": "A job was ordered",
    "Compute.Revealed": "A worker delivered",
    "Compute.Settled": "A job was settled",
    "Compute.Convicted": "A worker was convicted",
    "Models.Published": "A model was opened to everybody",
    "Inference.BatchSettled": "Answers were settled",
    "Attribution.Settled": "An epoch was attributed",
    "Reports.Reported": "Rows were reported",
    "Reports.Resolved": "A report was decided",
    "Offences.Punished": "A validator was punished",
}
"""What people want to hear of, in their words."""


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/")
    async def overview() -> None:
        lead = "Who contributed what to which model, what it was worth, and what it earned."
        async with page(studio, "Overview", "/", lead=lead):
            if not studio.chain.is_ready:
                text = f"No node answers at {studio.settings.node} yet."
                html(notice(text, "Start one with `openledger dev`; this page goes on by itself."))
                _reload_when_ready(studio)
                return
            await first_steps(studio)
            await live(studio, lambda: _tiles(studio), SLOW_S)
            await _pulse(studio)
            with ui.element("div").classes("columns"):
                await live(studio, lambda: _activity(studio), SLOW_S)
                with ui.element("div").classes("stack"):
                    await live(studio, lambda: _earners(studio), SLOW_S)
                    await live(studio, lambda: _blocks(studio))


def _reload_when_ready(studio: Studio) -> None:
    def look() -> None:
        if studio.chain.is_ready:
            ui.navigate.reload()

    every(1.0, look)


async def _tiles(studio: Studio) -> Markup:
    state = studio.chain.state
    current, models, datanets, settled, batches, health = await asyncio.gather(
        state.read("Session", "current"),
        state.read("Models", "next_index"),
        state.read("Datanets", "next_datanet"),
        state.entries("Attribution", "settlements"),
        state.entries("Inference", "batches"),
        studio.chain.socket.call("system_health"),
    )
    answers = sum(each.value.answer_count for each in batches)
    earned = sum(each.value.pool for each in settled)
    validators = len(current.validators) if current else 0
    return tiles(
        ("Final block", link(values.number(studio.chain.height), "/blocks"), _age(studio)),
        ("Validators", link(str(validators), "/validators"), f"{health['peers']} peers here"),
        ("Datanets", link(values.number(datanets or 0), "/datanets"), "shared data sets"),
        ("Models", link(values.number(models or 0), "/models"), "adapters with lineage"),
        ("Answers settled", values.number(answers), "paid, with receipts"),
        ("Earned by contributors", values.amount(earned, 4), "by measured influence"),
    )


def _age(studio: Studio) -> Markup:
    return values.when(studio.chain.head_time_ms)


async def _pulse(studio: Studio) -> None:
    """The last hour in minutes: how much the chain was asked to do."""
    with ui.element("section").classes("card"):
        note = tag("span", f"a minute, in the last {MINUTES_CHARTED} of the chain", class_="note")
        html(tag("header", tag("h2", "Extrinsics"), note))
        options = await _pulse_options(studio)
        graph = charts.chart(options, "Extrinsics in each of the last sixty minutes", 76)

    async def refresh() -> None:
        graph.options.update(await _pulse_options(studio))
        graph.update()

    every(SLOW_S, refresh)


async def _pulse_options(studio: Studio) -> dict[str, Any]:
    counts = await asyncio.to_thread(studio.chain.index.per_minute, MINUTES_CHARTED)
    names = [f"{MINUTES_CHARTED - place - 1} min ago" for place in range(len(counts))]
    return charts.columns(names, counts)


async def _activity(studio: Studio) -> Markup:
    events = await asyncio.to_thread(studio.chain.index.events, 0, EVENTS_READ, *ACTIVITY)
    fields = Fields(studio)
    # Thirty contributors at a time are one piece of news.
    runs = [list(run) for _name, run in groupby(events, lambda event: event.name)]
    rows = [(_said(fields, run), values.when(run[0].time_ms)) for run in runs[: 2 * ROWS_SHOWN]]
    empty = tag("div", tag("strong", "Nothing has happened yet."), "Begin with a Datanet.")
    return card(
        "What happens",
        table(columns("Event", "When"), rows, caption="Latest events", empty=empty),
        note=link("All extrinsics", "/extrinsics"),
    )


def _said(fields: Fields, run: Sequence[EventRow]) -> Markup:
    """One event, or several of a kind that followed each other, by the newest of them."""
    event = run[0]
    times = f", {len(run):,} times" if len(run) > 1 else ""
    name = tag("strong", ACTIVITY[event.name])
    head = tag("div", link(name, f"/blocks/{event.height}"), tag("span", times, class_="muted"))
    return tag("div", head, fields.brief(event.name, event.fields))


async def _earners(studio: Studio) -> Markup:
    """Who earned most in the newest settled epochs, claimed or not."""
    settled = (await attribution.settlements(studio.chain.state))[:EPOCHS_SHOWN]
    rows = []
    for each in settled:
        leaves = await studio.contents.items(each.value.payouts, PayoutLeaf)
        best = sorted(leaves, key=lambda leaf: -leaf.amount)[: ROWS_SHOWN // len(settled)]
        href = f"/attribution/{each.key[0].hex()}/{each.key[1]}"
        rows += [
            (
                studio.account(leaf.owner.hex()),
                values.amount(leaf.amount),
                values.share(leaf.amount, each.value.pool),
                link(f"epoch {each.key[1]}", href),
            )
            for leaf in best
        ]
    empty = tag(
        "div",
        tag("strong", "Nobody was paid yet."),
        "When answers are settled and attributed, those whose rows moved them are paid.",
    )
    heads = columns("Contributor", "OPEN#", "Of the pool#", "Why")
    return card(
        "Latest earnings",
        table(heads, rows, caption="Earnings", empty=empty),
        note=link("Attribution", "/attribution"),
    )


async def _blocks(studio: Studio) -> Markup:
    rows = await asyncio.to_thread(studio.chain.index.blocks, 0, 5)
    return card("Newest blocks", block_table(studio, rows), note=link("All blocks", "/blocks"))
