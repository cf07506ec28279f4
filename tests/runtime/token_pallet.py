"""Two small pallets, written as `docs` tell pallet developers to; the runtime's tests run them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime import (
    U16,
    U32,
    U64,
    AccountId,
    Amount,
    Const,
    Error,
    Event,
    InvariantViolation,
    LongText,
    Map,
    Needs,
    Pallet,
    Positive,
    Root,
    Runtime,
    ShortText,
    Signed,
    Value,
    Weight,
    call,
    invariant,
    on_finalize,
    on_initialize,
)
from runtime.admission import cannot_pay, wrong_nonce
from runtime.traits import Currency
from runtime.upgrade import MigrationState


@dataclass(slots=True)
class Account:
    """What an account has."""

    free: Amount = 0
    held: Amount = 0
    nonce: U64 = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Something written down."""

    author: AccountId
    text: ShortText


class System(Pallet, index=0):
    """Failures and versions."""

    spec_version = Value[U32](0)
    storage_versions = Map[ShortText, U16]()
    migration = Value[MigrationState | None](None)

    class Upgraded(Event):
        """All storage is of this version."""

        spec_version: U32

    class ExtrinsicFailed(Event):
        """A call was rolled back."""

        error: ShortText
        message: LongText
        remedy: LongText


class Balances(Pallet, index=2):
    """Accounts of the native token."""

    issuance = Value[Amount](0)
    accounts = Map[AccountId, Account](Account())
    existential_deposit: Const[Amount] = 1

    # As runtime.md writes them.
    class Transferred(Event):  sender: AccountId; receiver: AccountId; amount: Amount  # fmt: skip # noqa: E701, E702, D106 # as written there

    class Insufficient(Error): "The balance is too low to send this amount."; free: Amount  # fmt: skip # noqa: E701, E702, D300 # as written there

    @call(0, weight=Weight(reads=2, writes=2))
    def transfer(self, sender: Signed, receiver: AccountId, amount: Positive[Amount]) -> None:
        """Move `amount` (in 10**-18 OPEN) from the signer to `receiver`."""
        with self.accounts.edit(sender) as account:
            if account.free < amount:
                raise self.Insufficient(free=account.free)
            account.free -= amount
        with self.accounts.edit(receiver) as account:
            account.free += amount
        self.emit(self.Transferred(sender, receiver, amount))

    @call(1, weight=Weight(reads=1, writes=2))
    def issue(self, sender: Signed, amount: Positive[Amount]) -> None:
        """Issue as much as the signer likes; overflows on purpose when that is too much."""
        with self.accounts.edit(sender) as account:
            account.free += amount
        self.issuance.put(self.issuance.get() + amount)

    @call(2, weight=Weight(reads=2, writes=2))
    def reset(self, origin: Root) -> None:
        """Set the issuance to 0; only the chain itself may."""
        self.issuance.put(0)

    @invariant
    def issuance_is_bounded(self) -> None:
        """Nobody issued more than half of what fits."""
        if self.issuance.get() >= 2**127:
            message = "Too much was issued."
            raise InvariantViolation(message, remedy="Issue less.")

    def next_nonce(self, account: bytes) -> int:
        """As `AccountKeeper`."""
        return self.accounts[account].nonce

    def admit(self, account: bytes, nonce: int, charge: int) -> None:
        """As `AccountKeeper`."""
        paying = self.accounts[account]
        if paying.nonce != nonce:
            raise wrong_nonce(nonce, paying.nonce)
        if paying.free < charge:
            raise cannot_pay(charge, paying.free)
        paying.nonce += 1
        paying.free -= charge
        self.accounts[account] = paying

    def collect(self, charged: int, payments: Sequence[tuple[bytes, int]]) -> None:
        """As `AccountKeeper`."""
        for receiver, amount in payments:
            with self.accounts.edit(receiver) as account:
                account.free += amount
        burned = charged - sum(amount for _, amount in payments)
        self.issuance.put(self.issuance.get() - burned)

    def free_balance(self, account: bytes) -> int:
        """As `Currency`."""
        return self.accounts[account].free

    def move(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """As `Currency`."""
        self.transfer(sender, receiver, amount)

    def hold(self, account: bytes, amount: int, reason: str) -> None:
        """As `Currency`, for any reason."""
        with self.accounts.edit(account) as changed:
            changed.free -= amount
            changed.held += amount

    def release(self, account: bytes, amount: int, reason: str) -> None:
        """As `Currency`, for any reason."""
        with self.accounts.edit(account) as changed:
            changed.free += amount
            changed.held -= amount

    def move_held(self, account: bytes, amount: int, reason: str, receiver: bytes) -> None:
        """As `Currency`, for any reason."""
        self.release(account, amount, reason)
        self.move(account, receiver, amount)

    def held(self, account: bytes, reason: str) -> int:
        """As `Currency`, for any reason."""
        return self.accounts[account].held

    def destroy(self, account: bytes, amount: int) -> None:
        """As `Currency`."""
        with self.accounts.edit(account) as balance:
            balance.free -= amount
        self.issuance.put(self.issuance.get() - amount)


class Notes(Pallet, index=7):
    """Notes that cost a deposit, and calls that go wrong."""

    deposit: Const[Amount] = 5
    currency: Needs[Currency]

    next_note = Value[U32](0)
    notes = Map[tuple[AccountId, U32], Note]()
    started = Value[U64](0)
    finished = Value[U64](0)

    class Written(Event):
        """A note was written down."""

        note: U32
        author: AccountId

    class Refused(Error):
        """This note is not wanted."""

        remedy = "Write another one."

    class Started(Event):
        """A block began."""

        height: U64

    class Ended(Event):
        """A block ended."""

        height: U64

    @call(0, weight=Weight(reads=2, writes=3))
    def write(self, author: Signed, text: ShortText) -> None:
        """Write a note down, for a deposit."""
        number = self.next_note.get()
        self.next_note.put(number + 1)
        self.notes[author, number] = Note(author, text)
        self.currency.hold(author, self.deposit, "note")
        self.emit(self.Written(number, author))

    @call(1, weight=Weight(reads=2, writes=2))
    def rewrite(self, author: Signed, note: U32, text: ShortText = "") -> None:
        """Replace a note; an unknown one is a missing key."""
        known = self.notes[author, note]
        self.notes[author, note] = Note(known.author, text)

    @call(2, weight=Weight(reads=1, writes=1))
    def write_too_much(self, author: Signed) -> None:
        """Writes two entries, and declares one."""
        self.next_note.put(7)
        self.started.put(7)

    @call(3, weight=Weight(reads=1, writes=1))
    def read_too_much(self, author: Signed) -> None:
        """Reads two entries, and declares one."""
        self.next_note.get()
        self.started.get()

    @call(4, weight=Weight(reads=2, writes=2))
    def refuse(self, author: Signed, reason: LongText) -> None:
        """Writes and emits, and fails."""
        self.next_note.put(9)
        self.emit(self.Written(9, author))
        raise self.Refused

    @call(5, weight=Weight(reads=1, writes=1))
    def stumble(self, author: Signed, divisor: U32) -> None:
        """A bug: divides by what the user says."""
        self.next_note.put(1_000 // divisor)

    @call(6, weight=Weight(reads=1, writes=1))
    def chatter(self, author: Signed, count: U32) -> None:
        """Emits as many events as the user says."""
        for number in range(count):
            self.emit(self.Written(number, author))

    @on_initialize
    def note_start(self) -> None:
        """Remember the height."""
        self.started.put(self.block.height)
        self.emit(self.Started(self.block.height))

    @on_finalize
    def note_end(self) -> None:
        """Remember the height."""
        self.finished.put(self.block.height)
        self.emit(self.Ended(self.block.height))


def compose() -> tuple[Runtime, Balances, Notes]:
    """Return a runtime with its two pallets."""
    balances = Balances()
    notes = Notes(currency=balances)
    return Runtime(System(), balances, notes, spec_version=1, name="token"), balances, notes


def typed_calls(balances: Balances) -> None:
    """Never run: what a type checker must accept of a pallet."""
    Balances.transfer.Call(receiver=bytes(32), amount=1).to_plain()
    balances.transfer(bytes(32), receiver=bytes(32), amount=1)
    free: int = balances.accounts[bytes(32)].free
    missing: Account | None = balances.accounts.get(bytes(32))
    issued: int = balances.issuance.get() + balances.existential_deposit + free
    balances.issuance.put(issued)
    if missing is None:
        raise balances.Insufficient(free=0)
