"""Extrinsics that wait for a block: admitted once, ordered by nonce within a sender.

Signatures are checked before `add`, once: what waits here is a `CheckedExtrinsic`, and the block
builder executes it as it is.  Between senders the larger tip goes first, then who came first.  The
queue is memory only: a client whose node restarts sends the same bytes again.

- 5,000 extrinsics: one full block; 64 MiB: sixteen full blocks.
- 512 nonces ahead per sender.  consensus.md says 64 for a public network, where a sender costs
  others bandwidth; behind a loopback RPC one worker settles hundreds of claims from one account.
- 1,200 blocks waited, ten minutes of empty blocks: a gap in the nonces is not closing any more.
- An era that is over: it can enter no block, and its nonce is free again.
- 3 blocks missed: ready, and refused by what the chain says of it; its sender must hear why.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from node.errors import MempoolFull, NonceTaken, NonceTooHigh
from runtime.admission import BlockFull
from runtime.errors import InvalidTransaction, OpenLedgerError
from runtime.extrinsic import CheckedExtrinsic

EXTRINSICS_MAX = 5_000
BYTES_MAX = 64 * 1024 * 1024
NONCES_AHEAD_MAX = 512
BLOCKS_WAITED_MAX = 1_200
BLOCKS_MISSED_MAX = 3
REASONS_MAX = 5_000
"""How many dropped extrinsics keep their reason for `author_extrinsicStatus`."""

NonceOf = Callable[[bytes], int]
"""An account's next nonce in the finalised state."""


@dataclass(slots=True)
class _Waiting:
    extrinsic: CheckedExtrinsic
    arrival: int
    height: int
    missed: int = 0


