"""Extrinsics that wait for a block: admitted once, ordered by nonce within a sender.

Signatures are checked before `add`, once: what waits here is a `CheckedExtrinsic`, and the block
builder executes it as it is.  Between senders the larger tip goes first, then who came first.

| limit | value | why, and what happens at it |
|---|---|---|
| `EXTRINSICS_MAX` | 5,000 | one full block; the lowest tip makes room for a higher one |
| `BYTES_MAX` | 64 MiB | sixteen full blocks; the same |
| `NONCES_AHEAD_MAX` | 64 | of one sender; the next waits until some are in blocks |
| `BLOCKS_WAITED_MAX` | 1,200 | ten minutes of empty blocks: a gap in the nonces is not closing |
| an era that is over | - | it can enter no block, and its nonce is free again |
| `BLOCKS_MISSED_MAX` | 3 | offered to a block and refused: its sender must hear why |
| `BANNED_BLOCKS` | 120 | what blocks refused is not taken again at once |
| `REFUSALS_MAX` | 5,000 | the reasons kept of what was given up; the oldest goes first |

An extrinsic with the nonce of one that waits takes its place if it raises the tip by a tenth, and
by `TIP_RAISE_MIN`: replacing costs something, or everybody would replace without end.  Whoever has
the lowest tip makes room for a higher one with the last of its queue, so that no queue gets a gap.

Prior art: Substrate's transaction pool (future, ready, usurped, banned); geth's price bump.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from node.errors import Banned, MempoolFull, NonceTaken, NonceTooHigh, Usurped
from runtime.admission import BlockFull, wrong_nonce
from runtime.errors import InvalidTransaction, OpenLedgerError
from runtime.extrinsic import CheckedExtrinsic
from runtime.types import OPEN

EXTRINSICS_MAX = 5_000
BYTES_MAX = 64 * 1024 * 1024
NONCES_AHEAD_MAX = 64
BLOCKS_WAITED_MAX = 1_200
BLOCKS_MISSED_MAX = 3
BANNED_BLOCKS = 120
REFUSALS_MAX = 5_000
TIP_RAISE_MIN = OPEN // 1_000_000
"""A fortieth of what a transfer costs."""

NonceOf = Callable[[bytes], int]
"""An account's next nonce in the finalised state."""


class Stage(Enum):
    """How far an extrinsic is; all but the first two are the end."""

    FUTURE = "future"
    """It waits for an earlier nonce of its sender."""
    READY = "ready"
    """It may enter the next block."""
    FINALIZED = "finalized"
    USURPED = "usurped"
    """Another one with its nonce has taken its place."""
    DROPPED = "dropped"
    """It was given up for want of room or after too long; it may be sent again."""
    INVALID = "invalid"
    """Blocks cannot take it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a watcher of an extrinsic is told."""

    stage: Stage
    reason: OpenLedgerError | None = None
    """Why it was given up."""
    usurper: bytes | None = None
    """The hash of what took its place."""


Watcher = Callable[[Progress], None]
"""Called on each change of a watched extrinsic; must not block or raise."""


@dataclass(slots=True)
class _Waiting:
    extrinsic: CheckedExtrinsic
    arrival: int
    height: int
    missed: int = 0
    is_ready: bool = False


_Ranked = tuple[int, int, _Waiting]
"""Tip, the negative arrival, and the extrinsic: the lowest and latest makes room first."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why an extrinsic was given up, and up to which height it is not taken again."""

    reason: OpenLedgerError
    banned_height: int


