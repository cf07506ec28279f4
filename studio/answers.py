"""Answers that were given to this machine, kept: a reload shows them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from node.files import write_atomically
from runtime.codec import codec_of
from runtime.hashing import hash_receipt
from runtime.wire.receipts import InferenceReceipt

ANSWERS_MAX = 1_000
"""Of one chain; the oldest go first."""


@dataclass(frozen=True)
class Answer:
    """A question, its answer, and the receipt that the server signed."""

    question: str
    text: str
    receipt: str
    """In hexadecimal digits."""
    asked_at_ms: int

    @cached_property
    def signed(self) -> InferenceReceipt:
        """The receipt decoded."""
        return codec_of(InferenceReceipt).decode(bytes.fromhex(self.receipt))

    @cached_property
    def digits(self) -> str:
        """The receipt's hash: what the answer is called."""
        return hash_receipt(bytes.fromhex(self.receipt)).hex()


class Answers:
    """The answers of one chain in a file; the file is found when the chain is known."""

    def __init__(self, path: Callable[[], Path]) -> None:
        self._path = path
        self._known: list[Answer] | None = None

    def add(self, answer: Answer) -> None:
        """Keep an answer."""
        kept = [*self._all(), answer][-ANSWERS_MAX:]
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = json.dumps([asdict(each) for each in kept]).encode()
        write_atomically(path, data, path.parent)
        self._known = kept

    def of(self, user: str) -> list[Answer]:
        """What an account asked, the oldest first."""
        return [each for each in self._all() if each.signed.user.hex() == user]

    def of_anybody(self) -> bool:
        """Whether anything was asked on this machine."""
        return bool(self._all())

    def find(self, digits: str) -> Answer | None:
        """An answer by its receipt's hash."""
        return next((each for each in self._all() if each.digits == digits), None)

    def _all(self) -> list[Answer]:
        if self._known is None:
            try:
                self._known = [Answer(**each) for each in json.loads(self._path().read_bytes())]
            except (OSError, ValueError, TypeError):
                self._known = []
        return self._known
