"""The review queue of a Datanet: the published validator's verdicts, and publishing a version.

Anybody may run the same validator on the same rows and seed; the curator signs what it says.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from nicegui import ui

from ml.data.review import RowVerdict
from node.submission import Inclusion
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.rows import Verdict
from studio.chain import curation, datanets
from studio.chain.curation import Draft
from studio.context import Studio
from studio.frame import html, page
from studio.parts import values
from studio.parts.call_form import filled_call
from studio.parts.tables import card, columns, crumbs, table, tiles
from studio.parts.tags import tag
from studio.signing import sign, told
from studio.tabs import address

HINTS_SHOWN = 60


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/datanets/{number}/review")
    async def review_queue(number: int) -> None:
        back = crumbs(("Datanets", "/datanets"), (f"Datanet {number}", f"/datanets/{number}"))
        lead = "What the published validator says of every revealed row. Copies are hinted at."
        async with page(studio, "Review queue", "/datanets", lead=lead, crumbs=back):
            record = await datanets.existing(studio.chain.state, number)
            found = await curation.draft(studio.chain.state, studio.contents, number, record)
            if found is None:
                empty = tag("strong", "Nothing waits for review.")
                text = "What contributors reveal appears here."
                html(card("Queue", tag("div", empty, text, class_="empty")))
                return
            html(_counts(studio, found))
            html(_hints(found))
            ui.button(
                "Publish a version",
                icon="publish",
                on_click=lambda: told(lambda: _publish(studio, number, found)),
            ).props("unelevated").classes("self-start")


def _counts(studio: Studio, found: Draft) -> Markup:
    rows = [
        (
            f"#{each.submission}",
            studio.account(found.owners[each.submission].hex()),
            values.number(each.accepted),
            values.number(each.duplicate),
            values.number(each.rejected),
        )
        for each in found.counts()
    ]
    heads = columns("Submission", "Contributor", "Accepted#", "Copies#", "Refused#")
    verdicts = [each.verdict for each in found.verdicts]
    figures = tiles(
        ("Rows judged", values.number(len(verdicts)), "new since the last version"),
        ("Accepted", values.number(verdicts.count(Verdict.ACCEPTED)), "enter the version"),
        ("Copies", values.number(verdicts.count(Verdict.DUPLICATE)), "of rows committed before"),
        ("Refused", values.number(verdicts.count(Verdict.REJECTED)), "each costs its bond"),
        ("Withdrawn", values.number(len(found.left)), "leave the version"),
    )
    return tag(
        "div",
        figures,
        card("By submission", table(heads, rows, caption="Submissions")),
        class_="stack",
    )


def _hints(found: Draft) -> Markup:
    doubtful = [each for each in found.verdicts if each.verdict is not Verdict.ACCEPTED]
    rows = [_hint(found, each) for each in doubtful[:HINTS_SHOWN]]
    heads = columns("Row", "Verdict", "The row", "Like this earlier row")
    note = f"{len(doubtful):,} in all" if len(doubtful) > HINTS_SHOWN else None
    empty = "The validator accepts every row."
    return card("Not accepted", table(heads, rows, caption="Verdicts", empty=empty), note=note)


def _hint(found: Draft, verdict: RowVerdict) -> Sequence[Markup | str]:
    is_copy = verdict.verdict is Verdict.DUPLICATE
    earlier = (verdict.class_submission, verdict.class_index)
    return (
        f"#{verdict.submission}.{verdict.index + 1}",
        tag(
            "div",
            values.badge("copy" if is_copy else "refused", "wait" if is_copy else "bad"),
            tag("div", verdict.reason, class_="muted small"),
        ),
        _text(found, verdict.submission, verdict.index),
        _text(found, *earlier) if is_copy else "",
    )


def _text(found: Draft, submission: int, index: int) -> str:
    rows = found.rows.get(submission, ())
    row = rows[index] if index < len(rows) else None
    if row is None:
        return "not stored here"
    return f"{row.prompt[:100]} → {row.completion[:140]}"


async def _publish(studio: Studio, number: int, found: Draft) -> None:
    """Sign a version of all accepted rows; its diff lists what joined and what left."""
    records = [each.encode() for each in found.records]
    verdicts = [each.encode() for each in found.verdicts]
    changes = [each.encode() for each in found.changes(studio.chain.height)]
    roots = {
        "rows_root": list_root(records),
        "records": await studio.sender.put_content(encode_blob(records)),
        "verdicts_root": found.verdicts_root(),
        "verdicts": await studio.sender.put_content(encode_blob(verdicts)),
        "changes_root": list_root(changes),
        "changes": await studio.sender.put_content(encode_blob(changes)),
    }
    counts = [
        [each.submission, each.accepted, each.duplicate, each.rejected] for each in found.counts()
    ]
    arguments = {
        "datanet": number,
        "roots": {name: each.hex() for name, each in roots.items()},
        "row_count": len(records),
        "reviewed_count": len(found.earlier) + len(verdicts),
        "verdict_counts": counts,
    }
    call = filled_call(studio, "Submissions.publish_version", arguments)

    def published(_inclusion: Inclusion) -> None:
        ui.navigate.to(f"/datanets/{number}")

    await sign(studio, call, published)
