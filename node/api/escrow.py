"""Can this user pay?  What answers in progress may still cost is reserved before they begin.

Invariant: for each user, unsettled fees plus reservations never exceed what escrow and
authorisation covered when the last reservation was made.  Why it holds: what is owed is read before
the chain is, and settling moves fees off the chain first and off the log second, so a race counts a
fee twice at worst; and a reservation is released only after its fee is in the log.
"""

from __future__ import annotations

import threading
from collections import defaultdict

from node.api.answers import AnswerLog
from node.api.errors import InsufficientEscrow
from node.api.ledger import Ledger
from runtime.types import OPEN


class Escrow:
    """Reservations over all answers in progress; threads may share it."""

    def __init__(self, ledger: Ledger, log: AnswerLog) -> None:
        """Start without reservations: no answer of an earlier process is in progress."""
        self._ledger = ledger
        self._log = log
        self._lock = threading.Lock()
        self._reserved: dict[bytes, int] = defaultdict(int)

    def reserve(self, user: bytes, amount: int) -> None:
        """Reserve the most an answer may cost; raises `InsufficientEscrow`."""
        with self._lock:
            committed = self._log.owed(user) + self._reserved.get(user, 0)
            available = self._ledger.available(user)
            if committed + amount > available:
                raise InsufficientEscrow(
                    f"This answer may cost {_open(amount)} OPEN; of the {_open(available)} OPEN"
                    f" that this server may charge you, {_open(committed)} are taken.",
                    remedy="Deposit more and authorise this server: Inference.deposit, .authorize.",
                )
            self._reserved[user] += amount

    def release(self, user: bytes, amount: int) -> None:
        """Give a reservation back, after the fee, if any, is in the log."""
        with self._lock:
            self._reserved[user] -= amount
            if not self._reserved[user]:
                del self._reserved[user]


def _open(amount: int) -> str:
    """An amount in OPEN with as many of its 18 decimals as it needs."""
    whole, rest = divmod(amount, OPEN)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
