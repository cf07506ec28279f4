"""What the owner of an exam does: commit to rows, keep them, show them when models are trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ml.data.tables import BadRow, ContributedRow
from node.client import NodeClient
from node.errors import ConfigError
from pallets.exams.pallet import Exams
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.exams import EXAM_ROWS_MAX, Exam, ExamResult, ExamRows, Metric
from runtime.wire.rows import Row, submission_commitment

COLUMNS = ("model", "exam", "metric", "score_ppb", "rows", "job")
RESULTS_MAX = 100_000
"""The most results of a chain that are looked at."""


def exam_rows(found: Iterable[ContributedRow | BadRow]) -> list[Row]:
    """The rows of a table; raises `ConfigError` for one that cannot be read, none, or too many."""
    rows: list[Row] = []
    for each in found:
        if isinstance(each, BadRow):
            message = f"Row {each.number} of the exam cannot be read: {each.message}"
            raise ConfigError(message, remedy="Correct it: an exam has no rows that do not count.")
        rows.append(each.row)
    if not 1 <= len(rows) <= EXAM_ROWS_MAX:
        message = f"The exam has {len(rows)} rows."
        raise ConfigError(message, remedy=f"Give 1 to {EXAM_ROWS_MAX}.")
    return rows


def commit_exam(
    client: NodeClient,
    keypair: Keypair,
    rows: Sequence[Row],
    name: str,
    metric: Metric,
    tokens_max: int,
) -> int:
    """Commit to the rows, which nobody is told; returns the exam's number."""
    root = list_root([row.hash() for row in rows])
    commitment = submission_commitment(keypair.account, root, _salt(keypair, root))
    call = Exams.commit.Call(name=name, metric=metric, tokens_max=tokens_max, commitment=commitment)
    return int(client.submit(call, keypair).fields("Exams", "Committed")["exam"])


def show_exam(client: NodeClient, keypair: Keypair, number: int, rows: Sequence[Row]) -> ExamRows:
    """Upload the rows and show them; raises `CallFailed` for others than were committed to."""
    root = list_root([row.hash() for row in rows])
    blob = client.put_content(encode_blob([row.encode() for row in rows]))
    shown = ExamRows(root, len(rows), blob)
    client.submit(Exams.show.Call(exam=number, rows=shown, salt=_salt(keypair, root)), keypair)
    return shown


def exam_results(
    client: NodeClient, model: bytes | None
) -> list[tuple[str, str, str, int, int, int]]:
    """Rows of `COLUMNS`: what models scored, or one model."""
    exams: dict[int, Exam] = dict(client.entries("Exams", "exams", RESULTS_MAX))
    found: list[tuple[tuple[bytes, int], ExamResult]] = client.entries(
        "Exams", "results", RESULTS_MAX
    )
    return [
        (
            subject.hex(),
            f"{number} {exams[number].name}",
            exams[number].metric.name.lower(),
            result.figures.score_ppb(exams[number].metric),
            result.figures.rows,
            result.job,
        )
        for (subject, number), result in sorted(found, key=lambda each: each[0])
        if model is None or subject == model
    ]


def _salt(keypair: Keypair, root: bytes) -> bytes:
    """What blinds the rows' root: secret, and always the same for this key and these rows."""
    return hash_text(keypair.sign(b"salt of exam " + root))
