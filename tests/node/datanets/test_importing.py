"""Importing tables of strangers: in a limited process, streamed, previewed before anything is sent."""

from __future__ import annotations

import json
import resource
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from ml.data.findings import Finding
from ml.data.spool import RowSpool
from ml.data.tables import Columns
from ml.errors import ColumnMissing, TableMissing, TableUnreadable
from node.datanets import table_child
from node.datanets.importing import preview, read_into
from node.datanets.tables import confined_rows
from runtime.wire.datanets import DIALOGUE
from runtime.wire.rows import Row

COLUMNS = Columns("question", "answer")
ROWS = [{"question": f"What is {n}?", "answer": f"It is the number {n}."} for n in range(600)]


def write(folder, kind):
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif kind == "csv":
        lines = ["question,answer", *(f'"{row["question"]}","{row["answer"]}"' for row in ROWS)]
        path.write_text("\n".join(lines))
    else:
        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_the_three_formats_give_the_same_rows(tmp_path, kind):
    """Columns are mapped, rows come in the order of the file, and a spool gives them back."""
    with RowSpool() as spool:
        found = read_into(spool, write(tmp_path, kind), COLUMNS)
        assert (found.rows, found.unreadable) == (600, 0)
        assert spool[599] == Row("What is 599?", "It is the number 599.")
        assert list(spool)[3] == spool[3] == spool[2:4][1]
        with pytest.raises(IndexError):
            spool.encoded(600)


def test_bad_rows_are_told_one_by_one(tmp_path):
    """A preview says which line is unreadable and which rows would be rejected, with a remedy."""
    path = tmp_path / "rows.jsonl"
    lines = [
        ROWS[0],
        {"question": "Why?", "answer": None},
        ROWS[0],
        {"question": "?", "answer": "!"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in lines))
    with RowSpool() as spool:
        found = read_into(spool, path, COLUMNS)
        assert [bad.number for bad in found.bad_rows] == [2]
        seen = preview(spool, bytes(32), DIALOGUE, seed=1)
    assert seen.counts() == {"accepted": 1, "duplicate": 1, "rejected": 1}
    assert [finding for finding, *_ in seen.reasons()] == [Finding.SAME, Finding.EMPTY]
    assert all(remedy for *_, remedy in seen.reasons())


def test_errors_of_the_table_come_through(tmp_path):
    """What the parser says in its own process is the same error here."""
    with pytest.raises(TableMissing):
        list(confined_rows(tmp_path / "no.csv", COLUMNS))
    with pytest.raises(ColumnMissing, match="'text'"):
        list(confined_rows(write(tmp_path, "csv"), Columns("question", "text")))


def test_a_parser_that_runs_away_is_stopped(tmp_path, monkeypatch):
    """A table that takes more memory than allowed ends its process, and is an error here."""
    path = tmp_path / "bomb.parquet"
    parquet.write_table(pa.table({"question": ["q" * 1000] * 10, "answer": ["a"] * 10}), path)
    damaged = bytearray(path.read_bytes())
    damaged[40:400] = bytes(360)
    path.write_bytes(damaged)
    with pytest.raises(TableUnreadable):
        list(confined_rows(path, COLUMNS))


def test_the_process_is_confined_before_the_file_is_opened(monkeypatch, tmp_path):
    """Time, files, memory and network are given up first; nothing but the table may be read."""
    done = []
    table = tmp_path / "rows.csv"
    monkeypatch.setattr(resource, "setrlimit", lambda kind, _most: done.append(kind))
    monkeypatch.setattr(table_child, "confine", lambda **given: done.append(given))

    def read(*_given):
        done.append("read")
        return ()

    monkeypatch.setattr(table_child, "table_rows", read)
    monkeypatch.setattr(sys, "argv", ["table_child", str(table), "{}"])
    table_child.main()
    assert (done[0], done[2]) == (resource.RLIMIT_CPU, "read")
    assert (done[1]["writable"], done[1]["readable"]) == (None, (table.resolve(),))
    assert done[1]["memory_bytes"] == table_child.MEMORY_BYTES_MAX