class Mempool:
    """The waiting extrinsics of one node; not safe to share between threads."""

    def __init__(self) -> None:
        self._queues: dict[bytes, dict[int, _Waiting]] = {}
        self._by_hash: dict[bytes, _Waiting] = {}
        self._by_raw: dict[bytes, CheckedExtrinsic] = {}
        self._refusals: OrderedDict[bytes, _Refusal] = OrderedDict()
        self._watchers: dict[bytes, list[Watcher]] = {}
        self._ranking: list[_Ranked] = []
        """A heap: the lowest tip on top."""
        self._arrivals = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    def __contains__(self, extrinsic_hash: object) -> bool:
        return extrinsic_hash in self._by_hash

    def admitted(self, raw: bytes) -> CheckedExtrinsic | None:
        """The waiting extrinsic of these very bytes: looking for them takes less than a hash."""
        return self._by_raw.get(raw)

    def encoded(self) -> list[bytes]:
        """All waiting extrinsics as they were signed, in the order in which they came."""
        return list(self._by_raw)

    @property
    def size_bytes(self) -> int:
        """The sum of the sizes of all waiting extrinsics."""
        return self._bytes

    # What comes

    def check_not_banned(self, extrinsic_hash: bytes, height: int) -> None:
        """Raise `Banned` for what blocks refused shortly before the finalised `height`."""
        refusal = self._refusals.get(extrinsic_hash)
        if refusal is not None and height < refusal.banned_height:
            message = f"Blocks refused this extrinsic a moment ago: {refusal.reason.message}"
            remedy = f"Sign another one, or send it again after height {refusal.banned_height}."
            raise Banned(message, remedy=remedy)

    def add(self, extrinsic: CheckedExtrinsic, account_nonce: int, height: int) -> None:
        """Queue an extrinsic at a finalised height; raises a `MempoolError`."""
        if extrinsic.hash in self._by_hash:
            return
        self.check_not_banned(extrinsic.hash, height)
        replaced = self._replaced_by(extrinsic)
        if extrinsic.nonce >= account_nonce + NONCES_AHEAD_MAX:
            message = (
                f"Nonce {extrinsic.nonce} is too far ahead: the account's next is "
                f"{account_nonce}, and {NONCES_AHEAD_MAX} are queued at most."
            )
            raise NonceTooHigh(message, remedy="Wait until earlier extrinsics are in blocks.")
        self._make_room(extrinsic, replaced)
        if replaced is not None:
            self._usurp(replaced, extrinsic)
        queue = self._queues.setdefault(extrinsic.signer, {})
        waiting = _Waiting(extrinsic, self._arrivals, height)
        self._arrivals += 1
        queue[extrinsic.nonce] = self._by_hash[extrinsic.hash] = waiting
        self._by_raw[extrinsic.raw] = extrinsic
        self._bytes += len(extrinsic.raw)
        self._rank(waiting)
        self._refusals.pop(extrinsic.hash, None)
        self._note_ready(queue, account_nonce)
        if not waiting.is_ready:
            self._tell(extrinsic.hash, Progress(Stage.FUTURE))

    def next_nonce(self, account: bytes, account_nonce: int) -> int:
        """The first nonce of an account that no waiting extrinsic has taken."""
        queue = self._queues.get(account, {})
        nonce = account_nonce
        while nonce in queue:
            nonce += 1
        return nonce

    # What goes into blocks

    def ready(self, nonce_of: NonceOf, count_max: int, bytes_max: int) -> list[CheckedExtrinsic]:
        """What may enter the next block, in order, within the block's limits.

        What cannot enter any more, because a block has another extrinsic with its nonce, goes.
        """
        heap = []
        for account, queue in list(self._queues.items()):
            nonce = nonce_of(account)
            for used in [each for each in queue if each < nonce]:
                self._give_up(queue[used], Stage.INVALID, wrong_nonce(used, nonce))
            first = queue.get(nonce)
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
            self._tell(extrinsic_hash, Progress(Stage.FINALIZED))
        for extrinsic_hash, reason in left_out.items():
            waiting = self._by_hash.get(extrinsic_hash)
            if waiting is None or isinstance(reason, BlockFull):
                continue
            waiting.missed += 1
            if waiting.missed >= BLOCKS_MISSED_MAX:
                self._give_up(waiting, Stage.INVALID, reason, height + BANNED_BLOCKS)
        for waiting in list(self._by_hash.values()):
            era = waiting.extrinsic.era
            if era is not None and era.is_over(height + 1):
                self._give_up(waiting, Stage.INVALID, _too_late(era.last_height))
        # In order of arrival: the first that has not waited too long ends the search.
        for oldest in list(self._by_hash.values()):
            if height - oldest.height < BLOCKS_WAITED_MAX:
                break
            self._give_up(oldest, Stage.DROPPED, _expired())

    def reason(self, extrinsic_hash: bytes) -> OpenLedgerError | None:
        """Why an extrinsic was given up, if that was lately."""
        refusal = self._refusals.get(extrinsic_hash)
        return None if refusal is None else refusal.reason

    # Who watches

    def watch(self, extrinsic_hash: bytes, watcher: Watcher) -> None:
        """Call `watcher` at once, if the extrinsic waits, and on every change until its end."""
        self._watchers.setdefault(extrinsic_hash, []).append(watcher)
        waiting = self._by_hash.get(extrinsic_hash)
        if waiting is not None:
            watcher(Progress(Stage.READY if waiting.is_ready else Stage.FUTURE))

    def unwatch(self, extrinsic_hash: bytes, watcher: Watcher) -> None:
        """Call `watcher` no more; it need not be there any longer."""
        watchers = self._watchers.get(extrinsic_hash, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            self._watchers.pop(extrinsic_hash, None)

    # Helpers

    def _replaced_by(self, extrinsic: CheckedExtrinsic) -> _Waiting | None:
        """What waits with the same nonce; raises `NonceTaken` if the tip is not raised enough."""
        waiting = self._queues.get(extrinsic.signer, {}).get(extrinsic.nonce)
        if waiting is None:
            return None
        tip = waiting.extrinsic.tip
        needed = tip + max(-(-tip // 10), TIP_RAISE_MIN)
        if extrinsic.tip < needed:
            message = f"Another extrinsic of this account waits with nonce {extrinsic.nonce}."
            remedy = f"Sign with the nonce of system_accountNextIndex, or with a tip of {needed}."
            raise NonceTaken(message, remedy=remedy)
        return waiting

    def _make_room(self, extrinsic: CheckedExtrinsic, replaced: _Waiting | None) -> None:
        """Give up what has lower tips, if that makes room; raises `MempoolFull` if it does not."""
        count = len(self._by_hash) + 1 - EXTRINSICS_MAX
        size_bytes = self._bytes + len(extrinsic.raw) - BYTES_MAX
        if replaced is not None:
            count -= 1
            size_bytes -= len(replaced.extrinsic.raw)
        if count > 0 or size_bytes > 0:
            for victim in self._victims(extrinsic, count, size_bytes):
                self._give_up(victim, Stage.DROPPED, _crowded_out())

    def _victims(self, newcomer: CheckedExtrinsic, count: int, size_bytes: int) -> list[_Waiting]:
        """Who makes room for so many extrinsics and bytes; raises `MempoolFull`.

        Whoever has the lowest tip loses the last of its queue, which could not go before it.
        """
        victims: list[_Waiting] = []
        looked_at: list[_Ranked] = []
        queues: dict[bytes, list[_Waiting]] = {}
        try:
            while count > 0 or size_bytes > 0:
                if not self._ranking or self._ranking[0][0] >= newcomer.tip:
                    raise _full(len(self._by_hash), self._bytes)
                looked_at.append(heapq.heappop(self._ranking))
                account = looked_at[-1][2].extrinsic.signer
                if not self._waits(looked_at[-1][2]):
                    looked_at.pop()
                    continue
                queue = queues.setdefault(account, self._in_order_of_nonces(account))
                # The newcomer may need those in front of it, and one of them is what it replaces.
                follows = account == newcomer.signer and newcomer.nonce >= (
                    queue[-1].extrinsic.nonce if queue else 0
                )
                if queue and not follows:
                    victims.append(queue.pop())
                    count -= 1
                    size_bytes -= len(victims[-1].extrinsic.raw)
        finally:
            for ranked in looked_at:
                heapq.heappush(self._ranking, ranked)
        return victims

    def _in_order_of_nonces(self, account: bytes) -> list[_Waiting]:
        return [waiting for _, waiting in sorted(self._queues[account].items())]

    def _rank(self, waiting: _Waiting) -> None:
        """Note a newcomer's tip.  What is gone stays ranked until there is too much of it."""
        heapq.heappush(self._ranking, _ranked(waiting))
        if len(self._ranking) > 2 * EXTRINSICS_MAX:
            self._ranking = [_ranked(each) for each in self._by_hash.values()]
            heapq.heapify(self._ranking)

    def _waits(self, waiting: _Waiting) -> bool:
        return self._by_hash.get(waiting.extrinsic.hash) is waiting

    def _usurp(self, waiting: _Waiting, usurper: CheckedExtrinsic) -> None:
        message = f"Another extrinsic with nonce {usurper.nonce} and a higher tip took its place."
        reason = Usurped(message, remedy=f"Follow {usurper.hash.hex()} instead.")
        self._give_up(waiting, Stage.USURPED, reason, usurper=usurper.hash)

    def _give_up(
        self,
        waiting: _Waiting,
        stage: Stage,
        reason: OpenLedgerError,
        banned_height: int = 0,
        *,
        usurper: bytes | None = None,
    ) -> None:
        """Forget a waiting extrinsic, but for the reason."""
        self._remove(waiting)
        extrinsic_hash = waiting.extrinsic.hash
        self._refusals[extrinsic_hash] = _Refusal(reason, banned_height)
        if len(self._refusals) > REFUSALS_MAX:
            self._refusals.popitem(last=False)
        self._tell(extrinsic_hash, Progress(stage, reason, usurper))

    def _remove(self, waiting: _Waiting) -> None:
        extrinsic = waiting.extrinsic
        queue = self._queues[extrinsic.signer]
        del queue[extrinsic.nonce], self._by_hash[extrinsic.hash], self._by_raw[extrinsic.raw]
        if not queue:
            del self._queues[extrinsic.signer]
        self._bytes -= len(extrinsic.raw)

    def _note_ready(self, queue: Mapping[int, _Waiting], nonce: int) -> None:
        """Tell the watchers of those that wait for nothing of their sender any more."""
        while (waiting := queue.get(nonce)) is not None:
            if not waiting.is_ready:
                waiting.is_ready = True
                self._tell(waiting.extrinsic.hash, Progress(Stage.READY))
            nonce += 1

    def _tell(self, extrinsic_hash: bytes, progress: Progress) -> None:
        is_last = progress.stage not in {Stage.FUTURE, Stage.READY}
        watchers = self._watchers.get(extrinsic_hash, [])
        if is_last:
            self._watchers.pop(extrinsic_hash, None)
        for watcher in watchers:
            watcher(progress)


def _priority(waiting: _Waiting) -> _Ranked:
    """Higher tips first, then who came first; arrivals differ, so `_Waiting` is never compared."""
    return (-waiting.extrinsic.tip, waiting.arrival, waiting)


def _ranked(waiting: _Waiting) -> _Ranked:
    """What makes room first: the opposite order."""
    return (waiting.extrinsic.tip, -waiting.arrival, waiting)


def _full(count: int, size_bytes: int) -> MempoolFull:
    message = f"{count} extrinsics ({size_bytes} bytes) are waiting already."
    return MempoolFull(message, remedy="Send it again in a few seconds, or with a higher tip.")


def _crowded_out() -> MempoolFull:
    message = "Extrinsics with higher tips took its place."
    return MempoolFull(message, remedy="Send it again when less is waiting, or with a higher tip.")


def _too_late(last_height: int) -> InvalidTransaction:
    message = f"No block took the extrinsic up to height {last_height}, where its era ended."
    return InvalidTransaction(message, remedy="Sign it again with a new era.")


def _expired() -> InvalidTransaction:
    message = f"The extrinsic waited for more than {BLOCKS_WAITED_MAX} blocks."
    return InvalidTransaction(message, remedy="Send the extrinsics with the nonces before it.")
