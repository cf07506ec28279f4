"""Adding rows to a Datanet: drop a file, say which column is what, see what will be refused, sign.

The rows are committed to by their hash first and shown second, so that nobody can copy them while
they wait; between the two they are in a file of this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup
from nicegui import events, ui

from ml.data.tables import Columns
from node.submission import Inclusion
from runtime.errors import OpenLedgerError
from runtime.wire.datanets import SUBMISSION_RECORD_BYTES, Curation
from studio import uploads
from studio.chain import datanets
from studio.context import Studio
from studio.errors import FieldInvalid
from studio.frame import html, notice, page
from studio.parts import values
from studio.parts.call_form import FilledCall, filled_call
from studio.parts.tables import card, columns, crumbs, table
from studio.parts.tags import tag
from studio.signing import sign, told
from studio.tabs import address
from studio.uploads import Judge, Preview, Upload

REFUSED_SHOWN = 50
ROWS_SHOWN = 5
DROP_HEAD = (
    '<div class="drop"><label>Choose a file<q-uploader-add-trigger /></label>'
    "<span>or drop it here</span></div>"
)
"""The head of the area for files, with a name for its field; Vue's markup."""
LANGUAGE = "en"
PROMPT_NAMES = ("prompt", "question", "input", "instruction", "q")
COMPLETION_NAMES = ("completion", "answer", "output", "response", "a")


@dataclass(slots=True)
class _Draft:
    """What this tab has chosen so far; the file itself is still the contributor's."""

    name: str = ""
    data: bytes = b""
    columns: Columns = field(default_factory=Columns)


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/datanets/{number}/upload")
    async def upload(number: int) -> None:
        back = crumbs(("Datanets", "/datanets"), (f"Datanet {number}", f"/datanets/{number}"))
        lead = (
            "CSV, JSONL or Parquet, also gzipped: a row is what you contribute, and are paid for."
        )
        async with page(studio, "Add rows", "/datanets", lead=lead, crumbs=back):
            record = await datanets.existing(studio.chain.state, number)
            _pending(studio, number)
            await _wizard(studio, number, record)


def folder(studio: Studio) -> Path:
    """Where uploads wait until they are revealed."""
    return studio.settings.data / "uploads" / studio.chain.genesis_hash.hex()[:16]


def _pending(studio: Studio, number: int) -> None:
    for each in uploads.kept(folder(studio), number):
        if each.submission is None:
            continue
        with ui.element("section").classes("card"):
            text = f"{each.row_count:,} rows are committed as submission {each.submission}."
            html(notice(text, "Reveal them: until then nobody can review them.", "wait"))
            ui.button(
                "Reveal them",
                on_click=lambda each=each: told(lambda: _reveal(studio, each)),
            ).props("unelevated").classes("q-mt-sm")


async def _wizard(studio: Studio, number: int, record: Any) -> None:
    draft = _Draft()
    schema = datanets.schema_of(record)
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "1. The file")))
        drop = ui.upload(
            auto_upload=True,
            max_files=1,
            max_file_size=uploads.FILE_BYTES_MAX,
            on_rejected=lambda: ui.notify("It is larger than 64 MiB.", type="negative"),
        ).props('flat bordered accept=".csv,.jsonl,.parquet,.gz"')
        drop.classes("full-width")
        drop.add_slot("header", DROP_HEAD)
    mapping = ui.element("section").classes("card")
    result = ui.element("div").classes("stack")
    mapping.set_visibility(False)

    async def show() -> None:
        result.clear()
        with result, ui.element("div").classes("stack"):
            await _preview(studio, number, record, draft)

    async def taken(event: events.UploadEventArguments) -> None:
        draft.name, draft.data = event.file.name, await event.file.read()
        names = await asyncio.to_thread(uploads.columns_of, draft.name, draft.data)
        prompt = _likely(names, PROMPT_NAMES, 0) if schema.has_prompt() else None
        draft.columns = Columns(prompt, _likely(names, COMPLETION_NAMES, 1))
        mapping.set_visibility(True)
        mapping.clear()
        with mapping:
            html(tag("header", tag("h2", "2. Which column is what")))
            _mapping(draft, names, show)
        await show()

    drop.on_upload(lambda event: told(lambda: taken(event)))


def _likely(names: list[str], wanted: tuple[str, ...], place: int) -> str:
    """The column that is probably meant; raises `FieldInvalid` where there is none."""
    if not names:
        raise FieldInvalid("The file has no columns.", remedy="Give the columns names in its head.")
    by_lower = {name.lower(): name for name in names}
    found = next((by_lower[each] for each in wanted if each in by_lower), None)
    return found or names[min(place, len(names) - 1)]


def _mapping(draft: _Draft, names: list[str], show: Callable[[], Awaitable[None]]) -> None:
    """Selects for the columns; rows of plain text have one."""

    async def choose(**chosen: str) -> None:
        draft.columns = replace(draft.columns, **chosen)
        await told(show)

    with ui.element("div").classes("form"):
        if draft.columns.prompt is not None:
            prompt = ui.select(names, value=draft.columns.prompt, label="Prompt: what is asked")
            prompt.on_value_change(lambda event: choose(prompt=event.value))
            prompt.props("outlined dense")
        label = "Completion: the answer" if draft.columns.prompt is not None else "The text"
        completion = ui.select(names, value=draft.columns.completion, label=label)
        completion.on_value_change(lambda event: choose(completion=event.value))
        completion.props("outlined dense")


