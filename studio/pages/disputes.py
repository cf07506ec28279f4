"""Disputes: reports and appeals about rows, and results of workers that somebody doubts."""

from __future__ import annotations

import asyncio
from typing import Any

from markupsafe import Markup
from nicegui import ui

from node.errors import ContentError
from studio.chain import judgements
from studio.context import Studio
from studio.errors import ObjectMissing
from studio.exports import storage_address
from studio.frame import html, notice, page
from studio.live import live
from studio.pages.submission import TEXT_CHARACTERS_MAX, report_table
from studio.parts import doubts, report_words, values
from studio.parts.call_form import filled_call
from studio.parts.lists import event_table
from studio.parts.tables import card, columns, crumbs, table
from studio.parts.tags import link, tag
from studio.signing import sign, told
from studio.tabs import address

EVENTS_SHOWN = 25
SLOW_S = 3.0
EVENTS = (
    "Disputes.Challenged",
    "Disputes.WorkerLost",
    "Disputes.ChallengerLost",
    "Disputes.Undecided",
    "Disputes.WrongAttestation",
    "Compute.Convicted",
    "Reports.Resolved",
)


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/disputes")
    async def disputes() -> None:
        lead = "Whoever doubts a row or a result says so for a deposit; who is wrong pays."
        async with page(studio, "Disputes", "/disputes", lead=lead):
            await live(studio, lambda: _rows(studio), SLOW_S)
            await live(studio, lambda: _results(studio), SLOW_S)
            await live(studio, lambda: _past(studio), SLOW_S)

    @address("/reports/{number}")
    async def report(number: int) -> None:
        back = crumbs(("Disputes", "/disputes"))
        async with page(studio, f"Report #{number}", "/disputes", crumbs=back):
            await live(studio, lambda: _report(studio, number), SLOW_S)
            await _actions(studio, number)


async def _rows(studio: Studio) -> Markup:
    found = await judgements.reports(studio.chain.state)
    empty = "No row was reported. Anybody can, on the page of a submission."
    shown = report_table(studio, found, empty)
    export = storage_address("Reports", "reports")
    return card("Reports and appeals about rows", shown, export=export)


async def _results(studio: Studio) -> Markup:
    entries = await studio.chain.state.entries("Disputes", "disputes")
    rows = [
        (
            link(f"#{entry.key[0]}", f"/jobs/{entry.key[0]}"),
            studio.account(entry.value.worker.hex()),
            studio.account(entry.value.challenger.hex()),
            values.amount(entry.value.bond),
            doubts.TURNS.get(entry.value.turn.name, entry.value.turn.name.lower()),
        )
        for entry in entries
    ]
    heads = columns("Job", "Worker", "Challenger", "The challenger's bond#", "Now")
    empty = tag(
        "div",
        tag("strong", "No result is disputed."),
        "Each can be, until its window is over: it is narrowed down to one step, which the"
        " validators compute themselves.",
    )
    shown = table(heads, rows, caption="Disputed results", empty=empty)
    return card("Disputed results", shown, export=storage_address("Disputes", "disputes"))


async def _past(studio: Studio) -> Markup:
    events = await asyncio.to_thread(studio.chain.index.events, 0, EVENTS_SHOWN, *EVENTS)
    empty = tag("div", tag("strong", "Nothing was disputed yet."), "Nobody lost a bond.")
    return card("What became of others", event_table(studio, events, empty))


async def _existing(studio: Studio, number: int) -> Any:
    found = await studio.chain.state.read("Reports", "reports", number)
    if found is None:
        message = f"There is no report {number}."
        raise ObjectMissing(message, remedy="The Disputes page has all of them.")
    return found


async def _report(studio: Studio, number: int) -> Markup:
    """What is said, by whom, the answer, the panel, and how it ended."""
    found = await _existing(studio, number)
    place = f"/datanets/{found.datanet}/submissions/{found.submission}"
    about = link(f"Datanet #{found.datanet}, submission #{found.submission}", place)
    answer = None if found.answer is None else await _text(studio, found.answer)
    facts = values.facts(
        ("It says", report_words.claim_of(found)),
        ("About", tag("span", f"{found.rows:,} rows of ", about)),
        ("By", studio.account(found.reporter.hex())),
        ("In block", values.block_link(found.reported_at)),
        ("At stake for who says it", values.amount(found.deposit)),
        ("State", values.badge(*report_words.STATES[found.state.name])),
    )
    return tag(
        "div",
        await _outcome(studio, number, found),
        card(report_words.kind_of(found), facts),
        card("What shows it", tag("p", await _text(studio, found.evidence), class_="said")),
        card("The answer", tag("p", answer, class_="said")) if answer else None,
        await _panel(studio, found),
        class_="stack",
    )


