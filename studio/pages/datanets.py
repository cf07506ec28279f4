"""Datanets: all of them, making one, and the card of one."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from markupsafe import Markup
from nicegui import ui

from node.errors import ContentError
from runtime.wire.datanets import ALL_PURPOSES, MEDIA_TYPE
from studio.chain import datanets
from studio.chain.datanets import Standing
from studio.chain.state import Entry
from studio.context import Studio
from studio.exports import storage_address
from studio.frame import html, page
from studio.live import live
from studio.parts import charts, values
from studio.parts.call_form import FilledCall, filled_call
from studio.parts.tables import card, columns, crumbs, pager, table, tiles
from studio.parts.tags import link, tag
from studio.signing import sign, told
from studio.tabs import address

SUBMISSION_STATES = {"COMMITTED": "wait", "REVEALED": "info", "REVIEWED": "ok", "SETTLED": "ok"}
ROWS_SHOWN = 12
LEADERS_SHOWN = 15
LENGTH_BARS = 40
"""Of the histogram of rows by length."""
SLOW_S = 5.0
COLUMN_BYTES_MAX = 32_000
"""Half of what a row may have."""


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/datanets")
    async def all_datanets() -> None:
        lead = "Data sets that many people own together: each row is one contributor's, and paid."
        async with page(studio, "Datanets", "/datanets", lead=lead):
            with ui.row().classes("q-gutter-sm"):
                ui.button("New Datanet", icon="add", on_click=lambda: _new(studio)).props(
                    "unelevated"
                )
            await live(studio, lambda: _list(studio), SLOW_S)

    @address("/datanets/{number}")
    async def one(number: int, submissions_page: int = 1) -> None:
        back = crumbs(("Datanets", "/datanets"))
        record = await _record(studio, number)
        title = record.name if record else f"Datanet {number}"
        async with page(studio, title, "/datanets", crumbs=back):
            if record is None:
                raise datanets.missing(number)
            await _card(studio, number, record, submissions_page)


async def _record(studio: Studio, number: int) -> Any:
    if not studio.chain.is_ready:
        return None
    return await studio.chain.state.read("Datanets", "datanets", number)


async def _new(studio: Studio) -> None:
    with ui.dialog() as dialog, ui.card().classes("dialog").props("flat"):
        html(tag("h2", "A new Datanet"))
        text = "You curate it: what contributors submit enters a version when you publish it."
        html(tag("p", text, class_="muted"))
        name = ui.input("Name").props("outlined dense maxlength=64")
        description = ui.textarea("What it is").props("outlined dense autogrow maxlength=1000")
        licence = ui.input("Licence", value="CC-BY-4.0").props("outlined dense maxlength=64")
        bond = ui.input("Bond of a row", value="0.001OPEN").props("outlined dense")
        bond.props["hint"] = "lost for a copy or an unusable row, and only then"
        for each in (name, description, licence, bond):
            each.classes("full-width")

        async def go_on() -> None:
            call = _create_call(studio, name.value, description.value, licence.value, bond.value)
            dialog.close()
            await sign(studio, call)

        with ui.row().classes("justify-end q-gutter-sm full-width"):
            ui.button("Cancel", on_click=dialog.close).props("flat")
            ui.button("Preview and sign", on_click=lambda: told(go_on)).props("unelevated")
    dialog.open()


def _create_call(
    studio: Studio, name: str, description: str, licence: str, bond: str
) -> FilledCall:
    """An open Datanet of prompts and completions, curated by who signs."""
    columns_wanted = [
        {"name": each, "bytes_min": 1, "bytes_max": COLUMN_BYTES_MAX}
        for each in ("prompt", "completion")
    ]
    schema = {"media_type": MEDIA_TYPE, "columns": columns_wanted, "languages": []}
    terms = {
        "licence": licence,
        "purposes": [each.name for each in ALL_PURPOSES],
        "contributor_bond_per_row": bond.strip(),
        "curation": "OWNER",
        "access": "PUBLIC",
        "rows_min": 0,
    }
    arguments = {"name": name, "description": description, "schema": schema, "terms": terms}
    return filled_call(studio, "Datanets.create", arguments)


async def _list(studio: Studio) -> Markup:
    state = studio.chain.state
    entries = await state.entries("Datanets", "datanets", 500)
    numbers = [entry.key[0] for entry in entries]
    latest = await state.read_many("Datanets", "latest_version", [(each,) for each in numbers])
    newest = await state.read_many(
        "Datanets", "versions", [(each, latest[place]) for place, each in enumerate(numbers)]
    )
    waiting = await state.read_many("Submissions", "next_submission", [(each,) for each in numbers])
    terms = await state.read_many("Datanets", "terms", [(each,) for each in numbers])
    rows = [
        (
            tag(
                "div",
                tag("strong", link(entry.value.name, f"/datanets/{entry.key[0]}")),
                tag("div", entry.value.description[:120], class_="muted small"),
            ),
            values.number(version.row_count) if version else "none yet",
            f"v{latest[place]}" if latest[place] else "-",
            values.number(waiting[place]),
            terms[place].licence,
            studio.account(entry.value.owner.hex()),
        )
        for place, (entry, version) in enumerate(zip(entries, newest, strict=True))
    ]
    heads = columns("Datanet", "Rows#", "Version#", "Submissions#", "Licence", "Curator")
    empty = tag(
        "div",
        tag("strong", "There is no Datanet yet."),
        "Make one, or begin with the sample data on the page Overview.",
    )
    shown = table(heads, rows, caption="Datanets", empty=empty)
    return card("All Datanets", shown, export=storage_address("Datanets", "datanets"))


async def _card(studio: Studio, number: int, record: Any, page_number: int) -> None:
    with ui.row().classes("q-gutter-sm"):
        ui.button(
            "Add rows", icon="upload", on_click=lambda: ui.navigate.to(f"/datanets/{number}/upload")
        ).props("unelevated")
        ui.button(
            "Review queue",
            icon="fact_check",
            on_click=lambda: ui.navigate.to(f"/datanets/{number}/review"),
        ).props("outline")
        ui.button(
            "Train on it",
            icon="model_training",
            on_click=lambda: ui.navigate.to(f"/models/new?datanet={number}"),
        ).props("outline")
    html(await _facts(studio, number, record))
    await _lengths(studio, number)
    with ui.element("div").classes("columns"):
        await _leaderboard(studio, number)
        with ui.element("div").classes("stack"):
            html(await _versions(studio, number))
            await live(studio, lambda: _submissions(studio, number, page_number), SLOW_S)
    html(await _sample(studio, number))


async def _facts(studio: Studio, number: int, record: Any) -> Markup:
    state = studio.chain.state
    found, submissions, budget, models = await asyncio.gather(
        datanets.versions(state, number),
        datanets.submissions(state, number),
        state.read("Datanets", "sponsor_budgets", number),
        datanets.models_on(state, number),
    )
    contributors = len({entry.value.contributor for entry in submissions})
    figures = tiles(
        ("Accepted rows", values.number(found[0][1].row_count if found else 0), "newest version"),
        ("Contributors", values.number(contributors), f"{len(submissions)} submissions"),
        ("Versions", values.number(len(found)), "each with a Merkle root"),
        ("Models", link(values.number(len(models)), "/models"), "trained on it"),
    )
    terms = await state.read("Datanets", "terms", number)
    facts: list[tuple[str, Any]] = [
        ("What it is", record.description or "no description"),
        ("Curated by", _curation(studio, record, terms)),
        ("Licence", terms.licence),
        ("May be used for", ", ".join(each.name.lower() for each in terms.purposes)),
        ("Who may read it", terms.access.name.lower()),
        ("Columns", ", ".join(each.name for each in record.schema.columns)),
        ("Bond of a row", values.amount(terms.contributor_bond_per_row)),
        ("Made in block", values.block_link(record.created_at)),
    ]
    if budget:
        facts.append(("First bonds sponsored, up to", values.amount(budget)))
    return tag("div", figures, card("Data card", values.facts(*facts)), class_="stack")


async def _lengths(studio: Studio, number: int) -> None:
    """How long its rows are; nothing before the first version, or where they are not stored."""
    found = await datanets.versions(studio.chain.state, number)
    if not found:
        return
    try:
        library = await studio.library(number, found[0][1])
    except ContentError:
        return
    sizes = sorted(len(each.row.prompt) + len(each.row.completion) for each in library.rows)
    if not sizes:
        return
    width = max(1, -(-sizes[-1] // LENGTH_BARS))
    counts = Counter(size // width for size in sizes)
    places = range(sizes[-1] // width + 1)
    names = [f"{place * width:,} to {(place + 1) * width - 1:,} characters" for place in places]
    half = f"half of them have up to {sizes[len(sizes) // 2]:,} characters"
    with ui.element("section").classes("card"):
        note = tag("span", f"{half}, the longest {sizes[-1]:,}", class_="note")
        html(tag("header", tag("h2", "How long its rows are"), note))
        options = charts.columns(names, [counts[place] for place in places])
        charts.chart(options, f"How many rows there are of each length: {half}", 84)


def _curation(studio: Studio, record: Any, terms: Any) -> Markup:
    owner = studio.account(record.owner.hex())
    return tag("span", owner, ", by a panel's scores" if terms.curation.name == "PANEL" else None)


async def _leaderboard(studio: Studio, number: int) -> None:
    with ui.element("section").classes("card"):
        note = tag("span", "nats, over all settled epochs", class_="note")
        html(tag("header", tag("h2", "Who moves the models"), note))
        try:
            found = await datanets.standings(studio.chain.state, studio.contents, number)
        except ContentError as error:
            html(tag("div", str(error), class_="empty"))
            return
        if not any(each.influence for each in found):
            empty = tag("strong", "No influence was measured yet.")
            text = "It is, once a model that was trained on this Datanet has answered for a fee."
            html(tag("div", empty, text, class_="empty"))
        else:
            _influence_chart(studio, found[:LEADERS_SHOWN])
        html(_standings_table(studio, found))


def _influence_chart(studio: Studio, leaders: list[Standing]) -> None:
    names = [studio.names.of(each.owner) or values.short(each.owner) for each in leaders]
    options = charts.bars(
        names, [round(each.influence, 4) for each in leaders], "influence in nats"
    )
    errors = [
        [place, each.influence - each.error, each.influence + each.error]
        for place, each in enumerate(leaders)
        if each.error is not None
    ]
    if errors:
        options["series"].append(charts.error_bars(errors))
    label = "Influence of each contributor, with standard errors"
    charts.chart(options, label, 60 + 26 * len(leaders))


def _standings_table(studio: Studio, found: list[Standing]) -> Markup:
    rows = [
        (
            values.number(place),
            studio.account(each.owner),
            values.number(each.rows),
            f"{each.influence:+.4f}",
            "-" if each.error is None else f"± {each.error:.4f}",
        )
        for place, each in enumerate(found[:LEADERS_SHOWN], 1)
    ]
    heads = columns("#", "Contributor", "Rows#", "Influence#", "Error#")
    return table(heads, rows, caption="Contributors by influence", empty="No contributor yet.")


async def _versions(studio: Studio, number: int) -> Markup:
    found = await datanets.versions(studio.chain.state, number)
    rows = []
    for place, (version, value) in enumerate(found):
        before = found[place + 1][1].row_count if place + 1 < len(found) else 0
        rows.append(
            (
                link(f"v{version}", f"/datanets/{number}/versions/{version}"),
                values.number(value.row_count),
                f"{value.row_count - before:+,}",
                values.digest(value.rows_root.hex()),
                values.block_link(value.published_at),
            )
        )
    heads = columns("Version", "Rows#", "Change#", "Merkle root", "Block#")
    empty = tag("div", tag("strong", "Nothing is published yet."), "Its curator reviews and does.")
    shown = table(heads, rows, caption="Versions", empty=empty)
    return card("Versions", shown, export=storage_address("Datanets", "versions"))


async def _submissions(studio: Studio, number: int, page_number: int) -> Markup:
    entries: list[Entry] = await datanets.submissions(studio.chain.state, number)
    newest = list(reversed(entries))
    start = (max(1, page_number) - 1) * ROWS_SHOWN
    rows = [
        (
            link(f"#{entry.key[1]}", f"/datanets/{number}/submissions/{entry.key[1]}"),
            studio.account(entry.value.contributor.hex()),
            values.number(entry.value.offer.row_count),
            values.badge(
                entry.value.state.name.lower(),
                SUBMISSION_STATES.get(entry.value.state.name, "neutral"),
            ),
        )
        for entry in newest[start : start + ROWS_SHOWN]
    ]
    states = Counter(entry.value.state.name.lower() for entry in entries)
    note = ", ".join(f"{count} {name}" for name, count in states.items())
    here = f"/datanets/{number}"
    heads = columns("Submission", "Contributor", "Rows#", "State")
    return card(
        "Submissions",
        table(heads, rows, caption="Submissions", empty="Nobody has submitted rows yet."),
        pager(page_number, len(entries), here, rows=ROWS_SHOWN, parameter="submissions_page"),
        note=note,
        export=storage_address("Submissions", "submissions"),
    )


async def _sample(studio: Studio, number: int) -> Markup:
    found = await datanets.versions(studio.chain.state, number)
    if not found:
        return Markup("")
    records = await datanets.records(studio.contents, found[0][1])
    step = max(1, len(records) // ROWS_SHOWN)
    entries = await datanets.submissions(studio.chain.state, number)
    try:
        shown = await datanets.rows_of(studio.contents, entries, records[::step][:ROWS_SHOWN])
    except ContentError as error:
        return card("Some of its rows", tag("div", str(error), class_="empty"))
    rows = [
        (studio.account(each.owner), each.row.prompt[:200], each.row.completion[:300])
        for each in shown
    ]
    heads = columns("Contributor", "Prompt", "Completion")
    return card(
        "Some of its rows", table(heads, rows, caption="Rows"), note="spread over all of it"
    )
