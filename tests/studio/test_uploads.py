"""Files that people bring: which rows are taken, and why the others are not."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from runtime.wire.rows import submission_commitment
from studio import uploads
from studio.errors import FieldInvalid

CSV = b"question,answer\nWhat is red?,A colour.\nWhat is red?,A colour.\n,Nobody asked.\nWhy?,\nHow?,So.\n"


def test_a_csv_file_is_judged_row_by_row():
    """Each refused row has its place, a reason and a remedy; the others are kept in order."""
    cells = uploads.read_cells("rows.csv", CSV)
    assert uploads.columns_of(cells) == ["question", "answer"]
    found = uploads.preview(cells, "question", "answer", seed=7)
    assert [row.prompt for row in found.rows] == ["What is red?", "How?"]
    assert [line.number for line in found.refused] == [2, 3, 4]
    assert "(row 1)" in found.refused[0].reason
    assert "“question” is empty" in found.refused[1].reason
    assert all(line.remedy for line in found.refused)


def test_json_lines_and_parquet_are_read_alike():
    """The same rows in another format give the same preview."""
    lines = b'{"q": "What is red?", "a": "A colour."}\nnot json\n{"q": 5, "a": "A number."}\n'
    found = uploads.preview(uploads.read_cells("rows.jsonl", lines), "q", "a", seed=7)
    assert [line.number for line in found.refused] == [2, 3]
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"q": ["What is red?"], "a": ["A colour."]}), buffer)
    again = uploads.preview(uploads.read_cells("rows.parquet", buffer.getvalue()), "q", "a", seed=7)
    assert again.rows == found.rows


@pytest.mark.parametrize(
    ("name", "data"),
    [("rows.txt", b"a"), ("rows.csv", b""), ("rows.csv", b"\xff\xfe\x00"), ("rows.parquet", b"no")],
)
def test_what_is_no_table_is_refused_with_a_remedy(name, data):
    """A file that cannot be read is an error in words, not a traceback."""
    with pytest.raises(FieldInvalid) as refused:
        uploads.read_cells(name, data)
    assert refused.value.remedy


def test_an_upload_survives_until_it_is_revealed(tmp_path):
    """The salt and the rows are on disk before anything is signed, and gone after the reveal."""
    rows = uploads.preview(uploads.read_cells("rows.csv", CSV), "question", "answer", 7).rows
    prepared = uploads.prepare(3, "aa" * 32, rows)
    uploads.keep(tmp_path, prepared)
    (kept,) = uploads.kept(tmp_path, 3)
    assert kept == prepared
    root, salt = bytes.fromhex(kept.rows_root), bytes.fromhex(kept.salt)
    assert kept.commitment() == submission_commitment(b"\xaa" * 32, root, salt)
    assert uploads.kept(tmp_path, 4) == []
    uploads.forget(tmp_path, prepared)
    assert uploads.kept(tmp_path, 3) == []
