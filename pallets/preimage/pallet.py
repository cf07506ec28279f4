"""Calls by their hashes: what referenda and the scheduler name, and anybody can read.

Terms.  A *preimage* is a call with the hash of its encoding.  It is *requested* while a referendum
or a scheduled task needs it.

Rules:

- Whoever notes a preimage leaves a deposit for its bytes, and gets it back for removing it.
- What is requested stays, whoever noted it; the deposit waits as long.
- A preimage that the chain itself noted has no deposit, and goes with its last request.
- Only calls that this runtime can make are noted: voters never meet bytes that mean nothing.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pallets.preimage import weights
from pallets.preimage.types import PreimageCall, Status
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
    Between,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    RuntimeCall,
    Signed,
    call,
)
from runtime.cbor import encode_plain
from runtime.hashing import hash_call
from runtime.traits import Currency

DEPOSIT = "Preimage.deposit"
"""Why the balance of somebody who noted a preimage is held."""
DEPOSIT_BASE_MOST = 10_000 * OPEN
DEPOSIT_PER_BYTE_MOST = OPEN
"""So proposals can always be noted, whatever was decided before."""


class Preimage(Pallet, index=9):
    """Calls by their hashes."""

    # Needs

    currency: Needs[Currency]

    # Storage, parameters first

    deposit_base = Parameter[Annotated[Amount, Between(0, DEPOSIT_BASE_MOST)]](
        10 * OPEN, "What noting a preimage holds, in 10**-18 OPEN, whatever its length."
    )
    deposit_per_byte = Parameter[Annotated[Amount, Between(0, DEPOSIT_PER_BYTE_MOST)]](
        OPEN // 100, "What noting a preimage holds for each of its bytes, in 10**-18 OPEN."
    )
    calls = Map[Hash, PreimageCall]()
    statuses = Map[Hash, Status](Status())

    # Events

    class Noted(Event):
        """A call can be named by its hash from now on."""

        call_hash: Hash
        owner: AccountId | None
        deposit: Amount

    class Removed(Event):
        """A call is not kept any more."""

        call_hash: Hash

    # Errors

    class Unknown(Error):
        """No call of this hash is noted."""

        remedy: ClassVar[str] = "Note the call first, with Preimage.note."
        call_hash: Hash

    class AlreadyNoted(Error):
        """The call is noted already."""

        remedy: ClassVar[str] = "Use it by its hash."
        call_hash: Hash

    class NotOwner(Error):
        """Somebody else noted the call, or the chain itself."""

        remedy: ClassVar[str] = "Let the account that Preimage.statuses names remove it."
        call_hash: Hash

    class StillRequested(Error):
        """A referendum or a scheduled task needs the call."""

        remedy: ClassVar[str] = "Wait until the referendum is over and carried out."
        requests: U32

    # Calls

    @call(0, weight=weights.note)
    def note(self, owner: Signed, call: PreimageCall) -> None:
        """Keep a call by its hash, for a deposit that grows with its length."""
        encoded = encode_plain(call.to_plain())
        call_hash = self.hash(hash_call, encoded)
        if call_hash in self.calls:
            raise self.AlreadyNoted(call_hash=call_hash)
        deposit = self.deposit_base.get() + len(encoded) * self.deposit_per_byte.get()
        self.currency.hold(owner, deposit, DEPOSIT)
        self._store(call_hash, call, Status(owner, deposit))

    @call(1, weight=weights.unnote)
    def unnote(self, owner: Signed, call_hash: Hash) -> None:
        """Remove a call that the signer noted and nobody needs, and give the deposit back."""
        status = self.statuses[call_hash]
        if call_hash not in self.calls:
            raise self.Unknown(call_hash=call_hash)
        if status.owner != owner:
            raise self.NotOwner(call_hash=call_hash)
        if status.requests:
            raise self.StillRequested(requests=status.requests)
        self.currency.release(owner, status.deposit, DEPOSIT)
        self._remove(call_hash)

    # Helpers: `Preimages` for other pallets

    def call_of(self, call_hash: bytes) -> RuntimeCall:
        """The call of a hash; raises `Unknown`."""
        known = self.calls.get(call_hash)
        if known is None:
            raise self.Unknown(call_hash=call_hash)
        return known

    def keep(self, call: RuntimeCall) -> bytes:
        """Request a call, which need not be noted; returns its hash."""
        call_hash = self.hash(hash_call, encode_plain(call.to_plain()))
        if call_hash not in self.calls:
            self._store(call_hash, call, Status())
        self.request(call_hash)
        return call_hash

    def request(self, call_hash: bytes) -> None:
        """Let a call stay until `unrequest`; raises `Unknown`."""
        if call_hash not in self.calls:
            raise self.Unknown(call_hash=call_hash)
        with self.statuses.edit(call_hash) as status:
            status.requests += 1

    def unrequest(self, call_hash: bytes) -> None:
        """Take a request back; what has no owner goes with the last one."""
        with self.statuses.edit(call_hash) as status:
            status.requests -= 1
        if status.owner is None and not status.requests:
            self._remove(call_hash)

    # Helpers

    def _store(self, call_hash: bytes, call: RuntimeCall, status: Status) -> None:
        self.calls[call_hash] = call
        self.statuses[call_hash] = status
        self.emit(self.Noted(call_hash, status.owner, status.deposit))

    def _remove(self, call_hash: bytes) -> None:
        del self.calls[call_hash]
        del self.statuses[call_hash]
        self.emit(self.Removed(call_hash))
