"""Rights to make calls for another account.

Terms.  A *delegate* makes calls for an *owner* who gave it a *right*: any call, nothing that pays
anybody, calls of governance or staking, or those of named pallets.  A right may have a *delay*:
then a call is announced first, and the owner has that long to reject it.  A *pure* account has no
key at all: it lives by the rights to it.

Rules:

- A right includes a call only if it includes every call inside it: a batch hides nothing.
- Pallets that are not on a right's list are not included, new ones among them.
- Rights and announcements cost deposits, which come back with them.
"""

from __future__ import annotations

from typing import ClassVar

from pallets.proxy import weights
from pallets.proxy.types import (
    ANNOUNCEMENTS_MAX,
    PROXIES_MAX,
    Announcement,
    Announcements,
    Kind,
    ProxyCall,
    Right,
    Rights,
    includes,
)
from runtime import (
    OPEN,
    U16,
    U32,
    AccountId,
    Amount,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    RuntimeCall,
    ShortText,
    Signed,
    Weight,
    call,
)
from runtime.cbor import encode_plain
from runtime.hashing import hash_call, hasher
from runtime.traits import Currency

RIGHTS = "Proxy.rights"
"""Why the balance of somebody who gave rights is held."""
ANNOUNCED = "Proxy.announcements"
_hash_pure = hasher(b"pure account")


def pure_account(creator: bytes, height: int, number: int) -> bytes:
    """The account without a key that a creator made at a height, 32 bytes."""
    return _hash_pure(encode_plain((creator, height, number)))


def weight_of_proxy(owner: bytes, call: RuntimeCall) -> Weight:
    """Return the weight of a delegate's call: its own, and the call's."""
    return weights.proxy(owner, call) + call.weight()


def weight_of_announced(owner: bytes, call: RuntimeCall) -> Weight:
    """Return the weight of an announced call: its own, and the call's."""
    return weights.proxy_announced(owner, call) + call.weight()


