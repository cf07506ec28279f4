"""A submission: what became of each of its rows and of its bond, and why; reports and appeals."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from nicegui import ui

from ml.data.review import RowVerdict
from node.submission import Inclusion
from runtime.wire.rows import Verdict
from studio.chain import judgements
from studio.chain.judgements import Judged
from studio.chain.state import Entry
from studio.context import Studio
from studio.frame import html, notice, page
from studio.live import live
from studio.parts import report_words, values
from studio.parts.call_form import filled_call
from studio.parts.tables import card, columns, crumbs, table, tiles
from studio.parts.tags import Child, join, link, tag
from studio.signing import sign, told
from studio.tabs import address

ROWS_SHOWN = 100
TEXT_CHARACTERS_MAX = 4_000
VERDICTS = {
    Verdict.ACCEPTED: ("accepted", "ok"),
    Verdict.DUPLICATE: ("copy", "wait"),
    Verdict.REJECTED: ("refused", "bad"),
}
SLOW_S = 3.0


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/datanets/{number}/submissions/{submission}")
    async def one(number: int, submission: int) -> None:
        back = crumbs(("Datanets", "/datanets"), (f"Datanet {number}", f"/datanets/{number}"))
        async with page(studio, f"Submission #{submission}", "/datanets", crumbs=back):
            found = await judgements.judged(studio.chain.state, studio.contents, number, submission)
            await live(studio, lambda: _fate(studio, number, submission), SLOW_S)
            _actions(studio, number, submission, found)
            html(_verdicts(found))
            await live(studio, lambda: _reports(studio, number, submission), SLOW_S)


async def _fate(studio: Studio, number: int, submission: int) -> Markup:
    """How many rows were taken, what the bond lost, and in which blocks."""
    state = studio.chain.state
    found = await judgements.judged(state, studio.contents, number, submission)
    record, index = found.record, studio.chain.index
    copies = sum(each.verdict is Verdict.DUPLICATE for each in found.verdicts)
    place = {"datanet": number, "submission": submission}
    settled = await judgements.latest_event(index, "Submissions.Settled", **place)
    figures = tiles(
        ("Rows brought", values.number(record.offer.row_count), None),
        ("Accepted", values.number(record.accepted), "in the newest version"),
        ("Copies", values.number(copies), "earn nothing, cost nothing"),
        ("Refused", values.number(record.rejected), "each costs its bond"),
        ("Bond", values.amount(record.bond), f"{values.amount_text(record.bond_per_row)} a row"),
    )
    facts: list[tuple[str, Child]] = [
        ("Contributor", studio.account(record.contributor.hex())),
        ("Committed in block", values.block_link(record.committed_at)),
        ("State", _state(record)),
    ]
    if record.version:
        href = f"/datanets/{number}/versions/{record.version}"
        facts.append(("First in version", link(f"v{record.version}", href)))
    if record.answerable_until:
        facts.append(("Can be reported or appealed until block", _until(studio, record)))
    facts += [(f"Settled in block {settled.height:,}", _settled(settled))] if settled else []
    return tag("div", figures, card("What became of it", values.facts(*facts)), class_="stack")


def _settled(event: Any) -> Markup:
    lost, returned = (int(event.fields[each]) for each in ("forfeited", "returned"))
    return Markup("{} lost for refused rows, {} came back").format(
        values.amount(lost), values.amount(returned)
    )


def _state(record: Any) -> Markup:
    words = {
        "COMMITTED": ("committed: its rows are not shown yet", "wait"),
        "REVEALED": ("waits for its review", "wait"),
        "REVIEWED": ("reviewed: its bond still answers for it", "ok"),
        "SETTLED": ("settled", "ok"),
    }
    return values.badge(*words.get(record.state.name, (record.state.name.lower(), "neutral")))


def _until(studio: Studio, record: Any) -> Markup | str:
    if record.answerable_until > studio.chain.height:
        return values.number(record.answerable_until)
    return f"{values.number(record.answerable_until)}, which is over"


def _verdicts(found: Judged) -> Markup:
    """Each row that was not accepted, with the reason, the remedy and what it cost."""
    if not found.verdicts:
        empty = tag("strong", "No row was judged yet.")
        text = "Its curator reviews it with the published validator, which anybody can run."
        return card("Row by row", tag("div", empty, text, class_="empty"))
    doubtful = [each for each in found.verdicts if each.verdict is not Verdict.ACCEPTED]
    rows = [_verdict(found, each) for each in doubtful[:ROWS_SHOWN]]
    heads = columns("Row#", "Verdict", "It says", "Why", "What to do", "What it cost")
    empty_text = tag("div", tag("strong", "Every row was accepted."), "None of them cost its bond.")
    shown = table(heads, rows, caption="Rows that were not accepted", empty=empty_text)
    note = f"the first {ROWS_SHOWN} of {len(doubtful):,}" if len(doubtful) > ROWS_SHOWN else None
    return card("Why rows were not accepted", shown, note=note)


def _verdict(found: Judged, verdict: RowVerdict) -> tuple[Any, ...]:
    row = found.rows[verdict.index] if verdict.index < len(found.rows) else None
    text = "not stored here" if row is None else f"{row.prompt[:100]} → {row.completion[:140]}"
    why: Any = verdict.reason
    if verdict.verdict is Verdict.DUPLICATE:
        earlier = f"#{verdict.class_submission}.{verdict.class_index + 1}"
        why = join((verdict.reason, f" That is row {earlier}."))
    is_refused = verdict.verdict is Verdict.REJECTED
    cost = values.amount(found.record.bond_per_row) if is_refused else "nothing"
    return (
        values.number(verdict.index + 1),
        values.badge(*VERDICTS[verdict.verdict]),
        text,
        why,
        verdict.remedy,
        cost,
    )


async def _reports(studio: Studio, number: int, submission: int) -> Markup:
    found = await judgements.reports_on(studio.chain.state, number, submission)
    empty = "Nobody reported it, and nobody appealed."
    return card("Reports and appeals", report_table(studio, found, empty))


def report_table(studio: Studio, found: list[Entry], empty: str) -> Markup:
    """Reports and appeals as a table."""
    rows = [
        (
            link(f"#{entry.key[0]}", f"/reports/{entry.key[0]}"),
            report_words.kind_of(entry.value),
            values.number(entry.value.rows),
            link(
                f"Datanet #{entry.value.datanet}, submission #{entry.value.submission}",
                f"/datanets/{entry.value.datanet}/submissions/{entry.value.submission}",
            ),
            studio.account(entry.value.reporter.hex()),
            values.badge(*report_words.STATES[entry.value.state.name]),
        )
        for entry in found
    ]
    heads = columns("Report", "It says", "Rows#", "About", "By", "State")
    return table(heads, rows, caption="Reports and appeals", empty=empty)


def _actions(studio: Studio, number: int, submission: int, found: Judged) -> None:
    """Appeal as its contributor, report as anybody else."""
    record = found.record
    if record.state.name != "REVIEWED" or record.answerable_until <= studio.chain.height:
        return
    key = studio.wallet.chosen(studio.session())
    is_mine = key is not None and key.account == record.contributor.hex()
    place = {"datanet": number, "submission": submission}
    if is_mine and record.rejected:
        text = f"{record.rejected:,} rows were refused. A panel decides on an appeal."
        html(notice(text, "Below stands why, row by row.", "wait"))
        ui.button(
            "Appeal", icon="gavel", on_click=lambda: _report(studio, place, ["APPEAL"], record)
        ).props("outline").classes("self-start")
    elif not is_mine and record.accepted:
        kinds = [each for each in report_words.KINDS if each != "APPEAL"]
        ui.button(
            "Report rows", icon="flag", on_click=lambda: _report(studio, place, kinds, record)
        ).props("outline").classes("self-start")


async def _report(studio: Studio, place: dict[str, int], kinds: list[str], record: Any) -> None:
    """The dialog of a report or an appeal: what is said, of how many rows, and what shows it."""
    is_appeal = kinds == ["APPEAL"]
    most = record.rejected if is_appeal else record.accepted
    deposit = await studio.chain.state.read("Reports", "deposit") or 0
    fee = await studio.chain.state.read("Panels", "fee") or 0
    with ui.dialog() as dialog, ui.card().classes("dialog").props("flat"):
        html(tag("h2", "Appeal" if is_appeal else "Report rows"))
        said = Markup("It costs {} if a panel does not follow you, and nothing if it does.")
        html(tag("p", said.format(values.amount(deposit + fee)), class_="muted"))
        names = {each: " - ".join(report_words.KINDS[each]) for each in kinds}
        kind = ui.select(names, value=kinds[0], label="What is wrong")
        rows = ui.number("How many rows", value=1, min=1, max=most, precision=0)
        rows.props["hint"] = f"1 to {most:,}"
        text = ui.textarea("What shows it").props(f"autogrow maxlength={TEXT_CHARACTERS_MAX}")
        text.props["hint"] = "name the rows and your reasons: the panel and everybody can read it"
        for each in (kind, rows, text):
            each.props("outlined dense").classes("full-width")

        async def go_on() -> None:
            evidence = await studio.sender.put_content((text.value or "").encode())
            named = {"kind": str(kind.value), "rows": int(rows.value or 0), "evidence": evidence}
            dialog.close()
            call = filled_call(studio, "Reports.report", place | named)
            await sign(studio, call, _reported)

        with ui.row().classes("justify-end q-gutter-sm full-width"):
            ui.button("Cancel", on_click=dialog.close).props("flat")
            ui.button("Preview and sign", on_click=lambda: told(go_on)).props("unelevated")
    dialog.open()


def _reported(inclusion: Inclusion) -> None:
    fields = inclusion.fields("Reports", "Reported")
    ui.navigate.to(f"/reports/{fields['report']}")
