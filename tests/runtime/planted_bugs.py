"""Pallets with one bug each, in a runtime of System, Balances and the pallet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pallets.balances.pallet import Balances
from pallets.system.pallet import System
from runtime import (
    U32,
    U64,
    AccountId,
    Amount,
    Event,
    Hash,
    Inherent,
    InvariantViolation,
    Map,
    Needs,
    Pallet,
    Positive,
    Runtime,
    RuntimeCall,
    Signed,
    Value,
    Weight,
    call,
    inherent,
    invariant,
)
from runtime.arithmetic import split_by_largest_remainder
from runtime.hashing import ZERO_HASH, hash_text
from runtime.keys import Keypair
from runtime.testing import Setup
from runtime.traits import Currency

KEYPAIRS = tuple(Keypair.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
ENDOWMENT = 1_000_000


def setup_of(make: Callable[[Balances], tuple[Pallet, ...]]) -> Setup:
    """A runtime with more pallets, and three accounts that own something."""

    def compose() -> Runtime:
        balances = Balances()
        return Runtime(System(), balances, *make(balances), spec_version=1, name="planted")

    def genesis(runtime: Runtime) -> Mapping[bytes, bytes]:
        def endow() -> None:
            for keypair in KEYPAIRS:
                runtime.pallets["Balances"].endow(keypair.account, ENDOWMENT)

        return runtime.initialise(endow)

    return Setup(compose=compose, genesis=genesis, keypairs=KEYPAIRS)


class Mint(Pallet, index=40):
    """Pays a reward that nobody issued."""

    currency: Needs[Any]

    @call(0, weight=Weight(reads=2, writes=2))
    def reward(self, worker: Signed, amount: Positive[U32]) -> None:
        """Credit the signer, and forget the issuance."""
        with self.currency.accounts.edit(worker) as account:
            account.free += amount


class Overflow(Pallet, index=40):
    """Forgets that a U64 does not fit into four bytes."""

    last = Value[Hash](ZERO_HASH)

    @call(0, weight=Weight(reads=0, writes=1))
    def record(self, _sender: Signed, number: U64) -> None:
        """Hash a number."""
        self.last.put(hash_text(number.to_bytes(4, "big")))


class Underweight(Pallet, index=40):
    """Writes one entry more in a rare case."""

    counts = Map[U32, U32](0)

    @call(0, weight=Weight(reads=1, writes=1))
    def count(self, _sender: Signed, number: U32) -> None:
        """Count, and carry at the bound."""
        self.counts[0] += 1
        if number == 2**32 - 1:
            self.counts[1] += 1


class Split(Pallet, index=40):
    """Lets an error out that it does not declare."""

    rest = Value[Amount](0)

    @call(0, weight=Weight(reads=0, writes=1))
    def divide(self, _sender: Signed, amount: Amount, one: U32, two: U32) -> None:
        """Divide by two weights that may both be 0."""
        self.rest.put(split_by_largest_remainder(amount, (one, two))[1])


class Memory:
    """What survives a rollback, another instance and the block."""

    count = 0


class Forgetful(Pallet, index=40):
    """Counts outside the state, where the lint does not look: in an object of its module."""

    total = Value[U64](0)

    @call(0, weight=Weight(reads=0, writes=1))
    def count(self, _sender: Signed) -> None:
        """Count."""
        Memory.count += 1
        self.total.put(Memory.count)


class Unordered(Pallet, index=40):
    """Walks a set that the lint does not see: two dictionaries' keys, combined."""

    class Chosen(Event):
        """An account was chosen."""

        account: AccountId

    last = Value[AccountId](ZERO_HASH)

    @call(0, weight=Weight(reads=1, writes=1))
    def choose(self, sender: Signed, one: AccountId, two: AccountId) -> None:
        """Choose the first of the accounts, in an order that depends on the process."""
        named = {sender: 1, one: 2, two: 3}
        known = {sender: 1, one: 2, two: 3, ZERO_HASH: 4}
        for account in named.keys() & known.keys():
            self.last.put(account)
            break
        self.emit(self.Chosen(account=self.last.get()))


class Broken(Pallet, index=40):
    """Breaks its own invariant."""

    total = Value[U64](0)

    @call(0, weight=Weight(reads=1, writes=1))
    def add(self, _sender: Signed, amount: U32) -> None:
        """Add without looking at the limit."""
        self.total.put(self.total.get() + amount)

    @invariant
    def total_is_small(self) -> None:
        """The total stays below 2**20."""
        if self.total.get() >= 2**20:
            raise InvariantViolation("The total is too large.", remedy="Add less.")


class Innocent(Pallet, index=40):
    """Does nothing wrong, pays somebody, and hears of every block."""

    currency: Needs[Currency]
    heard = Value[U64](0)
    paid = Map[AccountId, U64](0)

    @call(0, weight=Weight(reads=4, writes=4))
    def pay(self, sender: Signed, receiver: AccountId, amount: U64) -> None:
        """Pay and count."""
        self.currency.move(sender, receiver, amount)
        self.paid[receiver] += 1

    @call(1, weight=Weight(reads=0, writes=1))
    def hear(self, _origin: Inherent, height: U64) -> None:
        """Note the height; the proposer tells."""
        self.heard.put(height)

    @inherent
    def tell(self, _offered: Mapping[str, bytes]) -> RuntimeCall | None:
        """The inherent of a block that is being built."""
        return Innocent.hear.Call(height=self.block.height)


INNOCENT = setup_of(lambda balances: (Innocent(currency=balances),))
MINT = setup_of(lambda balances: (Mint(currency=balances),))
OVERFLOW = setup_of(lambda _: (Overflow(),))
UNDERWEIGHT = setup_of(lambda _: (Underweight(),))
SPLIT = setup_of(lambda _: (Split(),))
FORGETFUL = setup_of(lambda _: (Forgetful(),))
UNORDERED = setup_of(lambda _: (Unordered(),))
BROKEN = setup_of(lambda _: (Broken(),))
