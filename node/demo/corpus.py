"""What the demo's contributors bring: honest rows, a copier's rows and a careless contributor's.

The default is the documentation of the half of the standard library that the base model never saw.
Every source ends as a `Corpus`: contributions in the order in which they will be committed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from genesis.standard_library import Half, documentation_rows
from node.errors import NodeError
from runtime.wire.rows import Row

COPIER = "copycat"
CARELESS = "careless"
CONTRIBUTOR_ROWS_MIN = 25
"""The fewest rows for which a top-level module counts as a contributor of the default demo."""
CONTRIBUTORS_MIN = 2
CAST_SEED = 20_260_101
EDITS: Sequence[tuple[str, str]] = (
    ("Return ", "Returns "),
    (" the ", " a "),
    (".", ""),
    (" is ", " was "),
    (" and ", " & "),
)


class CorpusError(NodeError):
    """The input cannot make a Datanet."""


class Role(Enum):
    """Why a contribution is in the demo."""

    HONEST = "honest"
    COPIER = "copies another's rows"
    CARELESS = "answers wrongly"


@dataclass(frozen=True, slots=True)
class Contribution:
    """One contributor's rows."""

    name: str
    role: Role
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All contributions, in the order in which they commit."""

    title: str
    licence: str
    contributions: tuple[Contribution, ...]
    copied: str
    """Name of the contributor whom the copier copies."""

    def row_count(self) -> int:
        """How many rows are contributed in all."""
        return sum(len(contribution.rows) for contribution in self.contributions)


def standard_library_corpus() -> Corpus:
    """The standard library's documentation on this machine, one contributor a module."""
    by_module: dict[str, list[Row]] = {}
    for item in documentation_rows(Half.DEMO):
        by_module.setdefault(item.module, []).append(Row(item.prompt, item.completion))
    return cast(
        "Python standard library",
        "PSF-2.0",
        {name: rows for name, rows in by_module.items() if len(rows) >= CONTRIBUTOR_ROWS_MIN},
    )


def cast(title: str, licence: str, honest: Mapping[str, Sequence[Row]]) -> Corpus:
    """Add the copier and the careless contributor to honest ones, chosen by size alone.

    The contributor of median size is copied; the next smaller one's prompts are answered wrongly,
    by somebody else and instead of it.  Raises `CorpusError` for fewer than two contributors.
    """
    by_size = sorted(honest, key=lambda name: (-len(honest[name]), name))
    if len(by_size) < CONTRIBUTORS_MIN:
        raise CorpusError(
            f"The input has rows of {len(by_size)} contributor(s); the demo needs at least two.",
            remedy="Name a column that tells contributors apart: --contributor COLUMN.",
        )
    copied = by_size[(len(by_size) - 1) // 2]
    careless = by_size[(len(by_size) - 1) // 2 + 1]
    generator = random.Random(CAST_SEED)  # noqa: S311 # which rows are edited is no secret
    people = [
        Contribution(name, Role.HONEST, tuple(honest[name]))
        for name in sorted(honest)
        if name != careless
    ]
    people.append(Contribution(COPIER, Role.COPIER, copies(honest[copied], generator)))
    people.append(Contribution(CARELESS, Role.CARELESS, wrong_answers(honest[careless], generator)))
    return Corpus(title, licence, tuple(people), copied)


def copies(rows: Sequence[Row], generator: random.Random) -> tuple[Row, ...]:
    """The same rows, every other one lightly edited: a word, the case, the punctuation."""
    result = []
    for index, row in enumerate(rows):
        completion = row.completion
        if index % 2:
            old, new = EDITS[generator.randrange(len(EDITS))]
            completion = completion.replace(old, new, 1)
            completion = completion[:1].lower() + completion[1:]
        result.append(Row(row.prompt, completion))
    return tuple(result)


def wrong_answers(rows: Sequence[Row], generator: random.Random) -> tuple[Row, ...]:
    """The prompts with one another's completions: fluent, on topic and wrong."""
    completions = [row.completion for row in rows]
    shift = 1 + generator.randrange(max(1, len(rows) - 1))
    return tuple(
        Row(row.prompt, completions[(index + shift) % len(rows)]) for index, row in enumerate(rows)
    )
