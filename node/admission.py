"""How an extrinsic gets into the mempool: decoded, known or not, signature, validity, journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from node.chain import Chain
from node.mempool import Mempool
from node.mempool_journal import MempoolJournal
from node.verifier import Verifier
from runtime.errors import OpenLedgerError
from runtime.extrinsic import CheckedExtrinsic, not_signed

_log = structlog.get_logger("mempool")


@dataclass(frozen=True, slots=True)
class Admission:
    """The one way into the mempool of a running node."""

    chain: Chain
    mempool: Mempool
    journal: MempoolJournal
    verifier: Verifier
    wake: Callable[[], None]
    """Tell the block producer that an extrinsic waits."""
    pass_on: Callable[[bytes], None]
    """Tell other nodes of an extrinsic that was just admitted."""

    async def submit(self, raw: bytes) -> bytes:
        """Queue a signed extrinsic, and return its hash when a crash cannot lose it any more.

        The same bytes again, waiting or included, are no error.  Raises `DecodeError`,
        `InvalidTransaction`, a `MempoolError`, or `StorageMigrating`.
        """
        claimed, signed = self.chain.open_extrinsic(raw)
        if self._is_known(claimed.hash):
            # Perhaps only just: whoever sent it first may still wait for the disk, too.
            await self.journal.settled()
            return claimed.hash
        self.mempool.check_not_banned(claimed.hash, self.chain.head.height)
        if not await self.verifier.holds(signed):
            raise not_signed()
        # It may have come twice, and into a block, while its signature was verified.
        if self._is_known(claimed.hash):
            await self.journal.settled()
            return claimed.hash
        _queue(self.chain, self.mempool, claimed)
        self.wake()
        self.pass_on(raw)
        await self.journal.append(raw)
        return claimed.hash

    def _is_known(self, extrinsic_hash: bytes) -> bool:
        located = self.chain.store.locate_extrinsic(extrinsic_hash)
        return extrinsic_hash in self.mempool or located is not None


def readmit(chain: Chain, mempool: Mempool, extrinsics: Iterable[bytes]) -> None:
    """At a node's start: queue again what it had acknowledged, unless it has no chance any more."""
    lost = 0
    for raw in extrinsics:
        try:
            checked = chain.check(raw)
            if chain.store.locate_extrinsic(checked.hash) is None:
                _queue(chain, mempool, checked)
        except OpenLedgerError as error:
            # In a block, replaced, out of its era or of an older spec version: as it would be now.
            _log.debug("not admitted again", reason=error.message)
            lost += 1
    if len(mempool) or lost:
        _log.info("extrinsics of the last run", waiting=len(mempool), over=lost)


def _queue(chain: Chain, mempool: Mempool, checked: CheckedExtrinsic) -> None:
    chain.validate(checked)
    mempool.add(checked, chain.nonce_of(checked.signer), chain.head.height)
