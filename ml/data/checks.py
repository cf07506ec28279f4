"""The checks of one row by itself: what a row must be, whatever else there is in the Datanet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ml.data.findings import Finding
from ml.data.language import WINDOW_CHARACTERS, is_foreign
from ml.data.personal import personal_data
from ml.data.similarity import normalised
from ml.data.words import GENERALISATION, GENERALISATION_MARK, has_slur
from runtime.wire.datanets import Schema
from runtime.wire.rows import ROW_BYTES_MAX, Row

REPETITIVE_WORDS_MIN = 40
"""Fewer words are never repetitive."""
DISTINCT_WORDS_PERCENT_MIN = 8
"""Of the words of a text, at least so many are different."""
WORD_CHARACTERS_PERCENT_MIN = 40
"""Of the characters of a text, at least so many are letters, digits or white space."""
_CHARACTERS_MIN = 40
_RUN = re.compile(r"(.)\1{63}", re.DOTALL)
"""A character so often in a row that nobody wrote it."""
_WHITE_SPACE = str.maketrans("", "", "\n\r\t")


def check_row(row: Row, schema: Schema, texts: Sequence[str]) -> Finding:
    """The first fault of a row, or `ACCEPTED`; `texts` are its columns, normalised."""
    columns = cells_of(row, schema)
    # Texts without letters and digits, and no others, are empty when they are normalised.
    if not all(texts[-len(columns) :]):
        return Finding.EMPTY
    if (fault := _size_fault(row, schema, columns)) is not None:
        return fault
    if not all(_is_printable(cell) for cell in columns):
        return Finding.UNPRINTABLE
    if schema.has_prompt() and row.prompt.strip() == row.completion.strip():
        return Finding.ECHO
    whole, words = "\n".join(columns), " ".join(texts).split()
    distinct = frozenset(words)
    return (
        _shape_fault(whole, words, len(distinct))
        or personal_data(whole)
        or (Finding.SLUR if has_slur(distinct) else None)
        or _claim_fault(whole)
        or (Finding.FOREIGN if _is_foreign(columns, schema) else None)
        or Finding.ACCEPTED
    )


def cells_of(row: Row, schema: Schema) -> tuple[str, ...]:
    """The row's cells in the order of the schema's columns."""
    return (row.prompt, row.completion) if schema.has_prompt() else (row.completion,)


def _size_fault(row: Row, schema: Schema, cells: Sequence[str]) -> Finding | None:
    if not schema.has_prompt() and row.prompt:
        return Finding.TOO_LONG  # a prompt where the schema has no column for it
    sizes = [len(cell) if cell.isascii() else len(cell.encode()) for cell in cells]
    for size, column in zip(sizes, schema.columns, strict=True):
        if size < column.bytes_min:
            return Finding.TOO_SHORT
        if size > column.bytes_max:
            return Finding.TOO_LONG
    return Finding.TOO_LONG if sum(sizes) > ROW_BYTES_MAX - 16 else None


def _is_printable(text: str) -> bool:
    return text.isprintable() or text.translate(_WHITE_SPACE).isprintable()


def _shape_fault(text: str, words: Sequence[str], distinct: int) -> Finding | None:
    """Outliers: texts that no language looks like."""
    many = len(words) >= REPETITIVE_WORDS_MIN
    if (many and distinct * 100 < DISTINCT_WORDS_PERCENT_MIN * len(words)) or _RUN.search(text):
        return Finding.REPETITIVE
    word_characters = sum(map(len, words)) + text.count(" ")
    if len(text) >= _CHARACTERS_MIN and (
        word_characters * 100 < WORD_CHARACTERS_PERCENT_MIN * len(text)
    ):
        return Finding.NOT_LANGUAGE
    return None


def _claim_fault(text: str) -> Finding | None:
    if GENERALISATION_MARK in text and GENERALISATION.search(text.casefold()):
        return Finding.GENERALISATION
    return None


def _is_foreign(columns: Sequence[str], schema: Schema) -> bool:
    """Whether the longest column is in no language of the schema; prompts may be mere names."""
    if not schema.languages:
        return False
    longest = max(columns, key=len)
    return is_foreign(longest, normalised(longest[:WINDOW_CHARACTERS]).split(), schema.languages)
