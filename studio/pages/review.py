"""The review queue of a Datanet: the published validator's verdicts, and publishing a version.

Anybody may run the same validator on the same rows and seed; the curator signs what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from nicegui import ui

from ml.data.review import Review, RowVerdict, Submission, review
from node.submission import Inclusion
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import RowChange
from runtime.wire.rows import Row, Verdict
from studio.chain import datanets
from studio.context import Studio
from studio.frame import html, page
from studio.parts import values
from studio.parts.call_form import filled_call
from studio.parts.tables import card, columns, crumbs, table, tiles
from studio.parts.tags import tag
from studio.signing import sign, told
from studio.tabs import address

HINTS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class _Queue:
    """What waits for review, and what the validator says of it."""

    submissions: tuple[Submission, ...]
    waiting: frozenset[int]
    """The submissions that were in no review yet."""
    found: Review

    def row(self, submission: int, index: int) -> Row:
        """A row by its place."""
        by_index = {each.index: each for each in self.submissions}
        return by_index[submission].rows[index]


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/datanets/{number}/review")
    async def review_queue(number: int) -> None:
        back = crumbs(("Datanets", "/datanets"), (f"Datanet {number}", f"/datanets/{number}"))
        lead = "What the published validator says of every revealed row. Copies are hinted at."
        async with page(studio, "Review queue", "/datanets", lead=lead, crumbs=back):
            record = await datanets.existing(studio.chain.state, number)
            queue = await _queue(studio, number, record.minhash_seed)
            if queue is None:
                empty = tag("strong", "Nothing waits for review.")
                html(
                    card("Queue", tag("div", empty, "New submissions appear here.", class_="empty"))
                )
                return
            html(_counts(studio, queue))
            html(_hints(queue))
            ui.button(
                "Publish a version",
                icon="publish",
                on_click=lambda: told(lambda: _publish(studio, number, queue)),
            ).props("unelevated").classes("self-start")


async def _queue(studio: Studio, number: int, seed: int) -> _Queue | None:
    """The revealed submissions; the rows of earlier versions stand before them."""
    entries = await datanets.submissions(studio.chain.state, number)
    shown = [
        entry for entry in entries if entry.value.state.name in {"REVEALED", "REVIEWED", "SETTLED"}
    ]
    if not any(entry.value.state.name == "REVEALED" for entry in shown):
        return None
    blobs = await asyncio.gather(*(studio.contents.items(entry.value.blob, Row) for entry in shown))
    submissions = tuple(
        Submission(entry.key[1], entry.value.contributor, rows)
        for entry, rows in zip(shown, blobs, strict=True)
    )
    waiting = frozenset(entry.key[1] for entry in shown if entry.value.state.name == "REVEALED")
    return _Queue(submissions, waiting, await asyncio.to_thread(review, submissions, seed))


def _counts(studio: Studio, queue: _Queue) -> Markup:
    owners = {each.index: each.owner.hex() for each in queue.submissions}
    rows = [
        (
            f"#{each.submission}",
            studio.account(owners[each.submission]),
            values.number(each.accepted),
            values.number(each.duplicate),
            values.number(each.rejected),
        )
        for each in queue.found.counts()
        if each.submission in queue.waiting
    ]
    heads = columns("Submission", "Contributor", "Accepted#", "Copies#", "Unusable#")
    verdicts = [each.verdict for each in queue.found.verdicts]
    figures = tiles(
        ("Rows judged", values.number(len(verdicts)), None),
        ("Accepted", values.number(verdicts.count(Verdict.ACCEPTED)), "enter the version"),
        ("Copies", values.number(verdicts.count(Verdict.DUPLICATE)), "of rows committed before"),
        ("Unusable", values.number(verdicts.count(Verdict.REJECTED)), "empty, too long, ..."),
    )
    return tag(
        "div",
        figures,
        card("By submission", table(heads, rows, caption="Submissions")),
        class_="stack",
    )


def _hints(queue: _Queue) -> Markup:
    doubtful = [each for each in queue.found.verdicts if each.verdict is not Verdict.ACCEPTED]
    rows = [_hint(queue, each) for each in doubtful[:HINTS_SHOWN]]
    heads = columns("Row", "Verdict", "The row", "Like this earlier row")
    note = f"{len(doubtful):,} in all" if len(doubtful) > HINTS_SHOWN else None
    empty = "The validator accepts every row."
    return card("Not accepted", table(heads, rows, caption="Verdicts", empty=empty), note=note)


def _hint(queue: _Queue, verdict: RowVerdict) -> Sequence[Markup | str]:
    row = queue.row(verdict.submission, verdict.index)
    is_copy = verdict.verdict is Verdict.DUPLICATE
    like = queue.row(verdict.class_submission, verdict.class_index) if is_copy else None
    return (
        f"#{verdict.submission}.{verdict.index}",
        tag(
            "div",
            values.badge("copy" if is_copy else "unusable", "wait" if is_copy else "bad"),
            tag("div", verdict.reason, class_="muted small"),
        ),
        f"{row.prompt[:100]} → {row.completion[:140]}",
        "" if like is None else f"{like.prompt[:100]} → {like.completion[:140]}",
    )


async def _publish(studio: Studio, number: int, queue: _Queue) -> None:
    """Sign a version of all accepted rows; its diff lists those that joined."""
    found = queue.found
    encoded = [record.encode() for record in found.records]
    verdicts = [verdict.encode() for verdict in found.verdicts]
    changes = [
        RowChange(
            each.row_hash, each.submission, each.index, True, studio.chain.height, "accepted"
        ).encode()
        for each in found.records
        if each.submission in queue.waiting
    ]
    roots = {
        "rows_root": found.rows_root(),
        "records": await studio.sender.put_content(encode_blob(encoded)),
        "verdicts_root": found.verdicts_root(),
        "verdicts": await studio.sender.put_content(encode_blob(verdicts)),
        "changes_root": list_root(changes),
        "changes": await studio.sender.put_content(encode_blob(changes)),
    }
    counts = [
        [each.submission, each.accepted, each.duplicate, each.rejected]
        for each in found.counts()
        if each.submission in queue.waiting
    ]
    arguments = {
        "datanet": number,
        "roots": {name: each.hex() for name, each in roots.items()},
        "row_count": len(encoded),
        "reviewed_count": len(verdicts),
        "verdict_counts": counts,
    }
    call = filled_call(studio, "Submissions.publish_version", arguments)

    def published(_inclusion: Inclusion) -> None:
        ui.navigate.to(f"/datanets/{number}")

    await sign(studio, call, published)
