"""Rows out of JSON lines, CSV and Parquet, and one clear error for everything else."""

import contextlib
import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from ml.data import tables
from ml.data.tables import Columns, ContributedRow, read_table, table_columns
from ml.errors import (
    CellInvalid,
    ColumnMissing,
    TableEmpty,
    TableError,
    TableMissing,
    TableTooLarge,
    TableUnreadable,
)
from runtime.wire.rows import ROW_BYTES_MAX, Row

COLUMNS = Columns(prompt="question", completion="answer", contributor="who")
RECORDS = [
    {
        "question": "What, exactly?",
        "answer": 'A "quoted"\nanswer \u2028 here',
        "who": "ada",
        "x": "1",
    },
    {"question": "Où?", "answer": "Là, à côté", "who": "bob", "x": "2"},
]
ROWS = tuple(
    ContributedRow(Row(record["question"], record["answer"]), record["who"]) for record in RECORDS
)


def table_bytes(suffix: str) -> bytes:
    if suffix == ".jsonl":
        return "\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS).encode()
    if suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=list(RECORDS[0]))
        writer.writeheader()
        writer.writerows(RECORDS)
        return b"\xef\xbb\xbf" + text.getvalue().encode()
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(RECORDS), sink)
    return sink.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", tables.FORMATS)
def test_every_format_gives_the_same_rows(tmp_path, suffix, compressed):
    """Quotes, newlines, accents and U+2028 survive each format, gzipped or not."""
    data = table_bytes(suffix)
    path = tmp_path / f"rows{suffix}{'.gz' if compressed else ''}"
    path.write_bytes(gzip.compress(data) if compressed else data)
    assert read_table(path, COLUMNS) == ROWS
    assert table_columns(path) == ("question", "answer", "who", "x")


def test_without_a_contributor_column_the_name_is_empty(tmp_path):
    """A table of one's own needs no contributor column."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(table_bytes(".jsonl"))
    rows = read_table(path, Columns(prompt="question", completion="answer"))
    assert [row.contributor for row in rows] == ["", ""]


def written(directory: Path, name: str, data: bytes) -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


HEADER = b"question,answer,who\n"
BAD_TABLES = [
    ("name.txt", b"x", TableUnreadable, "named like a table"),
    ("empty.csv", b"", TableEmpty, "is empty"),
    ("empty.jsonl", b"\n \n", TableEmpty, "is empty"),
    ("header.csv", HEADER, TableEmpty, "no rows"),
    ("columns.csv", b"prompt,answer,who\na,b,c\n", ColumnMissing, "'prompt', 'answer', 'who'"),
    ("columns.jsonl", b'{"question": "a", "answer": "b"}', ColumnMissing, "'question', 'answer'"),
    ("latin.csv", HEADER + b"caf\xe9,b,c\n", TableUnreadable, "line 2 holds the byte 0xe9"),
    ("nan.csv", HEADER + b"a,b,c\na,NaN,c\n", CellInvalid, "Row 3 of"),
    ("missing.csv", HEADER + b"a,,c\n", CellInvalid, "no value in column 'answer'"),
    ("short.csv", HEADER + b"a,b\n", CellInvalid, "no value in column 'who'"),
    ("wide.csv", HEADER + b"a,b,c,d\n", CellInvalid, "more cells than the header"),
    ("header_quote.csv", b'"question,answer\n', TableUnreadable, "is not CSV"),
    ("quote.csv", HEADER + b'"a,b,c\n', TableUnreadable, "is not CSV"),
    ("notgzip.csv.gz", HEADER, TableUnreadable, "not a whole gzip"),
    ("cut.csv.gz", gzip.compress(HEADER * 99)[:-9], TableUnreadable, "not a whole gzip"),
    ("list.jsonl", b"[1, 2]", TableUnreadable, "Line 1"),
    ("broken.jsonl", b'{"question": ', TableUnreadable, "Line 1"),
    ("deep.jsonl", b"[" * 100_000, TableUnreadable, "Line 1"),
    ("nan.jsonl", b'{"question": NaN, "answer": "b", "who": "c"}', CellInvalid, "nan"),
    ("null.jsonl", b'{"question": null, "answer": "b", "who": "c"}', CellInvalid, "no value"),
    ("half.jsonl", b'{"question": "\\ud800", "answer": "b", "who": "c"}', CellInvalid, "surrogate"),
    (
        "who.jsonl",
        b'{"question": "a", "answer": "b", "who": "%s"}' % (b"w" * 65),
        CellInvalid,
        "64",
    ),
    ("not.parquet", b"PAR1 is not enough", TableUnreadable, "not a Parquet file"),
]


@pytest.mark.parametrize(
    ("name", "data", "error", "words"), BAD_TABLES, ids=[b[0] for b in BAD_TABLES]
)
def test_a_bad_table_is_one_clear_error(tmp_path, name, data, error, words):
    """Each fault has its type, says where it is, and ends in a remedy; its columns never crash."""
    with contextlib.suppress(TableError):
        table_columns(written(tmp_path, name, data))
    with pytest.raises(error) as caught:
        read_table(written(tmp_path, name, data), COLUMNS)
    assert words in caught.value.message
    assert caught.value.remedy
    assert isinstance(caught.value, TableError)


def test_missing_files_and_directories_are_told_apart(tmp_path):
    """A path that is not there and a path that is a directory are both `TableMissing`."""
    with pytest.raises(TableMissing, match="There is no file"):
        read_table(tmp_path / "gone.csv", COLUMNS)
    with pytest.raises(TableMissing, match="is a directory"):
        read_table(tmp_path, COLUMNS)


@pytest.mark.parametrize("suffix", tables.FORMATS)
def test_a_row_has_at_most_64_kib(tmp_path, suffix):
    """The longest row is read and encodes within the bound; one byte more is refused."""
    for excess in (0, 1):
        answer = "é" * ((tables.ROW_TEXT_BYTES_MAX - 2) // 2) + "a" * excess
        record = {"question": "aa", "answer": answer, "who": "ada"}
        data = json.dumps(record).encode()
        if suffix == ".csv":
            data = HEADER + f"aa,{answer},ada\n".encode()
        if suffix == ".parquet":
            sink = io.BytesIO()
            parquet.write_table(pa.Table.from_pylist([record]), sink)
            data = sink.getvalue()
        path = written(tmp_path, f"rows{excess}{suffix}", data)
        if excess:
            with pytest.raises(CellInvalid, match="bytes of text"):
                read_table(path, COLUMNS)
        else:
            (row,) = read_table(path, COLUMNS)
            assert len(row.row.encode()) <= ROW_BYTES_MAX


def test_a_gzip_bomb_stops_at_the_limit(tmp_path, monkeypatch):
    """What a small file unpacks to is bounded, and so is the number of rows."""
    monkeypatch.setattr(tables, "TABLE_BYTES_MAX", 1000)
    path = written(tmp_path, "bomb.jsonl.gz", gzip.compress(bytes(50_000_000), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(TableTooLarge, match="1000 bytes"):
        read_table(path, COLUMNS)
    _now, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5_000_000
    monkeypatch.setattr(tables, "TABLE_ROWS_MAX", 1)
    with pytest.raises(TableTooLarge, match="more than 1 rows"):
        read_table(written(tmp_path, "rows.jsonl", table_bytes(".jsonl")), COLUMNS)
