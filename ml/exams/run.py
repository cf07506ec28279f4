"""A whole exam in a folder: its transcript and its outcome.

    <folder>/transcript.cbor    the blob of all leaves
    <folder>/metrics.jsonl      one line a leaf, for whoever draws a bar

A killed run begins anew: it has no state, and its cost is that of one pass over some rows.
"""

from __future__ import annotations

import json
from pathlib import Path

from ml.exact.loss import LOSS_UNITS
from ml.exams.steps import PreparedExam, next_exam_leaf
from ml.training.run_files import ABORT_FILE, METRICS_FILE, TRANSCRIPT_FILE
from runtime.hashing import ZERO_HASH, hash_content
from runtime.merkle import list_root
from runtime.wire.blobs import encode_blob
from runtime.wire.exams import ExamLeaf
from runtime.wire.records import TrainingOutcome


def run_exam(exam: PreparedExam, folder: Path) -> TrainingOutcome:
    """Score the model on every batch, or until an `abort` file is there."""
    leaves: list[ExamLeaf] = []
    with (folder / METRICS_FILE).open("w", encoding="utf-8") as metrics:
        while not (leaves and (folder / ABORT_FILE).exists()):
            leaf = next_exam_leaf(exam, leaves[-1] if leaves else None)
            if leaf is None:
                break
            leaves.append(leaf)
            metrics.write(_line(leaf))
            metrics.flush()
    return _outcome(leaves, folder)


def _outcome(leaves: list[ExamLeaf], folder: Path) -> TrainingOutcome:
    encoded = [leaf.encode() for leaf in leaves]
    blob = encode_blob(encoded)
    (folder / TRANSCRIPT_FILE).write_bytes(blob)
    return TrainingOutcome(
        adapter=ZERO_HASH,
        transcript_root=list_root(encoded),
        transcript=hash_content(blob),
        states=hash_content(encode_blob([])),
        leaf_count=len(encoded),
        fault=leaves[-1].fault,
        validation_loss_before_ppb=0,
        validation_loss_after_ppb=0,
    )


def _line(leaf: ExamLeaf) -> str:
    rows = leaf.figures.rows
    loss = leaf.figures.loss_grid / LOSS_UNITS / max(1, rows)
    return json.dumps({"step": leaf.batch, "loss": loss, "rows": rows, "fault": leaf.fault}) + "\n"