class Mempool:
    """The waiting extrinsics of one node; not safe to share between threads."""

    def __init__(self) -> None:
        self._queues: dict[bytes, dict[int, _Waiting]] = {}
        self._by_hash: dict[bytes, _Waiting] = {}
        self._reasons: OrderedDict[bytes, OpenLedgerError] = OrderedDict()
        self._arrivals = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    def __contains__(self, extrinsic_hash: object) -> bool:
        return extrinsic_hash in self._by_hash

    def get(self, extrinsic_hash: bytes) -> CheckedExtrinsic | None:
        """The waiting extrinsic of a hash."""
        waiting = self._by_hash.get(extrinsic_hash)
        return None if waiting is None else waiting.extrinsic

    @property
    def size_bytes(self) -> int:
        """The sum of the sizes of all waiting extrinsics."""
        return self._bytes

    def add(self, extrinsic: CheckedExtrinsic, account_nonce: int, height: int) -> None:
        """Queue an extrinsic at a finalised height; raises a `MempoolError`."""
        if extrinsic.hash in self._by_hash:
            return
        self._check_caps(extrinsic, account_nonce)
        waiting = _Waiting(extrinsic, self._arrivals, height)
        self._arrivals += 1
        self._queues.setdefault(extrinsic.signer, {})[extrinsic.nonce] = waiting
        self._by_hash[extrinsic.hash] = waiting
        self._bytes += len(extrinsic.raw)
        self._reasons.pop(extrinsic.hash, None)

    def next_nonce(self, account: bytes, account_nonce: int) -> int:
        """The first nonce of an account that no waiting extrinsic has taken."""
        queue = self._queues.get(account, {})
        nonce = account_nonce
        while nonce in queue:
            nonce += 1
        return nonce

    def ready(self, nonce_of: NonceOf, count_max: int, bytes_max: int) -> list[CheckedExtrinsic]:
        """What may enter the next block, in order, within the block's limits."""
        heap = []
        for account, queue in self._queues.items():
            first = queue.get(nonce_of(account))
            if first is not None:
                heap.append(_priority(first))
        heapq.heapify(heap)
        taken: list[CheckedExtrinsic] = []
        left_bytes = bytes_max
        while heap and len(taken) < count_max:
            extrinsic = heapq.heappop(heap)[2].extrinsic
            if len(extrinsic.raw) > left_bytes:
                continue
            left_bytes -= len(extrinsic.raw)
            taken.append(extrinsic)
            following = self._queues[extrinsic.signer].get(extrinsic.nonce + 1)
            if following is not None:
                heapq.heappush(heap, _priority(following))
        return taken

    def settle(
        self,
        included: Iterable[bytes],
        left_out: Mapping[bytes, InvalidTransaction],
        height: int,
    ) -> None:
        """After the block of `height`: forget what it has, and what has no chance any more.

        Both are by hash.  What was left out of a full block only waits longer.
        """
        for extrinsic_hash in included:
            waiting = self._by_hash.get(extrinsic_hash)
            if waiting is not None:
                self._remove(waiting)
        for extrinsic_hash, reason in left_out.items():
            waiting = self._by_hash.get(extrinsic_hash)
            if waiting is None or isinstance(reason, BlockFull):
                continue
            waiting.missed += 1
            if waiting.missed >= BLOCKS_MISSED_MAX:
                self.drop(extrinsic_hash, reason)
        for waiting in list(self._by_hash.values()):
            era = waiting.extrinsic.era
            if era is not None and era.is_over(height + 1):
                self.drop(waiting.extrinsic.hash, _too_late(era.last_height))
        # In order of arrival: the first that has not waited too long ends the search.
        for oldest in list(self._by_hash.values()):
            if height - oldest.height < BLOCKS_WAITED_MAX:
                break
            self.drop(oldest.extrinsic.hash, _expired())

    def drop(self, extrinsic_hash: bytes, reason: OpenLedgerError) -> None:
        """Forget a waiting extrinsic, but for the reason."""
        waiting = self._by_hash.get(extrinsic_hash)
        if waiting is None:
            return
        self._remove(waiting)
        self._reasons[extrinsic_hash] = reason
        if len(self._reasons) > REASONS_MAX:
            self._reasons.popitem(last=False)

    def reason(self, extrinsic_hash: bytes) -> OpenLedgerError | None:
        """Why an extrinsic was dropped, if that was lately."""
        return self._reasons.get(extrinsic_hash)

    def _remove(self, waiting: _Waiting) -> None:
        extrinsic = waiting.extrinsic
        queue = self._queues[extrinsic.signer]
        del queue[extrinsic.nonce], self._by_hash[extrinsic.hash]
        if not queue:
            del self._queues[extrinsic.signer]
        self._bytes -= len(extrinsic.raw)

    def _check_caps(self, extrinsic: CheckedExtrinsic, account_nonce: int) -> None:
        if extrinsic.nonce in self._queues.get(extrinsic.signer, {}):
            message = f"Another extrinsic of this account waits with nonce {extrinsic.nonce}."
            raise NonceTaken(message, remedy="Sign with the nonce of system_accountNextIndex.")
        if extrinsic.nonce >= account_nonce + NONCES_AHEAD_MAX:
            message = (
                f"Nonce {extrinsic.nonce} is too far ahead: the account's next is "
                f"{account_nonce}, and {NONCES_AHEAD_MAX} are queued at most."
            )
            raise NonceTooHigh(message, remedy="Wait until earlier extrinsics are in blocks.")
        if len(self._by_hash) >= EXTRINSICS_MAX or self._bytes + len(extrinsic.raw) > BYTES_MAX:
            message = f"{len(self._by_hash)} extrinsics ({self._bytes} bytes) are waiting already."
            raise MempoolFull(message, remedy="Send it again in a few seconds.")


def _priority(waiting: _Waiting) -> tuple[int, int, _Waiting]:
    # Arrivals are unique, so that two `_Waiting` are never compared.
    return (-waiting.extrinsic.tip, waiting.arrival, waiting)


def _too_late(last_height: int) -> InvalidTransaction:
    message = f"No block took the extrinsic up to height {last_height}, where its era ended."
    return InvalidTransaction(message, remedy="Sign it again with a new era.")


def _expired() -> InvalidTransaction:
    message = f"The extrinsic waited for more than {BLOCKS_WAITED_MAX} blocks."
    return InvalidTransaction(message, remedy="Send the extrinsics with the nonces before it.")
