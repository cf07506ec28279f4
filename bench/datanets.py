"""How fast rows are imported and judged, how much memory it takes, and which copies are found.

    python -m bench.datanets --json

`rows_per_second`: 100,000 rows on one core, from the table to the blobs and roots that go on chain;
parsing in its limited process, every check of the published validator, near duplicates included.
The rows are passages of MedQuAD's answers, two sentences each, under their questions, with the
language checked; the time is CPU time of both processes.  `peak_mib` is of the importing process,
libraries included.  Recall and precision are of edits planted into whole MedQuAD rows: words
swapped, case, punctuation, a sentence dropped.  `bytes_per_row` is the state that 100 submissions
of 1,000 rows leave on chain, to the last one settled.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.report import report
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, CURATOR, commit, create, publish, reveal, settle_submission
from ml.data.review import Submission, review
from ml.data.similarity import normalised
from ml.data.spool import RowSpool
from ml.data.tables import Columns
from node.datanets.importing import preview, read_into
from node.memory import settle_memory
from pallets.datanets.pallet import Datanets
from pallets.submissions.pallet import Submissions
from runtime.hashing import hash_content, hash_row, hash_text
from runtime.merkle import list_root
from runtime.types import OPEN
from runtime.wire.blobs import encode_blob
from runtime.wire.datanets import MEDIA_TYPE, Column, Schema
from runtime.wire.rows import ROW_BYTES_MAX, Row, Verdict

MEDQUAD = Path(os.environ.get("MEDQUAD", "/work/shared/data/medquad.jsonl.gz"))
ROWS = 100_000
PASSAGE_SENTENCES = 2
PLANTED = 2_000
SEED = 2026
OWNER = bytes(32)
ENGLISH = Schema(
    media_type=MEDIA_TYPE,
    columns=(Column("prompt", 1, ROW_BYTES_MAX), Column("completion", 1, ROW_BYTES_MAX)),
    languages=("en",),
)
SUBMISSIONS = 100
SUBMISSION_ROWS = 1_000
_SENTENCE = re.compile(r"(?<=[.!?]) +")
_BLOB_ROWS = 32_768


def medquad() -> list[Row]:
    """All rows of MedQuAD, in the order of the file."""
    with gzip.open(MEDQUAD, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [Row(row["question"], row["answer"]) for row in rows]


def passages(rows: Sequence[Row]) -> Iterator[Row]:
    """Answers cut into passages of two sentences, each under its question; again if need be."""
    for number in range(ROWS):
        for row in rows:
            sentences = _SENTENCE.split(row.completion)
            for start in range(0, len(sentences), PASSAGE_SENTENCES):
                text = " ".join(sentences[start : start + PASSAGE_SENTENCES])
                yield Row(row.prompt if not number else f"{row.prompt} ({number})", text)


def write_table(path: Path) -> int:
    """Write the table that is imported; returns its bytes."""
    source = passages(medquad())
    with path.open("w", encoding="utf-8") as file:
        for _ in range(ROWS):
            row = next(source)
            file.write(json.dumps({"prompt": row.prompt, "completion": row.completion}) + "\n")
    return path.stat().st_size


def import_figures(path: Path) -> dict[str, float]:
    """Import a table as `openledger datanet import` does, on one core."""
    settle_memory()
    started = _cpu_seconds()
    with RowSpool() as spool:
        read_into(spool, path, Columns())
        found = preview(spool, OWNER, ENGLISH, SEED)
        root = list_root([hash_row(spool.encoded(index)) for index in range(len(spool))])
        blobs = []
        part: list[bytes] = []
        for index in range(len(spool)):
            part.append(spool.encoded(index))
            if len(part) == _BLOB_ROWS:
                blobs.append(hash_content(encode_blob(part)))
                part = []
        blobs.append(hash_content(encode_blob(part)))
        seconds = _cpu_seconds() - started
        counts = found.counts()
        if len(root) + sum(counts.values()) != len(root) + len(spool):
            raise SystemExit("Not every row was judged.")
        return {
            "rows_per_second": len(spool) / seconds,
            "megabytes_per_second": path.stat().st_size / seconds / 1e6,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "accepted": counts["accepted"],
            "duplicate": counts["duplicate"],
            "rejected": counts["rejected"],
        }


def _cpu_seconds() -> float:
    """Of this process and of those it waited for: the time on one core, were it alone."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _swap_words(source: random.Random, text: str) -> str:
    """Exchange two neighbouring words, once for each fifty words."""
    words = text.split(" ")
    for _ in range(1 + len(words) // 50):
        at = source.randrange(max(1, len(words) - 1))
        words[at : at + 2] = reversed(words[at : at + 2])
    return " ".join(words)


def _change_case(source: random.Random, text: str) -> str:
    return text.upper() if source.random() < 0.5 else text.title()


def _change_punctuation(source: random.Random, text: str) -> str:
    return text.replace(",", "").replace(".", source.choice((" ;", "!", " -")))


def _drop_sentence(source: random.Random, text: str) -> str:
    sentences = _SENTENCE.split(text)
    if len(sentences) > 1:
        del sentences[source.randrange(len(sentences))]
    return " ".join(sentences)


EDITS = (_swap_words, _change_case, _change_punctuation, _drop_sentence)


def duplicate_figures() -> dict[str, float]:
    """Recall and precision on edits planted behind MedQuAD's own rows.

    Rows whose question or answer MedQuAD has twice are left out: they are copies already.
    """
    source = random.Random(SEED)  # noqa: S311 # repeatable edits, not secrets
    honest: dict[str, Row] = {}
    answers: set[str] = set()
    for row in medquad():
        question, answer = normalised(row.prompt), normalised(row.completion)
        if question not in honest and answer not in answers and answer:
            honest[question] = row
            answers.add(answer)
    rows = tuple(honest.values())
    chosen = source.sample(rows, PLANTED)
    planted = tuple(
        Row(
            EDITS[number % len(EDITS)](source, row.prompt) if number % 8 >= 4 else row.prompt,
            EDITS[number % len(EDITS)](source, row.completion),
        )
        for number, row in enumerate(chosen)
    )
    found = review([Submission(0, OWNER, rows), Submission(1, OWNER, planted)], SEED)
    marked = [each.submission for each in found.verdicts if each.verdict is Verdict.DUPLICATE]
    hits = sum(marked)
    judged = sum(
        each.submission == 1 and each.verdict is not Verdict.REJECTED for each in found.verdicts
    )
    return {
        "near_duplicate_recall": hits / judged,
        "near_duplicate_precision": hits / len(marked),
    }


def bytes_per_row() -> float:
    """The state that a Datanet with many settled submissions takes, for each row."""
    sandbox = Sandbox()
    empty = _state_bytes(sandbox.state)
    sandbox.ok(CURATOR, create())
    limits = sandbox.spec.parameters
    for number in range(SUBMISSIONS):
        salt = hash_text(number.to_bytes(4, "big"))
        day = number // limits[Datanets.quota_files] * limits[Datanets.day_blocks]
        height = max(sandbox.height + 1, day)
        sandbox.ok(ALICE, commit(ALICE, SUBMISSION_ROWS, bond=OPEN, salt=salt), height=height)
        sandbox.ok(ALICE, reveal(number, salt=salt))
        before = number * SUBMISSION_ROWS
        verdicts = (number, SUBMISSION_ROWS, 0, 0)
        sandbox.ok(CURATOR, publish(verdicts, rows_before=before, reviewed_before=before))
        late = sandbox.height + limits[Submissions.answerable_blocks]
        sandbox.ok(CURATOR, settle_submission(number), height=late)
    return (_state_bytes(sandbox.state) - empty) / (SUBMISSIONS * SUBMISSION_ROWS)


def _state_bytes(state: Mapping[bytes, bytes]) -> int:
    return sum(len(key) + len(value) for key, value in state.items())


def figures() -> dict[str, float]:
    """All figures; the import is measured in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="openledger-bench-") as folder:
        table = Path(folder) / "rows.jsonl"
        size_bytes = write_table(table)
        command = [sys.executable, "-m", "bench.datanets", "import", str(table)]
        measured = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = {"rows": ROWS, "mean_row_bytes": size_bytes / ROWS}
    found |= json.loads(measured.splitlines()[-1])
    return found | duplicate_figures() | {"bytes_per_row": bytes_per_row()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["import"]:
        sys.stdout.write(json.dumps(import_figures(Path(sys.argv[2]))) + "\n")
    else:
        report("datanets", figures())
