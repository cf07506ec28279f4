"""Beside an answer: what it repeats, what moved it, its price, and its receipt, verified."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape
from nicegui import ui

from node.errors import ContentError
from node.payout_receipts import Epoch
from node.receipt_files import Verified, verify_receipt
from runtime.wire.receipts import InferenceReceipt, PayoutReceipt
from studio.answers import Answer
from studio.chain import attribution
from studio.chain.attribution import Share
from studio.chain.datanets import OwnedRow
from studio.citations import Library, Span
from studio.context import Studio
from studio.frame import html, notice
from studio.parts import values
from studio.parts.tables import columns, table
from studio.parts.tags import link, tag
from studio.signing import told

SHARES_SHOWN = 8
POLL_S = 2.0


async def library_of(studio: Studio, receipt: InferenceReceipt) -> Library | None:
    """The rows that the answer's model was trained on; None where they are not stored here."""
    state = studio.chain.state
    model = await state.read("Models", "models", receipt.model)
    if model is None:
        return None
    version = await state.read("Datanets", "versions", model.datanet, model.version)
    try:
        return await studio.library(model.datanet, version)
    except ContentError:
        return None


def marked(text: str, spans: Sequence[Span]) -> Markup:
    """An answer with the parts that stand verbatim in rows underlined and numbered."""
    parts: list[Markup] = []
    end = 0
    for number, span in enumerate(spans, 1):
        parts.append(escape(text[end : span.start]))
        copied = tag("mark", text[span.start : span.end], tag("sup", str(number)))
        parts.append(copied)
        end = span.end
    parts.append(escape(text[end:]))
    return Markup("").join(parts)


def citations(studio: Studio, library: Library, question: str, spans: Sequence[Span]) -> Markup:
    """What the answer repeats, and which rows resemble the question."""
    repeated = [
        tag(
            "li",
            tag("sup", str(number)),
            " ",
            _whose(studio, library, span.rows),
            tag("div", library.rows[span.rows[0]].row.completion[:220], class_="quote"),
        )
        for number, span in enumerate(spans, 1)
    ]
    alike = [tag("li", _row(studio, library.rows[place])) for place in library.resembling(question)]
    none = tag("p", "Nothing of it stands verbatim in a row.", class_="muted")
    return tag(
        "div",
        tag("h3", "Copied verbatim"),
        tag("ul", *repeated, class_="sources") if repeated else none,
        tag("h3", "Rows that resemble the question"),
        tag("ul", *alike, class_="sources"),
    )


def _whose(studio: Studio, library: Library, places: Sequence[int]) -> Markup:
    owners = list(dict.fromkeys(library.rows[place].owner for place in places))
    shown = [studio.account(owner) for owner in owners[:2]]
    more = f" and {len(owners) - 2} more" if len(owners) > 2 else ""  # two are shown
    return tag("span", *shown, more, class_="account-list")


def _row(studio: Studio, row: OwnedRow) -> Markup:
    said = tag("div", row.row.prompt[:160], class_="quote")
    return tag("span", studio.account(row.owner), said)


async def influence(studio: Studio, answer: Answer) -> tuple[Markup, bool]:
    """What moved the answer, and whether that is the last word: until then, where it stands."""
    state, receipt = studio.chain.state, answer.signed
    place = await attribution.place_of(state, studio.contents, receipt)
    if place is None:
        text = "The server settles it within seconds; then the epoch has to end."
        return notice("Influence is being measured.", text, "wait"), False
    settled = await state.read("Attribution", "settlements", receipt.model, place.epoch)
    if settled is None:
        pool = await state.read("Attribution", "pools", receipt.model, place.epoch)
        where = Markup("Settled in epoch {}, whose pool is {}.").format(
            place.epoch, values.amount(pool or 0)
        )
        return notice("Influence is measured when the epoch has ended.", where, "wait"), False
    epoch = await attribution.epoch_of(
        state, studio.contents, receipt.model, place.epoch, place.batch
    )
    shares = await attribution.shares_of_answer(
        studio.settings.work, epoch, bytes.fromhex(answer.receipt)
    )
    title = "What moved this answer" if shares else "What moved the answers of its epoch"
    found = shares or attribution.shares_of_epoch(epoch.scores)
    href = f"/attribution/{receipt.model.hex()}/{place.epoch}"
    shown = tag(
        "div",
        tag("h3", title),
        bars(studio, found[:SHARES_SHOWN]),
        tag("p", link("All of the epoch, and who is paid", href), class_="small"),
    )
    return shown, True


