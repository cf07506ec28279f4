"""The answers this server has given and not been paid for yet, and those it may have to show.

Every answer is one record of the journal, on disk before its receipt leaves the process; a batch is
noted before it is submitted and after it is settled.  Records, by their first item:

    answer   request, receipt, prompt, output, disclose
    batch    receipts_root, model, requests             about to be submitted
    settled  receipts_root, epoch, index                on chain; its answers belong to that epoch
    dropped  receipts_root                              not on chain and never will be

At most one batch is between `batch` and `settled` or `dropped`: after a crash the chain is asked
for exactly that one (`settlement.py`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.workers.journal import Journal, JournalDamaged
from runtime.codec import codec_of
from runtime.wire.receipts import InferenceReceipt


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with its texts; `disclose` says whether workers may read them."""

    receipt: InferenceReceipt
    prompt: str
    output: str
    disclose: bool


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """What is kept in memory of an answer that is not settled."""

    request: int
    model: bytes
    user: bytes
    fee: int
    offset: int


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch that was about to be submitted when it was noted."""

    receipts_root: bytes
    model: bytes
    requests: tuple[int, ...]


class AnswerLog:
    """All answers of one server; threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open the journal and replay it; raises `JournalError`, `InUse`."""
        self._journal = Journal(path)
        self._lock = threading.Lock()
        self._open: dict[int, OpenAnswer] = {}
        self._owed: dict[bytes, int] = defaultdict(int)
        self._settled: dict[tuple[bytes, int], list[int]] = defaultdict(list)
        self._next_request = 0
        self.prepared: PreparedBatch | None = None
        try:
            for offset, record in self._journal.records():
                self._replay(offset, record)
        except BaseException:
            self._journal.close()
            raise

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    @property
    def open_count(self) -> int:
        """How many answers are not settled."""
        return len(self._open)

    def owed(self, user: bytes) -> int:
        """What `user` owes for answers that are not settled, in units of 10**-18 OPEN."""
        with self._lock:
            return self._owed.get(user, 0)

    def record(
        self,
        make_receipt: Callable[[int], InferenceReceipt],
        prompt: str,
        output: str,
        *,
        disclose: bool,
    ) -> InferenceReceipt:
        """Give the answer the next request number, keep it durably, and return its receipt."""
        with self._lock:
            receipt = make_receipt(self._next_request)
            encoded = receipt.encode()
            record = ["answer", receipt.request, encoded, prompt, output, disclose]
            self._note_answer(self._journal.append(record), receipt)
            return receipt

    def open_answers(self) -> tuple[OpenAnswer, ...]:
        """Answers to settle, oldest first."""
        with self._lock:
            return tuple(self._open.values())

    def receipts(self, requests: Sequence[int]) -> tuple[InferenceReceipt, ...]:
        """The receipts of open answers."""
        with self._lock:
            return tuple(self._read(self._open[request].offset).receipt for request in requests)

    def prepare(self, batch: PreparedBatch) -> None:
        """Note that `batch` is about to be submitted."""
        with self._lock:
            self._journal.append(["batch", batch.receipts_root, batch.model, list(batch.requests)])
            self.prepared = batch

    def settled(self, epoch: int, index: int) -> None:
        """Note that the prepared batch is on chain at (model, epoch, index)."""
        with self._lock:
            batch = self._require_prepared()
            self._journal.append(["settled", batch.receipts_root, epoch, index])
            self._close_batch(batch, epoch)

    def dropped(self) -> None:
        """Note that the prepared batch will never be on chain: its answers are open again."""
        with self._lock:
            batch = self._require_prepared()
            self._journal.append(["dropped", batch.receipts_root])
            self.prepared = None

    def settled_answers(
        self, model: bytes, epoch: int, start: int, count: int
    ) -> tuple[Answer, ...]:
        """Up to `count` answers of a settled epoch, in the order of settlement."""
        with self._lock:
            offsets = self._settled.get((model, epoch), [])[start : start + count]
            return tuple(self._read(offset) for offset in offsets)

    def _replay(self, offset: int, record: list[Any]) -> None:
        match record:
            case ["answer", int(), bytes(encoded), str(), str(), bool()]:
                self._note_answer(offset, codec_of(InferenceReceipt).decode(encoded))
            case ["batch", bytes(root), bytes(model), list() | tuple() as requests]:
                self.prepared = PreparedBatch(root, model, tuple(requests))
            case ["settled", bytes(), int(epoch), int()]:
                self._close_batch(self._require_prepared(), epoch)
            case ["dropped", bytes()]:
                self.prepared = None
            case _:
                raise JournalDamaged(
                    f"The journal has an unknown record at byte {offset}.",
                    remedy="Start the version of the server that wrote it.",
                )

    def _note_answer(self, offset: int, receipt: InferenceReceipt) -> None:
        self._open[receipt.request] = OpenAnswer(
            receipt.request, receipt.model, receipt.user, receipt.fee, offset
        )
        self._owed[receipt.user] += receipt.fee
        self._next_request = receipt.request + 1

    def _close_batch(self, batch: PreparedBatch, epoch: int) -> None:
        for request in batch.requests:
            answer = self._open.pop(request)
            self._owed[answer.user] -= answer.fee
            if not self._owed[answer.user]:
                del self._owed[answer.user]
            self._settled[(batch.model, epoch)].append(answer.offset)
        self.prepared = None

    def _require_prepared(self) -> PreparedBatch:
        if self.prepared is None:
            raise JournalDamaged(
                "The journal ends a batch that it never began.",
                remedy="Restore the journal from a copy.",
            )
        return self.prepared

    def _read(self, offset: int) -> Answer:
        _kind, _request, encoded, prompt, output, disclose = self._journal.read(offset)
        return Answer(codec_of(InferenceReceipt).decode(encoded), prompt, output, disclose)
