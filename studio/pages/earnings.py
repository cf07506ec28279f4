"""Earnings of one account: its rows, its influence over time, what it can claim, as CSV, too."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from markupsafe import Markup
from nicegui import ui

from node.errors import ContentError
from runtime.wire.records import PayoutLeaf, ScoreLeaf
from studio.chain import attribution
from studio.chain.datanets import NATS_GRID
from studio.context import Studio
from studio.frame import html, notice, page
from studio.pages.attribution import claim
from studio.parts import charts, values
from studio.parts.tables import card, columns, table, tiles
from studio.parts.tags import link, tag
from studio.signing import told
from studio.tabs import address

EPOCHS_MAX = 200


@dataclass(frozen=True, slots=True)
class Earned:
    """What an epoch brought one account."""

    model: bytes
    epoch: int
    influence: float
    amount: int
    place: int
    """Of its payout among the epoch's; -1 without one."""
    is_claimed: bool


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/earnings")
    async def earnings(account: Annotated[str, Query()] = "") -> None:
        lead = "What an account's rows were worth, epoch by epoch."
        async with page(studio, "Earnings", "/earnings", lead=lead):
            key = studio.wallet.chosen(studio.session())
            _chooser(studio, account or (key.account if key else ""))
            wanted = account or (key.account if key else "")
            if not wanted:
                html(notice("Choose an account.", "Yours are on the page Wallet."))
                return
            await _earnings(studio, wanted)


def _chooser(studio: Studio, account: str) -> None:
    names = dict(sorted(studio.names.items().items(), key=lambda each: each[1]))
    if account and account not in names:
        names[account] = values.short(account)
    ui.select(
        names,
        value=account or None,
        label="Account",
        with_input=True,
        on_change=lambda event: ui.navigate.to(f"/earnings?account={event.value}"),
    ).props("outlined dense").style("width: 280px")


async def earned(studio: Studio, account: str) -> list[Earned]:
    """What each attributed epoch brought an account, the newest first."""
    found = await attribution.settlements(studio.chain.state)
    epochs = await asyncio.gather(*(_earned(studio, each, account) for each in found[:EPOCHS_MAX]))
    return [each for each in epochs if each is not None]


async def _earned(studio: Studio, entry: Any, account: str) -> Earned | None:
    model, number = entry.key
    try:
        scores, payouts = await asyncio.gather(
            studio.contents.items(entry.value.scores, ScoreLeaf),
            studio.contents.items(entry.value.payouts, PayoutLeaf),
        )
    except ContentError:
        return None
    mine = [leaf.score for leaf in scores if leaf.owner.hex() == account]
    places = [place for place, leaf in enumerate(payouts) if leaf.owner.hex() == account]
    if not mine and not places:
        return None
    place = places[0] if places else -1
    bits = await studio.chain.state.read("Attribution", "claimed", model, number, place // 64)
    is_claimed = place >= 0 and bool((bits or 0) >> (place % 64) & 1)
    amount = payouts[place].amount if places else 0
    return Earned(model, number, sum(mine) / NATS_GRID, amount, place, is_claimed)


async def _earnings(studio: Studio, account: str) -> None:
    found = await earned(studio, account)
    submissions = await studio.chain.state.entries("Submissions", "submissions")
    mine = [each for each in submissions if each.value.contributor.hex() == account]
    open_amount = sum(each.amount for each in found if not each.is_claimed)
    html(
        tiles(
            ("Earned", values.amount(sum(each.amount for each in found)), "by influence"),
            ("To be claimed", values.amount(open_amount), "yours, whoever sends the claim"),
            ("Rows brought", values.number(sum(each.value.offer.row_count for each in mine)), None),
            ("Influence", f"{sum(each.influence for each in found):+.4f}", "nats, all epochs"),
        )
    )
    if len(found) > 1:
        with ui.element("section").classes("card"):
            html(tag("header", tag("h2", "Influence over time")))
            points = [(float(each.epoch), round(each.influence, 5)) for each in reversed(found)]
            options = charts.lines({"influence": points}, "epoch", "nats")
            charts.chart(options, "Influence of the account in each epoch", 260)
    html(_epochs(found))
    with ui.row().classes("q-gutter-sm"):
        for each in [each for each in found if each.amount and not each.is_claimed][:3]:
            ui.button(
                f"Claim epoch {each.epoch}",
                icon="payments",
                on_click=lambda each=each: told(lambda: _claim(studio, each)),
            ).props("unelevated")
        ui.button("Export CSV", icon="download", on_click=lambda: _export(found)).props("outline")
    html(_submissions(mine))


def _epochs(found: list[Earned]) -> Markup:
    rows = [
        (
            link(f"epoch {each.epoch}", f"/attribution/{each.model.hex()}/{each.epoch}"),
            values.digest(each.model.hex(), f"/models/{each.model.hex()}"),
            f"{each.influence:+.4f}",
            values.amount(each.amount),
            _state(each),
        )
        for each in found
    ]
    heads = columns("Epoch", "Model", "Influence#", "OPEN#", "State")
    empty = tag(
        "div",
        tag("strong", "Nothing was earned yet."),
        "Bring rows to a Datanet: whenever they move an answer, you are paid.",
    )
    return card("Epoch by epoch", table(heads, rows, caption="Earnings", empty=empty))


def _state(each: Earned) -> Markup:
    if not each.amount:
        return values.badge("not paid: no positive influence")
    return values.badge("claimed", "ok") if each.is_claimed else values.badge("claimable", "wait")


def _submissions(mine: list[Any]) -> Markup:
    rows = [
        (
            link(f"Datanet #{each.key[0]}", f"/datanets/{each.key[0]}"),
            link(f"#{each.key[1]}", f"/datanets/{each.key[0]}/submissions/{each.key[1]}"),
            values.number(each.value.offer.row_count),
            values.badge(each.value.state.name.lower()),
        )
        for each in mine
    ]
    heads = columns("Datanet", "Submission", "Rows#", "State")
    return card("Rows brought", table(heads, rows, caption="Submissions", empty="None yet."))


async def _claim(studio: Studio, each: Earned) -> None:
    epoch = await attribution.epoch_of(studio.chain.state, studio.contents, each.model, each.epoch)
    await claim(studio, epoch, each.place)


def _export(found: list[Earned]) -> None:
    lines = ["epoch,model,influence_nats,amount_units,claimed"]
    lines += [
        f"{each.epoch},{each.model.hex()},{each.influence},{each.amount},{each.is_claimed}"
        for each in found
    ]
    ui.download.content("\n".join(lines) + "\n", "earnings.csv", "text/csv")
