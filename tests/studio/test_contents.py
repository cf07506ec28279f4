"""The rows of submissions as Studio reads them from the content store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from node.errors import ContentDamaged
from runtime.hashing import hash_content
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import Offer, Submission, SubmissionState
from runtime.wire.rows import Row, tombstone_of
from studio.chain.contents import Contents
from studio.chain.sender import Sender

ROWS = (Row("What is red?", "A colour."), Row("Who is Ann?", "She lives at 7 Elm Street."))


class Store:
    """What a node keeps, by its hash."""

    def __init__(self, *blobs: bytes) -> None:
        self.blobs = {hash_content(each): each for each in blobs}

    async def get_content(self, content_hash: bytes) -> bytes:
        """The content with this hash."""
        return self.blobs[content_hash]


def read(blob: bytes, submission: Submission) -> tuple[Row | None, ...]:
    """The rows as pages get them."""
    return asyncio.run(Contents(cast("Sender", Store(blob))).rows(submission))


def submission_with(blob: bytes) -> Submission:
    """Both rows, committed to as they were; `blob` is what is stored now."""
    offer = Offer(len(ROWS), len(blob), "CC0-1.0", "en", ())
    root = list_root([each.hash() for each in ROWS])
    made = Submission(bytes(32), bytes(32), offer, 0, 0, False, 1, SubmissionState.REVIEWED)
    return replace(made, rows_root=root, blob=hash_content(blob))


def test_an_erased_row_leaves_the_others_readable():
    """A tombstone stands for it: the page says that it is not stored, and shows what is."""
    blob = encode_blob([ROWS[0].encode(), tombstone_of(ROWS[1].encode())])
    assert read(blob, submission_with(blob)) == (ROWS[0], None)


@pytest.mark.parametrize("items", [[b"no row"], [ROWS[1].encode(), ROWS[0].encode()]])
def test_rows_that_were_not_committed_to_are_refused(items):
    """Neither what is no row nor other rows than those of the root are shown."""
    blob = encode_blob(items)
    with pytest.raises(ContentDamaged):
        read(blob, submission_with(blob))