async def _text(studio: Studio, content_hash: bytes) -> str:
    """What somebody wrote, if it is stored here and is a text."""
    try:
        data = await studio.sender.get_content(content_hash)
    except ContentError:
        return "It is not stored on this node."
    try:
        return data.decode()[:TEXT_CHARACTERS_MAX]
    except UnicodeDecodeError:
        return f"{len(data):,} bytes that are no text."


async def _outcome(studio: Studio, number: int, found: Any) -> Markup | None:
    if found.state.name != "RESOLVED":
        return None
    event = await judgements.latest_event(studio.chain.index, "Reports.Resolved", report=number)
    if event is None:
        return None
    case = await studio.chain.state.read("Panels", "cases", found.case)
    score = None if case is None else case.score
    return notice(*report_words.outcome(found, event.fields, score), "info")


async def _panel(studio: Studio, found: Any) -> Markup | None:
    case = None
    if found.case is not None:
        case = await studio.chain.state.read("Panels", "cases", found.case)
    if case is None:
        return None
    jurors = tag(
        "span",
        *(studio.account(each.account.hex()) for each in case.jury),
        class_="account-list",
    )
    score = (
        "none yet" if case.score is None else f"it holds for {values.ppb(case.score)} of the rows"
    )
    return card(
        "The panel",
        values.facts(
            ("Case", values.number(found.case)),
            ("Jurors", jurors if case.jury else "not drawn yet"),
            ("Its score", score),
        ),
    )


async def _actions(studio: Studio, number: int) -> None:
    """What the state of a report lets people do."""
    found = await _existing(studio, number)
    named = {"report": number}
    with ui.row().classes("q-gutter-sm"):
        if found.state.name == "OPEN":
            if await _is_accused(studio, found) and found.answer is None:
                ui.button("Answer", icon="reply", on_click=lambda: _answer(studio, number)).props(
                    "unelevated"
                )
            convene = filled_call(studio, "Reports.convene", named)
            ui.button(
                "Put it before a panel",
                icon="groups",
                on_click=lambda: told(lambda: sign(studio, convene, _again)),
            ).props("outline")
        if found.state.name == "CONVENED":
            resolve = filled_call(studio, "Reports.resolve", named)
            ui.button(
                "Do what the panel decided",
                icon="gavel",
                on_click=lambda: told(lambda: sign(studio, resolve, _again)),
            ).props("outline")


def _again(_inclusion: object) -> None:
    ui.navigate.reload()


async def _is_accused(studio: Studio, found: Any) -> bool:
    """Whether the chosen key is whose rows are reported, or the curator of an appeal."""
    key = studio.wallet.chosen(studio.session())
    if key is None:
        return False
    if found.kind.name == "APPEAL":
        datanet = await studio.chain.state.read("Datanets", "datanets", found.datanet)
        return bool(datanet.owner.hex() == key.account)
    place = (found.datanet, found.submission)
    submission = await studio.chain.state.read("Submissions", "submissions", *place)
    return submission is not None and submission.contributor.hex() == key.account


def _answer(studio: Studio, number: int) -> None:
    """The dialog in which the accused answers, once."""
    with ui.dialog() as dialog, ui.card().classes("dialog").props("flat"):
        html(tag("h2", "Your answer"))
        html(tag("p", "The panel reads it beside the evidence; everybody can.", class_="muted"))
        text = ui.textarea("What you say").classes("full-width")
        text.props(f"outlined dense autogrow maxlength={TEXT_CHARACTERS_MAX}")

        async def go_on() -> None:
            answer = await studio.sender.put_content((text.value or "").encode())
            dialog.close()
            arguments = {"report": number, "answer": answer}
            await sign(studio, filled_call(studio, "Reports.answer", arguments), _again)

        with ui.row().classes("justify-end q-gutter-sm full-width"):
            ui.button("Cancel", on_click=dialog.close).props("flat")
            ui.button("Preview and sign", on_click=lambda: told(go_on)).props("unelevated")
    dialog.open()
