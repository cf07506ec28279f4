"""MedQuAD: questions and answers of the US National Institutes of Health, split into two halves.

Ben Abacha and Demner-Fushman, "A question-entailment approach to question answering", BMC
Bioinformatics 20:511 (2019), CC BY 4.0. The split is by `focus` (the disease or topic a row is
about), so that a topic of the demo is never the topic of a row which trained the base model.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genesis.standard_library import Half
from runtime.errors import OpenLedgerError

FIELDS = ("question", "answer", "focus", "source", "qtype")
REMEDY = "Give medquad.jsonl, gzipped or not: an object a line with question, answer, focus, ..."


class MedquadError(OpenLedgerError):
    """The file is not MedQuAD as gzipped JSON lines."""


@dataclass(frozen=True, slots=True)
class MedquadRow:
    """A question, its answer, its topic, the institute that wrote it and the kind of question."""

    question: str
    answer: str
    focus: str
    source: str
    qtype: str


def medquad_half(focus: str) -> Half:
    """The half a topic belongs to: the lowest bit of blake2b over its case-folded text."""
    normal = " ".join(focus.casefold().split())
    digest = hashlib.blake2b(normal.encode(), digest_size=32).digest()
    return Half(digest[-1] & 1)


def medquad_rows(path: Path, half: Half) -> list[MedquadRow]:
    """The rows of one half in the file's order, whitespace collapsed.

    A row of the BASE half whose question or answer also stands in the DEMO half is left out: some
    institutes answer many topics with one text. Raises MedquadError on another kind of file.
    """
    rows = list(_all_rows(path))
    chosen = [row for row in rows if medquad_half(row.focus) is half]
    if half is Half.DEMO:
        return chosen
    demo = [row for row in rows if medquad_half(row.focus) is Half.DEMO]
    kept_away = {row.answer for row in demo} | {row.question for row in demo}
    return [row for row in chosen if not {row.answer, row.question} & kept_away]


def _all_rows(path: Path) -> Iterator[MedquadRow]:
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield MedquadRow(*(" ".join(str(record[field]).split()) for field in FIELDS))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        message = f"{path} cannot be read as MedQuAD: {error!r}."
        raise MedquadError(message, remedy=REMEDY) from error