class Proxy(Pallet, index=14):
    """Rights to make calls for another account."""

    # Needs

    currency: Needs[Currency]

    # Storage, parameters first

    right_deposit = Parameter[Amount](OPEN, "What each right holds, in 10**-18 OPEN.")
    announcement_deposit = Parameter[Amount](
        OPEN, "What each announced call holds, in 10**-18 OPEN."
    )
    rights = Map[AccountId, Rights](())
    announcements = Map[AccountId, Announcements](())
    """By delegate, in the order in which they were made."""
    next_pure = Map[AccountId, U16](0)

    # Events

    class RightGiven(Event):
        """An owner lets a delegate make calls for it."""

        owner: AccountId
        right: Right

    class RightTaken(Event):
        """An owner lets a delegate make these calls no more."""

        owner: AccountId
        right: Right

    class PureCreated(Event):
        """There is an account without a key, and its creator has every right to it."""

        creator: AccountId
        account: AccountId

    class Announced(Event):
        """A delegate will make a call for an owner."""

        delegate: AccountId
        announcement: Announcement

    class Withdrawn(Event):
        """An announced call will not be made: its delegate or its owner does not want it."""

        delegate: AccountId
        announcement: Announcement

    class Made(Event):
        """A delegate made a call; `error` is empty, or names why it failed and left no trace."""

        delegate: AccountId
        owner: AccountId
        error: ShortText

    # Errors

    class TooMany(Error):
        """The account has as many rights or announcements as may be."""

        remedy: ClassVar[str] = "Take a right back, or withdraw an announcement."
        count: U16

    class AlreadyGiven(Error):
        """The delegate has this right already."""

        remedy: ClassVar[str] = "Read Proxy.rights."
        delegate: AccountId

    class InvalidRight(Error):
        """An account is no delegate of itself, and pallets are named for the kind PALLETS alone."""

        remedy: ClassVar[str] = "Name another delegate, and pallets with the kind PALLETS."
        kind: Kind

    class NoRight(Error):
        """The owner has not given this right."""

        remedy: ClassVar[str] = "Ask the owner to call Proxy.give_right."
        delegate: AccountId

    class NotAnnounced(Error):
        """The call is not announced, or not for long enough."""

        remedy: ClassVar[str] = "Call Proxy.announce, and wait for the delay of the right."
        delay_blocks: U32

    # Calls

    @call(0, weight=weight_of_proxy)
    def proxy(self, delegate: Signed, owner: AccountId, call: ProxyCall) -> None:
        """Make a call for an owner, by a right without a delay."""
        self._require_right(owner, delegate, call, announced_blocks=0)
        self._make(delegate, owner, call)

    @call(1, weight=weights.give_right)
    def give_right(self, owner: Signed, right: Right) -> None:
        """Let a delegate make calls for the signer."""
        known = self.rights[owner]
        if right in known:
            raise self.AlreadyGiven(delegate=right.delegate)
        if right.delegate == owner or bool(right.pallets) != (right.kind is Kind.PALLETS):
            raise self.InvalidRight(kind=right.kind)
        self._store_rights(owner, (*known, right))
        self.emit(self.RightGiven(owner, right))

    @call(2, weight=weights.take_right)
    def take_right(self, owner: Signed, right: Right) -> None:
        """Let a delegate make these calls for the signer no more."""
        known = self.rights[owner]
        if right not in known:
            raise self.NoRight(delegate=right.delegate)
        self._store_rights(owner, tuple([each for each in known if each != right]))
        self.emit(self.RightTaken(owner, right))

    @call(3, weight=weights.create_pure)
    def create_pure(self, creator: Signed) -> None:
        """Make an account without a key, to which the signer has every right.

        The signer holds the deposit of that right, until it is taken by a call of the account.
        """
        number = self.next_pure[creator]
        self.next_pure[creator] = number + 1
        self.note_hashes(1, 50)
        account = pure_account(creator, self.block.height, number)
        self.currency.move(creator, account, self.right_deposit.get())
        self._store_rights(account, (Right(creator, Kind.ANY, (), 0),))
        self.emit(self.PureCreated(creator, account))

    @call(4, weight=weights.announce)
    def announce(self, delegate: Signed, owner: AccountId, call_hash: Hash) -> None:
        """Say which call the signer will make for an owner, so that the owner can reject it."""
        if not any(each.delegate == delegate for each in self.rights[owner]):
            raise self.NoRight(delegate=delegate)
        announcement = Announcement(owner, call_hash, self.block.height)
        self._store_announced(delegate, (*self.announcements[delegate], announcement))
        self.emit(self.Announced(delegate, announcement))

    @call(5, weight=weights.withdraw)
    def withdraw(self, delegate: Signed, owner: AccountId, call_hash: Hash) -> None:
        """Give up a call that the signer announced."""
        self._withdraw(delegate, owner, call_hash)

    @call(6, weight=weights.reject)
    def reject(self, owner: Signed, delegate: AccountId, call_hash: Hash) -> None:
        """Forbid a call that a delegate announced for the signer."""
        self._withdraw(delegate, owner, call_hash)

    @call(7, weight=weight_of_announced)
    def proxy_announced(self, delegate: Signed, owner: AccountId, call: ProxyCall) -> None:
        """Make a call for an owner that was announced for as long as the right wants."""
        call_hash = self.hash(hash_call, encode_plain(call.to_plain()))
        found = self._announced(delegate, owner, call_hash)
        self._require_right(owner, delegate, call, self.block.height - found.height)
        self._forget(delegate, found)
        self._make(delegate, owner, call)

    # Helpers

    def _make(self, delegate: bytes, owner: bytes, call: RuntimeCall) -> None:
        failure = self.attempt(call, owner)
        self.emit(self.Made(delegate, owner, "" if failure is None else failure.error))

    def _require_right(
        self, owner: bytes, delegate: bytes, call: RuntimeCall, announced_blocks: int
    ) -> None:
        """Raise `NoRight`, or `NotAnnounced` where only a longer announcement would do."""
        ours = [each for each in self.rights[owner] if each.delegate == delegate]
        fitting = [each for each in ours if includes(each, call)]
        if not fitting:
            raise self.NoRight(delegate=delegate)
        delay = min(each.delay_blocks for each in fitting)
        if delay > announced_blocks:
            raise self.NotAnnounced(delay_blocks=delay)

    def _announced(self, delegate: bytes, owner: bytes, call_hash: bytes) -> Announcement:
        """The oldest announcement of a call; raises `NotAnnounced`."""
        for each in self.announcements[delegate]:
            if (each.owner, each.call_hash) == (owner, call_hash):
                return each
        raise self.NotAnnounced(delay_blocks=0)

    def _withdraw(self, delegate: bytes, owner: bytes, call_hash: bytes) -> None:
        found = self._announced(delegate, owner, call_hash)
        self._forget(delegate, found)
        self.emit(self.Withdrawn(delegate, found))

    def _forget(self, delegate: bytes, found: Announcement) -> None:
        known = self.announcements[delegate]
        place = known.index(found)
        self._store_announced(delegate, (*known[:place], *known[place + 1 :]))

    def _store_rights(self, owner: bytes, rights: tuple[Right, ...]) -> None:
        if len(rights) > PROXIES_MAX:
            raise self.TooMany(count=PROXIES_MAX)
        self._hold(owner, len(rights) * self.right_deposit.get(), RIGHTS)
        if rights:
            self.rights[owner] = rights
        else:
            del self.rights[owner]

    def _store_announced(self, delegate: bytes, announced: tuple[Announcement, ...]) -> None:
        if len(announced) > ANNOUNCEMENTS_MAX:
            raise self.TooMany(count=ANNOUNCEMENTS_MAX)
        self._hold(delegate, len(announced) * self.announcement_deposit.get(), ANNOUNCED)
        if announced:
            self.announcements[delegate] = announced
        else:
            del self.announcements[delegate]

    def _hold(self, account: bytes, needed: int, reason: str) -> None:
        """Hold what is needed from now on, whatever was before."""
        held = self.currency.held(account, reason)
        if held < needed:
            self.currency.hold(account, needed - held, reason)
        else:
            self.currency.release(account, held - needed, reason)