async def _preview(studio: Studio, number: int, record: Any, draft: _Draft) -> None:
    if draft.columns.prompt == draft.columns.completion:
        raise FieldInvalid("Both are the same column.", remedy="Choose two.")
    key = studio.wallet.chosen(studio.session())
    if key is None:
        raise FieldInvalid("There is no key to sign with.", remedy="Make one on the page Wallet.")
    known = await datanets.known_rows(studio.chain.state, studio.contents, number)
    judge = Judge(datanets.schema_of(record), record.minhash_seed, known)
    owner = bytes.fromhex(key.account)
    found = await asyncio.to_thread(
        uploads.preview, draft.name, draft.data, draft.columns, owner, judge
    )
    html(_refused(found))
    html(_taken(found))
    if not found.rows:
        html(notice("None of the rows can be taken.", "Mend the file and drop it again.", "bad"))
        return
    prepared = uploads.prepare(number, key.account, found.rows)
    terms = await studio.chain.state.read("Datanets", "terms", number)
    fee = await _panel_fee(studio, terms)
    bond = fee + await _bond(studio, terms, prepared)
    text = Markup("The bond of {} comes back for each accepted row.").format(
        values.amount(bond - fee)
    )
    html(notice(text, "A row that is a copy or unusable costs its bond.", "info"))
    if fee:
        text = Markup("A drawn panel reviews the rows, for {}.").format(values.amount(fee))
        html(notice(text, "It is held beside the bond, and does not come back.", "info"))
    label = f"Commit {len(found.rows):,} rows"
    ui.button(
        label, icon="lock", on_click=lambda: told(lambda: _commit(studio, prepared, bond))
    ).props("unelevated").classes("self-start")


def _refused(found: Preview) -> Markup:
    rows = [
        (values.number(each.number), each.text[:120], each.reason, each.remedy)
        for each in found.refused[:REFUSED_SHOWN]
    ]
    heads = columns("Row#", "It says", "Why it is refused", "What to do")
    empty = "Every row can be taken."
    return card(
        f"{len(found.refused):,} rows will be refused",
        table(heads, rows, caption="Refused rows", empty=empty),
        note=f"the first {REFUSED_SHOWN}" if len(found.refused) > REFUSED_SHOWN else None,
    )


def _taken(found: Preview) -> Markup:
    rows = [(row.prompt[:200], row.completion[:300]) for row in found.rows[:ROWS_SHOWN]]
    heads = columns("Prompt", "Completion")
    title = f"{len(found.rows):,} rows will be committed"
    return card(title, table(heads, rows, caption="Rows"), note="the first of them")


async def _bond(studio: Studio, terms: Any, prepared: Upload) -> int:
    """The least bond: for the rows, and for the bytes that are kept."""
    byte_bond = await studio.chain.state.read("Submissions", "byte_bond")
    kept_bytes = SUBMISSION_RECORD_BYTES + len(prepared.blob) // 2
    bond: int = prepared.row_count * terms.contributor_bond_per_row + kept_bytes * byte_bond
    return bond


async def _panel_fee(studio: Studio, terms: Any) -> int:
    """What the contributor pays a drawn panel for its review; nothing where the owner curates."""
    if terms.curation.name != Curation.PANEL.name:
        return 0
    return int(await studio.chain.state.read("Panels", "fee"))


async def _commit(studio: Studio, prepared: Upload, bond: int) -> None:
    uploads.keep(folder(studio), prepared)

    async def committed(inclusion: Inclusion) -> None:
        fields = inclusion.fields("Submissions", "Committed")
        done = replace(prepared, submission=int(fields["submission"]))
        uploads.keep(folder(studio), done)
        await _reveal(studio, done)

    await sign(studio, await _commit_call(studio, prepared, bond), committed)


async def _commit_call(studio: Studio, prepared: Upload, bond: int) -> FilledCall:
    terms = await studio.chain.state.read("Datanets", "terms", prepared.datanet)
    offer = {
        "row_count": prepared.row_count,
        "size_bytes": len(prepared.blob) // 2,
        "licence": terms.licence,
        "language": LANGUAGE,
        "purposes": [each.name for each in terms.purposes],
    }
    arguments = {
        "datanet": prepared.datanet,
        "commitment": prepared.commitment(),
        "offer": offer,
        "bond": bond,
        "sponsored": False,
    }
    return filled_call(studio, "Submissions.commit", arguments)


async def _reveal(studio: Studio, draft: Upload) -> None:
    blob = await studio.sender.put_content(bytes.fromhex(draft.blob))
    call = filled_call(
        studio,
        "Submissions.reveal",
        {
            "datanet": draft.datanet,
            "submission": draft.submission,
            "rows_root": bytes.fromhex(draft.rows_root),
            "salt": bytes.fromhex(draft.salt),
            "blob": blob,
        },
    )

    def revealed(_inclusion: Inclusion) -> None:
        uploads.forget(folder(studio), draft)
        ui.navigate.to(f"/datanets/{draft.datanet}")

    try:
        await sign(studio, call, revealed)
    except OpenLedgerError as error:
        ui.notify(str(error), type="negative", multi_line=True)
