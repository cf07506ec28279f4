"""Files that people bring: which rows are taken, and why the others are not."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from ml.data.review import Submission
from ml.data.tables import Columns
from ml.errors import TableError
from runtime.wire.datanets import DIALOGUE
from runtime.wire.rows import Row, submission_commitment
from studio import uploads
from studio.uploads import Judge

CSV = b"question,answer\nWhat is red?,A colour.\nWhat is red?,A colour.\n,Nobody asked.\nWhy?,\nHow?,So.\n"
COLUMNS = Columns("question", "answer")
OWNER = b"\xaa" * 32
JUDGE = Judge(DIALOGUE, 7, ())


def test_a_csv_file_is_judged_row_by_row():
    """Each refused row has its place, a reason and a remedy; the others are kept in order."""
    assert uploads.columns_of("rows.csv", CSV) == ["question", "answer"]
    found = uploads.preview("rows.csv", CSV, COLUMNS, OWNER, JUDGE)
    assert [row.prompt for row in found.rows] == ["What is red?", "How?"]
    assert [line.number for line in found.refused] == [2, 3, 4]
    assert "Equal to a row committed earlier" in found.refused[0].reason
    assert found.refused[1].reason == "It has no value in column 'question'."
    assert all(line.remedy for line in found.refused)


def test_a_row_that_the_datanet_has_is_refused():
    """The Datanet's own rows stand before the file's: a copy of one is named before it is bonded."""
    known = [Submission(0, bytes(32), (Row("How?", "So."),))]
    found = uploads.preview("rows.csv", CSV, COLUMNS, OWNER, Judge(DIALOGUE, 7, known))
    assert [row.prompt for row in found.rows] == ["What is red?"]
    assert [line.number for line in found.refused] == [2, 3, 4, 5]


def test_json_lines_and_parquet_are_read_alike():
    """The same rows in another format give the same preview."""
    lines = b'{"q": "What is red?", "a": "A colour."}\n{"q": 5, "a": "A number."}\n'
    columns = Columns("q", "a")
    found = uploads.preview("rows.jsonl", lines, columns, OWNER, JUDGE)
    assert [line.number for line in found.refused] == [2]
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"q": ["What is red?"], "a": ["A colour."]}), buffer)
    again = uploads.preview("rows.parquet", buffer.getvalue(), columns, OWNER, JUDGE)
    assert again.rows == found.rows


@pytest.mark.parametrize(
    ("name", "data"),
    [("rows.txt", b"a"), ("rows.csv", b""), ("rows.csv", b"\xff\xfe\x00"), ("rows.parquet", b"no")],
)
def test_what_is_no_table_is_refused_with_a_remedy(name, data):
    """A file that cannot be read is an error in words that name it as its owner does."""
    with pytest.raises(TableError) as refused:
        uploads.columns_of(name, data)
    assert refused.value.remedy
    assert name in refused.value.message
    assert "/" not in refused.value.message


def test_an_upload_survives_until_it_is_revealed(tmp_path):
    """The salt and the rows are on disk before anything is signed, and gone after the reveal."""
    rows = uploads.preview("rows.csv", CSV, COLUMNS, OWNER, JUDGE).rows
    prepared = uploads.prepare(3, "aa" * 32, rows)
    uploads.keep(tmp_path, prepared)
    (kept,) = uploads.kept(tmp_path, 3)
    assert kept == prepared
    root, salt = bytes.fromhex(kept.rows_root), bytes.fromhex(kept.salt)
    assert kept.commitment() == submission_commitment(b"\xaa" * 32, root, salt)
    assert uploads.kept(tmp_path, 4) == []
    uploads.forget(tmp_path, prepared)
    assert uploads.kept(tmp_path, 3) == []
