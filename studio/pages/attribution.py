"""Attribution: epochs, and one of them from its answers to its rows, contributors and payouts."""

from __future__ import annotations

from markupsafe import Markup
from nicegui import ui

from node.errors import ContentError
from node.payout_receipts import Epoch
from runtime.wire.records import PayoutLeaf, ScoreLeaf
from studio.chain import attribution, datanets
from studio.context import Studio
from studio.errors import FieldInvalid
from studio.exports import storage_address
from studio.frame import html, notice, page
from studio.live import live
from studio.parts import charts, sources, values
from studio.parts.call_form import filled_call
from studio.parts.tables import card, columns, crumbs, table, tiles
from studio.parts.tags import link, tag
from studio.signing import sign, told
from studio.tabs import address

EPOCHS_SHOWN = 50
PAYOUTS_SHOWN = 12
ROWS_SHOWN = 15
SLOW_S = 3.0


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/attribution")
    async def epochs() -> None:
        lead = "At the end of an epoch every row's influence on every answer is measured, and paid."
        async with page(studio, "Attribution", "/attribution", lead=lead):
            await live(studio, lambda: _epochs(studio), SLOW_S)

    @address("/attribution/{model}/{number}")
    async def epoch(model: str, number: int) -> None:
        back = crumbs(("Attribution", "/attribution"), (values.short(model), f"/models/{model}"))
        async with page(studio, f"Epoch {number}", "/attribution", crumbs=back):
            await _epoch(studio, _parsed(model), number)


def _parsed(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        message = f"{digits[:80]!r} is no model."
        raise FieldInvalid(message, remedy="Choose one on the page ModelFactory.") from error


async def _epochs(studio: Studio) -> Markup:
    found = (await attribution.settlements(studio.chain.state))[:EPOCHS_SHOWN]
    paid = await studio.chain.state.read_many("Attribution", "paid", [each.key for each in found])
    rows = [
        (
            link(f"epoch {each.key[1]}", f"/attribution/{each.key[0].hex()}/{each.key[1]}"),
            values.digest(each.key[0].hex(), f"/models/{each.key[0].hex()}"),
            values.amount(each.value.pool),
            values.amount(amount),
            studio.account(each.value.worker.hex()),
            link(f"job {each.value.job}", f"/jobs/{each.value.job}"),
        )
        for each, amount in zip(found, paid, strict=True)
    ]
    heads = columns("Epoch", "Model", "Pool#", "Claimed#", "Measured by", "In")
    empty = tag(
        "div",
        tag("strong", "No epoch was attributed yet."),
        "It happens by itself when an epoch with paid answers has ended and a worker runs.",
    )
    export = storage_address("Attribution", "settlements")
    shown = table(heads, rows, caption="Epochs", empty=empty)
    return card("Attributed epochs", shown, export=export)


async def _epoch(studio: Studio, model: bytes, number: int) -> None:
    state = studio.chain.state
    try:
        found = await attribution.epoch_of(state, studio.contents, model, number)
    except ContentError as error:
        html(notice(error.message, error.remedy, "bad"))
        return
    batches = [
        each.value for each in await attribution.batches_of(state, model) if each.key[1] == number
    ]
    shares = attribution.shares_of_epoch(found.scores)
    html(
        tiles(
            ("Answers", values.number(sum(each.answer_count for each in batches)), "in this epoch"),
            ("Fees", values.amount(sum(each.fees for each in batches), 4), "all of them"),
            ("For contributors", values.amount(found.settlement.pool, 4), "the epoch's pool"),
            ("Rows measured", values.number(len(found.scores)), f"in job {found.settlement.job}"),
        )
    )
    await _flows(studio, found, batches)
    with ui.element("div").classes("columns"):
        html(card("Who moved the answers", sources.bars(studio, shares[:PAYOUTS_SHOWN])))
        _payouts(studio, found)
    html(await _rows(studio, found))


async def _flows(studio: Studio, found: Epoch, batches: list[object]) -> None:
    everything = attribution.flows(found.record, batches, found.payouts)
    largest = sorted(everything, key=lambda each: -each[2])
    few = largest[: PAYOUTS_SHOWN + 6]
    rest = sum(amount for source, _to, amount in largest[len(few) :] if source == "contributors")
    links = [
        (source, studio.names.of(to) or values.short(to), amount / values.UNITS_PER_OPEN)
        for source, to, amount in few
    ]
    links += [("contributors", "other contributors", rest / values.UNITS_PER_OPEN)]
    with ui.element("section").classes("card"):
        note = tag("span", "OPEN, from who asked to who earned", class_="note")
        html(tag("header", tag("h2", "Where the fees went"), note))
        charts.chart(charts.flows(links), "Flow of the epoch's fees to everybody", 380)


def _payouts(studio: Studio, found: Epoch) -> None:
    leaves = sorted(found.payouts, key=lambda leaf: -leaf.amount)[:PAYOUTS_SHOWN]
    rows = [
        (
            studio.account(leaf.owner.hex()),
            values.amount(leaf.amount),
            values.amount(leaf.error) if leaf.error else "-",
            values.share(leaf.amount, found.settlement.pool),
        )
        for leaf in leaves
    ]
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "Who is paid")))
        heads = columns("Contributor", "OPEN#", "Standard error#", "Of the pool#")
        html(table(heads, rows, caption="Payouts"))
        mine = _mine(studio, found.payouts)
        if mine is not None:
            ui.button(
                "Claim yours",
                icon="payments",
                on_click=lambda: told(lambda: claim(studio, found, mine)),
            ).props("unelevated").classes("q-mt-sm")


