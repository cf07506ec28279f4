"""Which questions are asked, and what attribution says about their answers.

A fact is a row of an honest contributor that the model was trained on, asked by its own prompt.  It
is attributed well if the contributor whose rows moved the answer most is who brought the fact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from node.demo.corpus import Corpus, Role
from node.demo.report import Source
from runtime.hashing import hash_text
from runtime.wire.records import ScoreLeaf
from runtime.wire.rows import Row

FACTS = 30
SHOWN = 5
SOURCES = 3


@dataclass(frozen=True, slots=True)
class Fact:
    """A question and the contributor who brought its answer."""

    question: str
    contributor: str


def choose_facts(corpus: Corpus, trained: set[bytes], count: int = FACTS) -> tuple[Fact, ...]:
    """Facts in turn from every honest contributor, in an order that nobody chose.

    `trained` holds the hashes of the accepted rows; a contributor without any is passed over.
    """
    queues: dict[str, list[Row]] = {}
    for contribution in corpus.contributions:
        if contribution.role is Role.HONEST:
            rows = [row for row in contribution.rows if row.hash() in trained]
            queues[contribution.name] = sorted(rows, key=lambda row: hash_text(row.hash()))
    facts: list[Fact] = []
    while len(facts) < count and any(queues.values()):
        for name, rows in queues.items():
            if rows and len(facts) < count:
                facts.append(Fact(rows.pop().prompt, name))
    return tuple(facts)


def first_contributor(scores: np.ndarray, owners: Sequence[str]) -> str:
    """The contributor whose rows' positive influence on one answer sums highest.

    `scores` has one influence a row, `owners` the rows' contributors.
    """
    totals: dict[str, float] = defaultdict(float)
    for owner, score in zip(owners, np.maximum(scores, 0.0), strict=True):
        totals[owner] += float(score)
    return max(sorted(totals), key=lambda owner: totals[owner])


def top_sources(
    scores: np.ndarray, leaves: Sequence[ScoreLeaf], owners: Sequence[str], rows: dict[bytes, Row]
) -> tuple[Source, ...]:
    """The rows that moved one answer most, with their prompts."""
    best = np.argsort(-scores, kind="stable")[:SOURCES]
    return tuple(
        Source(owners[index], rows[leaves[index].row_hash].prompt, float(scores[index]))
        for index in map(int, best)
    )


def careless_rank(influence: dict[str, int], careless: str) -> int:
    """The careless contributor's place by influence on everything the model said, from 1."""
    order = sorted(influence, key=lambda name: (-influence[name], name))
    return order.index(careless) + 1
