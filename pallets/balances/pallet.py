"""Accounts of the native token, with the semantics of ERC-20.

Terms.  An account's balance is *free* or *held*; every held unit is held for a *reason*, a short
text that names the pallet and the purpose.  An *allowance* is how much of an owner's free balance
a spender may still move.  *Issuance* is all there is.  A *lock* is an amount that its owner must
keep for a reason, for example because it has voted with it: it moves nothing.

Rules that everything below keeps:

- Issuance is the sum of free and held over all accounts, exactly.  Only genesis issues; only
  `burn` takes away.
- An account's held balance is the sum of its holds.
- An account is empty, or holds at least the existential deposit.  What a payer would be left with
  below it, its dust, goes to the treasury; a receiver who would have less than it makes the
  transfer fail.  With the deposit of 1 unit that the chain has there is no dust.
- An empty account is not stored unless it has signed something: its nonce is what keeps old
  extrinsics from being played again.
- Locks do not add up: the same OPEN serves all of them, and the largest counts.  Free balance and
  bonds (what lies in another pallet's account and comes back from it) together stay at least as
  large, unless a bond is slashed.
  So locked OPEN can be bonded and bonded OPEN locked; but it is not sent, burned, charged, or held
  for anything that pays somebody else, and can therefore not be lent to another voter.
- What the runtime charges for extrinsics leaves the accounts at once, and issuance or another
  account at the end of the block.
- Sending to oneself moves nothing, and sending nothing is allowed; both are noted by an event, as
  ERC-20 asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pallets.balances import weights
from pallets.balances.types import LOCKS_MAX, Account, Lock, Locks
from pallets.pots import TREASURY
from runtime import (
    U8,
    AccountId,
    Amount,
    Const,
    Error,
    Event,
    InvariantViolation,
    Map,
    Pallet,
    Positive,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.admission import cannot_pay, wrong_nonce


class Balances(Pallet, index=2):
    """Accounts of the native token."""

    # Constants

    existential_deposit: Const[Amount] = 1
    """The least an account may hold, in units of 10**-18 OPEN."""

    # Storage

    issuance = Value[Amount](0)
    accounts = Map[AccountId, Account](Account())
    holds = Map[tuple[AccountId, ShortText], Amount](0)
    allowances = Map[tuple[AccountId, AccountId], Amount](0)
    locks = Map[AccountId, Locks](())

    # Events

    class Transfer(Event):
        """Free balance moved from one account to another."""

        sender: AccountId
        receiver: AccountId
        amount: Amount

    class Approval(Event):
        """The owner set what the spender may move."""

        owner: AccountId
        spender: AccountId
        amount: Amount

    class Burned(Event):
        """Issuance went down by what an account burned."""

        account: AccountId
        amount: Amount

    class DustCollected(Event):
        """What a payer was left with was no existential deposit, and went to the treasury."""

        account: AccountId
        amount: Amount

    class Held(Event):
        """Free balance came under a hold."""

        account: AccountId
        reason: ShortText
        amount: Amount

    class Released(Event):
        """Held balance became free again."""

        account: AccountId
        reason: ShortText
        amount: Amount

    class LockSet(Event):
        """An account must keep this much for a reason from now on; 0: nothing more."""

        account: AccountId
        reason: ShortText
        amount: Amount

    class HeldMoved(Event):
        """Held balance was paid to another account, where it is free."""

        account: AccountId
        reason: ShortText
        receiver: AccountId
        amount: Amount

    # Errors

    class Insufficient(Error):
        """The account's free balance is too low for this amount."""

        remedy: ClassVar[str] = "Send less, or wait for incoming OPEN; held balance does not count."
        free: Amount
        needed: Amount

    class Locked(Error):
        """The account must keep what it has locked, for example for its votes."""

        remedy: ClassVar[str] = (
            "Send less, or end a lock that Balances.locks names: a vote's with Voting.unlock."
        )
        spendable: Amount
        needed: Amount

    class TooManyLocks(Error):
        """The account has as many locks as may be."""

        remedy: ClassVar[str] = "End one of the locks that Balances.locks names."
        locks: U8

    class BelowExistentialDeposit(Error):
        """The receiver would have less than an account may hold."""

        remedy: ClassVar[str] = "Send at least the existential deposit."
        account: AccountId
        total: Amount

    class NotKeptAlive(Error):
        """The sender would be left with less free balance than the existential deposit."""

        remedy: ClassVar[str] = "Send less, or use `transfer` to empty the account."
        free: Amount

    class AllowanceExceeded(Error):
        """The owner has not approved this spender for so much."""

        remedy: ClassVar[str] = "Ask the owner to call Balances.approve."
        allowance: Amount
        needed: Amount

    class HoldTooSmall(Error):
        """Less is held for this reason than is to be released or paid."""

        remedy: ClassVar[str] = "Report it: the pallet that holds the balance keeps wrong books."
        reason: ShortText
        held: Amount
        needed: Amount

    # Calls

    @call(0, weight=weights.transfer)
    def transfer(self, sender: Signed, receiver: AccountId, amount: Amount) -> None:
        """Move `amount` (in 10**-18 OPEN) from the signer to `receiver`; may empty the signer."""
        self.move(sender, receiver, amount)

    @call(1, weight=weights.transfer_keep_alive)
    def transfer_keep_alive(self, sender: Signed, receiver: AccountId, amount: Amount) -> None:
        """Move `amount` to `receiver`, if the signer keeps the existential deposit free."""
        self._move(sender, receiver, amount, free_least=self.existential_deposit)

    @call(2, weight=weights.approve)
    def approve(self, owner: Signed, spender: AccountId, amount: Amount) -> None:
        """Let `spender` move up to `amount` of the signer's free balance, in place of what was.

        As with every ERC-20, a spender who sees a change coming can still use the old allowance
        first: set it to 0 and look, then set it anew.
        """
        self._set_allowance(owner, spender, amount)
        self.emit(self.Approval(owner=owner, spender=spender, amount=amount))

    @call(3, weight=weights.transfer_from)
    def transfer_from(
        self, spender: Signed, owner: AccountId, receiver: AccountId, amount: Amount
    ) -> None:
        """Move `amount` from `owner` to `receiver` out of what the signer was approved for."""
        allowance = self.allowances[owner, spender]
        if allowance < amount:
            raise self.AllowanceExceeded(allowance=allowance, needed=amount)
        self._set_allowance(owner, spender, allowance - amount)
        self.move(owner, receiver, amount)

    @call(4, weight=weights.burn)
    def burn(self, account: Signed, amount: Positive[Amount]) -> None:
        """Destroy `amount` of the signer's free balance for ever; issuance goes down by it."""
        self.destroy(account, amount)

    # Helpers: `Currency` for other pallets

    def free_balance(self, account: bytes) -> int:
        """What `account` may spend: neither held nor locked."""
        return _spendable(self.accounts[account])

    def total_issuance(self) -> int:
        """All OPEN there is."""
        return self.issuance.get()

    def lockable_balance(self, account: bytes) -> int:
        """How much `account` can promise to keep: its free balance and its bonds."""
        balance = self.accounts[account]
        return balance.free + balance.bonded

    def held(self, account: bytes, reason: str) -> int:
        """How much of `account` is held for `reason`."""
        return self.holds[account, reason]

    def move(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """Move free balance; raises `Insufficient` or `BelowExistentialDeposit`."""
        self._move(sender, receiver, amount, free_least=0)

    def hold(self, account: bytes, amount: int, reason: str) -> None:
        """Move free balance under a hold; nothing held is no hold.

        Raises `Insufficient` or `Locked`.
        """
        balance = self._with_free(account, amount)
        if not amount:
            return
        balance.free -= amount
        balance.held += amount
        self._store(account, balance)
        self.holds[account, reason] += amount
        self.emit(self.Held(account=account, reason=reason, amount=amount))

    def release(self, account: bytes, amount: int, reason: str) -> None:
        """Make a hold, or a part of it, free again; raises `HoldTooSmall`."""
        if not amount:
            return
        balance = self._take_held(account, amount, reason)
        balance.free += amount
        self._store(account, balance)
        self.emit(self.Released(account=account, reason=reason, amount=amount))

    def move_held(self, account: bytes, amount: int, reason: str, receiver: bytes) -> None:
        """Pay a hold, or a part of it, to `receiver`, who may be the account itself."""
        if account == receiver:
            self.release(account, amount, reason)
            return
        if not amount:
            return
        self._store_payer(account, self._take_held(account, amount, reason))
        self._add_free(receiver, amount)
        self.emit(self.HeldMoved(account=account, reason=reason, receiver=receiver, amount=amount))

    def bond(self, account: bytes, amount: int, pot: bytes) -> None:
        """Move balance to a pallet's account, where it still backs the locks of its owner.

        Raises `Insufficient`; what is locked can be bonded.
        """
        balance = self._with_free(account, amount, locked_too=True)
        balance.free -= amount
        balance.bonded += amount
        self._store_payer(account, balance)
        self._add_free(pot, amount)
        self.emit(self.Transfer(sender=account, receiver=pot, amount=amount))

    def return_bond(self, pot: bytes, account: bytes, amount: int, bonded: int) -> None:
        """Pay `amount` out of a pallet's account, for what was `bonded` and backs locks no more.

        It is less where a bond was slashed.
        """
        with self.accounts.edit(account) as balance:
            balance.bonded -= bonded
        self.move(pot, account, amount)

    def set_lock(self, account: bytes, amount: int, reason: str) -> None:
        """Let `account` keep at least `amount` for `reason`, in place of what was; 0 ends it.

        It may be more than there is.  Raises `TooManyLocks`.
        """
        before = self.locks[account]
        locks = _with_lock(before, Lock(reason, amount))
        if locks == before:
            return
        if len(locks) > LOCKS_MAX:
            raise self.TooManyLocks(locks=len(before))
        if locks:
            self.locks[account] = locks
        else:
            del self.locks[account]
        balance = self.accounts[account]
        balance.locked = max((lock.amount for lock in locks), default=0)
        self._store(account, balance)
        self.emit(self.LockSet(account=account, reason=reason, amount=amount))

    def destroy(self, account: bytes, amount: int) -> None:
        """Burn free balance: issuance goes down by it; raises `Insufficient`."""
        balance = self._with_free(account, amount)
        balance.free -= amount
        self._store_payer(account, balance)
        self.issuance.put(self.issuance.get() - amount)
        self.emit(self.Burned(account=account, amount=amount))

    def endow(self, account: bytes, amount: int) -> None:
        """Issue `amount` to `account` at genesis: there is no call that issues."""
        if self.block.height:
            message = f"OPEN is issued at height {self.block.height}, and only genesis may issue."
            raise InvariantViolation(message, remedy="This is a bug: report it.")
        self._add_free(account, amount)
        self.issuance.put(self.issuance.get() + amount)

    # Helpers: `AccountKeeper` for the runtime

    def next_nonce(self, account: bytes) -> int:
        """The nonce that the account's next extrinsic must have."""
        return self.accounts[account].nonce

    def admit(self, account: bytes, nonce: int, charge: int) -> None:
        """Use a nonce and take `charge`; raises `InvalidTransaction` and changes nothing."""
        paying = self.accounts[account]
        if paying.nonce != nonce:
            raise wrong_nonce(nonce, paying.nonce)
        free = paying.free - charge
        total = free + paying.held
        if charge > _spendable(paying) or 0 < total < self.existential_deposit:
            raise cannot_pay(charge, _spendable(paying))
        paying.nonce += 1
        paying.free = free
        self.accounts[account] = paying

    def collect(self, charged: int, payments: Sequence[tuple[bytes, int]]) -> None:
        """Pay what the block charged to these accounts, and burn the rest.

        What is no existential deposit to a new account is burned, too.
        """
        for receiver, amount in payments:
            credited = self.accounts[receiver]
            if amount and amount + credited.free + credited.held >= self.existential_deposit:
                credited.free += amount
                self.accounts[receiver] = credited
                charged -= amount
        self.issuance.put(self.issuance.get() - charged)

    # Helpers

    def _move(self, sender: bytes, receiver: bytes, amount: int, free_least: int) -> None:
        paying = self._with_free(sender, amount)
        if amount and sender != receiver:
            paying.free -= amount
            self._store_payer(sender, paying)
            self._add_free(receiver, amount)
        if paying.free < free_least:
            raise self.NotKeptAlive(free=paying.free)
        self.emit(self.Transfer(sender=sender, receiver=receiver, amount=amount))

    def _with_free(self, account: bytes, amount: int, *, locked_too: bool = False) -> Account:
        balance = self.accounts[account]
        if balance.free < amount:
            raise self.Insufficient(free=balance.free, needed=amount)
        if balance.locked and not locked_too and _spendable(balance) < amount:
            raise self.Locked(spendable=_spendable(balance), needed=amount)
        return balance

    def _add_free(self, account: bytes, amount: int) -> None:
        balance = self.accounts[account]
        balance.free += amount
        self._store(account, balance)

    def _take_held(self, account: bytes, amount: int, reason: str) -> Account:
        """The account without `amount` of its hold, for the caller to store."""
        held = self.holds[account, reason]
        if held < amount:
            raise self.HoldTooSmall(reason=reason, held=held, needed=amount)
        if held == amount:
            del self.holds[account, reason]
        else:
            self.holds[account, reason] = held - amount
        balance = self.accounts[account]
        balance.held -= amount
        return balance

    def _store(self, account: bytes, balance: Account) -> None:
        total = balance.free + balance.held
        if total == 0 and balance == Account():
            del self.accounts[account]
            return
        if 0 < total < self.existential_deposit and account != TREASURY:
            raise self.BelowExistentialDeposit(account=account, total=total)
        self.accounts[account] = balance

    def _store_payer(self, account: bytes, balance: Account) -> None:
        """Store an account that has paid; its dust, if that is all it has, is the treasury's."""
        dust = balance.free
        if 0 < dust + balance.held < self.existential_deposit and account != TREASURY:
            balance.free = 0
            with self.accounts.edit(TREASURY) as treasury:
                treasury.free += dust
            self.emit(self.DustCollected(account=account, amount=dust))
        self._store(account, balance)

    def _set_allowance(self, owner: bytes, spender: bytes, amount: int) -> None:
        if amount:
            self.allowances[owner, spender] = amount
        elif self.allowances[owner, spender]:
            del self.allowances[owner, spender]


def _spendable(account: Account) -> int:
    """What of the free balance no lock needs, in 10**-18 OPEN."""
    if not account.locked:  # as nearly always, and every extrinsic asks
        return account.free
    return min(account.free, max(0, account.free + account.bonded - account.locked))


def _with_lock(locks: Sequence[Lock], lock: Lock) -> tuple[Lock, ...]:
    """The locks with another one of its reason, or without one where it locks nothing."""
    others = tuple([each for each in locks if each.reason != lock.reason])
    return (*others, lock) if lock.amount else others