def _mine(studio: Studio, leaves: tuple[PayoutLeaf, ...]) -> int | None:
    """The place of the chosen key's payout."""
    key = studio.wallet.chosen(studio.session())
    for place, leaf in enumerate(leaves):
        if key is not None and leaf.owner.hex() == key.account and leaf.amount:
            return place
    return None


async def claim(studio: Studio, found: Epoch, place: int) -> None:
    """Sign the claim of one payout, with its path."""
    arguments = {
        "model": found.model,
        "epoch": found.epoch,
        "payout": found.payouts[place],
        "path": attribution.payout_path(found.payouts, place),
    }
    await sign(studio, filled_call(studio, "Attribution.claim", arguments))


async def _rows(studio: Studio, found: Epoch) -> Markup:
    """The rows that helped and harmed most: why somebody earned, or did not."""
    order = sorted(found.scores, key=lambda leaf: -leaf.score)
    shown = [*order[:ROWS_SHOWN], *order[-3:]]
    entries = await datanets.submissions(studio.chain.state, found.record.datanet)
    by_hash = {record.row_hash: record for record in found.records}
    wanted = [by_hash[leaf.row_hash] for leaf in shown if leaf.row_hash in by_hash]
    try:
        texts = await datanets.rows_of(studio.contents, entries, wanted)
    except ContentError as error:
        return card("Rows", tag("div", str(error), class_="empty"))
    known = {each.row_hash: each.row for each in texts}
    rows = [
        (
            studio.account(leaf.owner.hex()),
            f"{known[leaf.row_hash].prompt[:120]} → {known[leaf.row_hash].completion[:160]}",
            f"{leaf.score / datanets.NATS_GRID:+.4f}",
            f"± {leaf.error / datanets.NATS_GRID:.4f}" if leaf.error else "-",
            _why(leaf),
        )
        for leaf in shown
        if leaf.row_hash in known
    ]
    heads = columns("Contributor", "Row", "Nats#", "Standard error#", "Why")
    note = f"the strongest {ROWS_SHOWN}, and those that did harm"
    return card("Rows", table(heads, rows, caption="Rows by influence"), note=note)


def _why(leaf: ScoreLeaf) -> str:
    """Why a row is paid, or is not."""
    if leaf.credit:
        return "helped: paid by its score less its error"
    if leaf.score <= 0:
        return "did harm: not paid"
    if leaf.score <= leaf.error:
        return "its error is larger: not paid"
    return "a row committed before says the same: not paid"