def bars(studio: Studio, shares: Sequence[Share]) -> Markup:
    """Contributors by influence, with bars, standard errors and their per cent."""
    whole = sum(max(0.0, share.influence) for share in shares) or 1.0
    widest = max((abs(share.influence) + (share.error or 0.0) for share in shares), default=0.0)
    rows = [
        (
            studio.account(share.owner),
            _bar(share, widest),
            f"{share.influence:+.4f}",
            "-" if share.error is None else f"± {share.error:.4f}",
            f"{100 * max(0.0, share.influence) / whole:.0f} %",
        )
        for share in shares
    ]
    heads = columns("Contributor", "Influence", "Nats#", "Standard error#", "Share#")
    return table(heads, rows, caption="Influence by contributor", empty="Nobody moved it.")


def _bar(share: Share, widest: float) -> Markup:
    """A bar from zero, and a whisker over one standard error to both sides of its end."""
    scale = 100 / (widest or 1.0)
    end, error = abs(share.influence) * scale, (share.error or 0.0) * scale
    is_harm = share.influence < 0
    fill = tag("i", class_="harm" if is_harm else None, style=f"width:{end:.1f}%")
    begin = max(0.0, end - error)
    whisker = tag("b", style=f"left:{begin:.1f}%;width:{end + error - begin:.1f}%")
    shown = tag("span", fill, class_="bar", role="presentation")
    return tag("span", shown, whisker if error else None, class_="influence")


def price(studio: Studio, receipt: InferenceReceipt) -> Markup:
    """What an answer cost, and who answered."""
    return values.facts(
        ("Price", values.amount(receipt.fee)),
        ("Tokens", f"{receipt.prompt_tokens} in, {receipt.output_tokens} out"),
        ("Server", studio.account(receipt.server.hex())),
        ("Model", values.digest(receipt.model.hex(), f"/models/{receipt.model.hex()}")),
    )


def verification(studio: Studio, answer: Answer) -> None:
    """A button that verifies the receipt here, link by link, and shows each link that holds."""
    shown = ui.element("div").classes("stack full-width")

    async def verify() -> None:
        shown.clear()
        with shown:
            receipt = await _receipt(studio, answer)
            found = await asyncio.to_thread(verify_receipt, receipt, studio.chain.genesis_hash)
            html(_links(found, is_whole=isinstance(receipt, PayoutReceipt)))

            def save() -> None:
                ui.download.content(receipt.encode(), f"{answer.digits[:16]}.receipt")

            ui.button("Save the receipt", icon="download", on_click=save).props("flat dense")

    ui.button("Verify the receipt here", icon="verified", on_click=lambda: told(verify)).props(
        "outline"
    )


async def _receipt(studio: Studio, answer: Answer) -> InferenceReceipt | PayoutReceipt:
    """The longest receipt there is: up to the payout if the epoch is settled."""
    state, signed = studio.chain.state, answer.signed
    place = await attribution.place_of(state, studio.contents, signed)
    if place is None:
        return signed
    settled = await state.read("Attribution", "settlements", signed.model, place.epoch)
    if settled is None:
        return signed
    epoch = await attribution.epoch_of(
        state, studio.contents, signed.model, place.epoch, place.batch
    )
    return await attribution.payout_receipt(studio.sender, epoch, _best_paid(epoch), place)


def _best_paid(epoch: Epoch) -> bytes:
    scored = {leaf.owner for leaf in epoch.scores}
    paid = [leaf for leaf in epoch.payouts if leaf.owner in scored]
    return max(paid, key=lambda leaf: leaf.amount).owner


def _links(found: Verified, *, is_whole: bool) -> Markup:
    rows: list[tuple[Any, Any]] = [
        (values.badge(step.link, "ok"), step.sentence) for step in found.steps
    ]
    text = (
        "Every link holds, from a row to its payout."
        if is_whole
        else "The server signed this answer. The links to payouts follow when its epoch is settled."
    )
    said = notice(text, "Checked on this machine, against the chain's genesis hash.", "ok")
    heads = columns("Link", "What holds")
    return tag("div", said, table(heads, rows, caption="Verified links"), class_="stack")
