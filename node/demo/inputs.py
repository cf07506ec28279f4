"""From the user's file to a corpus: any table, or MedQuAD by name of its columns."""

from __future__ import annotations

import re
from pathlib import Path

from genesis.medquad import medquad_rows
from genesis.standard_library import Half
from ml.data.tables import Columns, read_table, table_columns
from node.demo.corpus import Corpus, cast, standard_library_corpus
from node.demo.settings import DemoSettings
from runtime.wire.rows import Row

ROWS_MAX = 3_000
COMPLETION_CHARACTERS_MAX = 400
CONTRIBUTOR_ROWS_MIN = 30
MEDQUAD_COLUMNS = frozenset({"question", "answer", "qtype", "focus", "source"})
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


def load_corpus(settings: DemoSettings) -> Corpus:
    """The corpus that the settings ask for; raises `TableError` or `CorpusError`."""
    if settings.data is None:
        return standard_library_corpus()
    is_json_lines = ".jsonl" in settings.data.suffixes
    if is_json_lines and set(table_columns(settings.data)) == MEDQUAD_COLUMNS:
        return medquad_corpus(settings.data, full=settings.full)
    columns = Columns(settings.prompt, settings.completion, settings.contributor)
    honest: dict[str, list[Row]] = {}
    for item in read_table(settings.data, columns):
        honest.setdefault(item.contributor, []).append(shortened(item.row))
    licence = "as stated by the file's owner"
    return cast(settings.data.name, licence, capped(honest, full=settings.full))


def medquad_corpus(path: Path, *, full: bool) -> Corpus:
    """The half of MedQuAD that the base model never saw; a contributor is a source and a kind."""
    honest: dict[str, list[Row]] = {}
    for item in medquad_rows(path, Half.DEMO):
        row = shortened(Row(item.question, item.answer))
        honest.setdefault(f"{item.source} {item.qtype}"[:64], []).append(row)
    large = {name: rows for name, rows in honest.items() if len(rows) >= CONTRIBUTOR_ROWS_MIN}
    return cast("MedQuAD", "CC-BY-4.0", capped(large, full=full))


def shortened(row: Row) -> Row:
    """The row with its completion cut at the end of a sentence, at most 400 characters."""
    text = " ".join(row.completion.split())
    if len(text) <= COMPLETION_CHARACTERS_MAX:
        return Row(row.prompt, text)
    ends = [
        match.start() for match in _SENTENCE_END.finditer(text[: COMPLETION_CHARACTERS_MAX + 1])
    ]
    cut = text[: ends[-1]] if ends else text[:COMPLETION_CHARACTERS_MAX].rsplit(" ", 1)[0]
    return Row(row.prompt, cut)


def capped(honest: dict[str, list[Row]], *, full: bool) -> dict[str, list[Row]]:
    """At most 3,000 rows in all: the longest lists are cut first, so that small ones stay whole."""
    if full or sum(map(len, honest.values())) <= ROWS_MAX:
        return honest
    low, high = 0, ROWS_MAX
    while low < high:  # the largest cap that keeps within the limit
        middle = (low + high + 1) // 2
        if sum(min(len(rows), middle) for rows in honest.values()) <= ROWS_MAX:
            low = middle
        else:
            high = middle - 1
    return {name: rows[:low] for name, rows in honest.items() if low}
