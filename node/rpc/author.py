"""`author_*`: submit extrinsics, follow them, and look at those that wait."""

from __future__ import annotations

from node.admission import Admission
from node.chain import Chain
from node.errors import Banned, MempoolFull, NonceTaken, NonceTooHigh, StorageMigrating
from node.mempool import Mempool
from node.rpc.feeds import ExtrinsicFeed
from node.rpc.method import Sends, Subscriber, rpc
from node.rpc.parameters import PENDING_MAX, Extrinsic, Hash, PendingCount, SubscriptionId
from node.rpc.results import ExtrinsicStatus, ExtrinsicUpdate, HashText, HexText
from node.rpc.views import outcome_view
from runtime.errors import DecodeError, InvalidTransaction
from runtime.extrinsic import NotSigned
from runtime.hashing import hash_extrinsic

REFUSALS = (
    DecodeError,
    InvalidTransaction,
    NotSigned,
    MempoolFull,
    NonceTaken,
    NonceTooHigh,
    Banned,
    StorageMigrating,
)
"""What a submission may be refused with."""
UPDATES = Sends("author_extrinsicUpdate", ExtrinsicUpdate, "author_unwatchExtrinsic")


class AuthorMethods:
    """What changes the chain goes in here."""

    def __init__(self, chain: Chain, mempool: Mempool, admission: Admission) -> None:
        self._chain = chain
        self._mempool = mempool
        self._admission = admission

    @rpc("author_submitExtrinsic", *REFUSALS)
    async def submit_extrinsic(self, extrinsic: Extrinsic) -> HashText:
        """Queue a signed extrinsic, and return its hash when it is on disk.

        The same bytes again, waiting or included, are no error.
        """
        return (await self._admission.submit(extrinsic)).hex()

    @rpc("author_submitAndWatchExtrinsic", *REFUSALS, sends=UPDATES)
    async def submit_and_watch_extrinsic(self, subscriber: Subscriber, extrinsic: Extrinsic) -> str:
        """Queue a signed extrinsic, and tell each stage that it goes through until its end."""
        extrinsic_hash = hash_extrinsic(extrinsic)
        feed = ExtrinsicFeed(self._chain, self._mempool, extrinsic_hash)
        subscription = subscriber.begin(UPDATES.notification, feed)
        try:
            await self._admission.submit(extrinsic)
        except BaseException:
            subscriber.end(subscription)
            raise
        if extrinsic_hash not in self._mempool and not feed.has_ended:
            # In a block since before the feed began.
            feed.note_included()
        return subscription

    @rpc("author_unwatchExtrinsic")
    def unwatch_extrinsic(self, subscriber: Subscriber, subscription: SubscriptionId) -> bool:
        """Hear no more of an extrinsic, which goes on; returns whether it was watched."""
        return subscriber.end(subscription)

    @rpc("author_extrinsicStatus")
    def extrinsic_status(self, extrinsic_hash: Hash) -> ExtrinsicStatus:
        """Where an extrinsic is, and once it is included, with what result."""
        place = self._chain.store.locate_extrinsic(extrinsic_hash)
        if place is not None:
            outcome = outcome_view(self._chain, *place)
            return {"state": "included", "height": place[0], "index": place[1], **outcome}
        reason = self._mempool.reason(extrinsic_hash)
        return {
            "state": "pending" if extrinsic_hash in self._mempool else "unknown",
            "height": None,
            "index": None,
            "ok": None,
            "error": reason.message if reason else "",
            "error_name": type(reason).__name__ if reason else "",
            "remedy": reason.remedy if reason else "",
            "events": [],
        }

    @rpc("author_pendingExtrinsics")
    def pending_extrinsics(self, count: PendingCount = PENDING_MAX) -> list[HexText]:
        """The first extrinsics that wait for a block, in the order in which they came."""
        return [raw.hex() for raw in self._mempool.encoded()[:count]]

    @rpc("author_pendingCount")
    def pending_count(self) -> int:
        """How many extrinsics wait for a block."""
        return len(self._mempool)
