"""Bonded OPEN behind the validators.

Terms.  An account's *stake* is what it has *bonded* and what is *unbonding*.  A *candidate* is an
account that wants to validate; the session pallet elects from the candidates, those with the
largest bonded stake first.  A *jailed* account has offended and is no candidate until its jail is
over and it asks back in.

Rules:

- All stake is held under `Staking.stake`: held = bonded + unbonding, exactly, for each account.
- A bond is nothing or at least `bond_min`; only slashing leaves less, and then the account is out
  of every election until it adds to it.
- Stake that leaves waits until the session is over, in which it still counts, then
  `unbonding_blocks`, and can be slashed all that time: nobody is gone before the evidence is here.
- A slash takes the bonded stake first, then what is unbonding, the latest part first.
- There are at most `CANDIDATES_MAX` candidates.  When all places are taken, a newcomer with a
  larger bond takes the place of the one with the smallest: small bonds keep nobody out.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.staking import weights
from pallets.staking.types import CANDIDATES_MAX, CHUNKS_MAX, Candidates, Chunk, Ledger
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    InvariantViolation,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    Value,
    call,
    invariant,
)
from runtime.traits import Currency

STAKE = "Staking.stake"
"""Why a staker's balance is held."""
BOND_LEAST = OPEN
BOND_MOST = 10_000_000 * OPEN
UNBONDING_BLOCKS_MOST = 2**32


class Staking(Pallet, index=5):
    """Bonds, candidates and jails."""

    # Needs

    currency: Needs[Currency]

    # Storage, parameters first

    bond_min = Parameter[Annotated[Amount, Between(BOND_LEAST, BOND_MOST)]](
        10_000 * OPEN, "The least bond of a candidate, in 10**-18 OPEN."
    )
    unbonding_blocks = Parameter[Annotated[int, Between(1, UNBONDING_BLOCKS_MOST)]](
        2_419_200, "How long the stake behind a vote can be slashed: two weeks of half seconds."
    )
    ledgers = Map[AccountId, Ledger](Ledger())
    counts_until = Value[BlockNumber](0)
    """The last height that the bonds of the last election decide."""
    candidates = Value[Candidates](())
    """Who stands for election, in the order of accounts."""

    # Events

    class Bonded(Event):
        """Free balance was added to a stake."""

        account: AccountId
        amount: Amount
        bonded: Amount

    class Unbonded(Event):
        """A part of a stake leaves, and can be withdrawn from the height that is named."""

        account: AccountId
        amount: Amount
        withdrawable_at: BlockNumber

    class Withdrawn(Event):
        """Stake that was unbonding is free again."""

        account: AccountId
        amount: Amount

    class CandidateAdded(Event):
        """An account stands for election."""

        account: AccountId
        bonded: Amount

    class CandidateRemoved(Event):
        """An account stands for election no more."""

        account: AccountId

    class Slashed(Event):
        """An account lost a part of its stake."""

        account: AccountId
        bonded: Amount
        """What was taken of the bonded stake."""
        unbonding: Amount
        """What was taken of the rest."""

    class Jailed(Event):
        """An account may not be a candidate until the height that is named."""

        account: AccountId
        until: BlockNumber

    class Unjailed(Event):
        """An account's jail is over."""

        account: AccountId

    # Errors

    class AlreadyBonded(Error):
        """The account has a bond already."""

        remedy: ClassVar[str] = "Add to it with Staking.bond_extra."
        bonded: Amount

    class NotBonded(Error):
        """The account has no bond."""

        remedy: ClassVar[str] = "Bond with Staking.bond."
        account: AccountId

    class BondTooLow(Error):
        """A bond would be lower than the least bond."""

        remedy: ClassVar[str] = "Bond more, or unbond everything."
        bonded: Amount
        least: Amount

    class MoreThanBonded(Error):
        """The account has bonded less than is to be unbonded."""

        remedy: ClassVar[str] = "Unbond at most what Staking.ledgers says is bonded."
        bonded: Amount
        needed: Amount

    class TooManyChunks(Error):
        """As many parts of the stake are unbonding as may be at a time."""

        remedy: ClassVar[str] = "Withdraw, or wait until the first part can be withdrawn."
        chunks: U32
        withdrawable_at: BlockNumber

    class NothingToWithdraw(Error):
        """No part of the stake can be withdrawn at this height."""

        remedy: ClassVar[str] = "Read Staking.ledgers: each part names its height."
        account: AccountId

    class AlreadyCandidate(Error):
        """The account is a candidate already."""

        remedy: ClassVar[str] = "Wait for the end of the session."
        account: AccountId

    class NotCandidate(Error):
        """The account is no candidate."""

        remedy: ClassVar[str] = "Call Staking.validate to become one."
        account: AccountId

    class CandidatesFull(Error):
        """All places are taken by candidates who bonded at least as much."""

        remedy: ClassVar[str] = "Bond more than the smallest bond of a candidate."
        smallest: Amount

    class InJail(Error):
        """The account is jailed for an offence."""

        remedy: ClassVar[str] = "Call Staking.unjail from the height that is named."
        until: BlockNumber

    class NotInJail(Error):
        """The account is not jailed."""

        remedy: ClassVar[str] = "Call Staking.validate to become a candidate."
        account: AccountId

    # Calls

    @call(0, weight=weights.bond)
    def bond(self, account: Signed, amount: Amount) -> None:
        """Hold `amount` (in 10**-18 OPEN) of the signer as its bond."""
        bonded = self.ledgers[account].bonded
        if bonded:
            raise self.AlreadyBonded(bonded=bonded)
        self._add(account, amount)

    @call(1, weight=weights.bond_extra)
    def bond_extra(self, account: Signed, amount: Positive[Amount]) -> None:
        """Add `amount` of the signer to its bond."""
        self._require_bonded(account)
        self._add(account, amount)

    @call(2, weight=weights.unbond)
    def unbond(self, account: Signed, amount: Positive[Amount]) -> None:
        """Let `amount` of the bond leave; whoever unbonds everything is no candidate any more."""
        ledger = self._require_bonded(account)
        rest = ledger.bonded - amount
        if rest < 0:
            raise self.MoreThanBonded(bonded=ledger.bonded, needed=amount)
        if rest:
            self._require_enough(rest)
        else:
            self._remove_candidate(account)
        last_counted = max(self.block.height, self.counts_until.get())
        withdrawable_at = last_counted + self.unbonding_blocks.get()
        ledger.bonded = rest
        ledger.unbonding = self._with_chunk(ledger.unbonding, Chunk(amount, withdrawable_at))
        self.ledgers[account] = ledger
        self.emit(
            self.Unbonded(account=account, amount=amount, withdrawable_at=withdrawable_at),
        )

    @call(3, weight=weights.withdraw)
    def withdraw(self, account: Signed) -> None:
        """Release every part of the stake that has waited long enough."""
        ledger = self.ledgers[account]
        height = self.block.height
        due = [chunk for chunk in ledger.unbonding if chunk.withdrawable_at <= height]
        if not due:
            raise self.NothingToWithdraw(account=account)
        amount = sum(chunk.amount for chunk in due)
        ledger.unbonding = ledger.unbonding[len(due) :]
        self._store(account, ledger)
        self.currency.release(account, amount, STAKE)
        self.emit(self.Withdrawn(account=account, amount=amount))

    @call(4, weight=weights.validate)
    def validate(self, account: Signed) -> None:
        """Stand for election from the end of this session on."""
        ledger = self._require_bonded(account)
        if ledger.jailed_until is not None:
            raise self.InJail(until=ledger.jailed_until)
        self._add_candidate(account, ledger.bonded)

    @call(5, weight=weights.chill)
    def chill(self, account: Signed) -> None:
        """Stand for election no more; a validator stays one to the end of the session."""
        if not self._remove_candidate(account):
            raise self.NotCandidate(account=account)

    @call(6, weight=weights.unjail)
    def unjail(self, account: Signed) -> None:
        """End the signer's jail when its time is over, and stand for election again."""
        ledger = self._require_bonded(account)
        if ledger.jailed_until is None:
            raise self.NotInJail(account=account)
        if self.block.height < ledger.jailed_until:
            raise self.InJail(until=ledger.jailed_until)
        ledger.jailed_until = None
        self.ledgers[account] = ledger
        self.emit(self.Unjailed(account=account))
        self._add_candidate(account, ledger.bonded)

    # Invariants

    @invariant
    def stake_is_held(self) -> None:
        """Every candidate is there once, in order, out of jail, and its stake is held."""
        candidates = self.candidates.get()
        if list(candidates) != sorted(dict.fromkeys(candidates)):
            message = "Staking.candidates are not in the order of accounts."
            raise InvariantViolation(message, remedy="This is a bug: report it.")
        for account in candidates:
            ledger = self.ledgers[account]
            staked = ledger.bonded + sum(chunk.amount for chunk in ledger.unbonding)
            held = self.currency.held(account, STAKE)
            if held != staked or ledger.jailed_until is not None:
                message = f"The candidate {account.hex()} has staked {staked}, and {held} is held."
                raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers: `Stakes` for other pallets

    def ranked(self) -> Sequence[tuple[bytes, int]]:
        """The candidates with their bonds: the largest first, equal ones by account."""
        least = self.bond_min.get()
        bonds = [(account, self.ledgers[account].bonded) for account in self.candidates.get()]
        enough = [each for each in bonds if each[1] >= least]
        return sorted(enough, key=lambda each: (-each[1], each[0]))

    def note_session(self, ends_at: int) -> None:
        """The bonds of this moment were elected, and decide up to the height `ends_at`."""
        self.counts_until.put(ends_at)

    def answerable_blocks(self) -> int:
        """How long the stake behind a vote can be slashed."""
        return self.unbonding_blocks.get()

    def slash(self, account: bytes, amount: int, receiver: bytes) -> int:
        """Pay up to `amount` of a stake to `receiver`; returns how much there was to pay."""
        ledger = self.ledgers[account]
        of_bonded = min(amount, ledger.bonded)
        ledger.bonded -= of_bonded
        ledger.unbonding, of_unbonding = _without(ledger.unbonding, amount - of_bonded)
        slashed = of_bonded + of_unbonding
        if slashed:
            self._store(account, ledger)
            self.currency.move_held(account, slashed, STAKE, receiver)
            self.emit(self.Slashed(account=account, bonded=of_bonded, unbonding=of_unbonding))
        return slashed

    def jail(self, account: bytes, until: int) -> None:
        """Keep an account out of elections at least up to the height `until`."""
        with self.ledgers.edit(account) as ledger:
            ledger.jailed_until = max(until, ledger.jailed_until or 0)
        self._remove_candidate(account)
        self.emit(self.Jailed(account=account, until=until))

    # Helpers

    def _require_bonded(self, account: bytes) -> Ledger:
        ledger = self.ledgers[account]
        if not ledger.bonded:
            raise self.NotBonded(account=account)
        return ledger

    def _require_enough(self, bonded: int) -> None:
        least = self.bond_min.get()
        if bonded < least:
            raise self.BondTooLow(bonded=bonded, least=least)

    def _add(self, account: bytes, amount: int) -> None:
        self.currency.hold(account, amount, STAKE)
        with self.ledgers.edit(account) as ledger:
            ledger.bonded += amount
        self._require_enough(ledger.bonded)
        self.emit(self.Bonded(account=account, amount=amount, bonded=ledger.bonded))

    def _with_chunk(self, chunks: tuple[Chunk, ...], chunk: Chunk) -> tuple[Chunk, ...]:
        """With one more chunk in its place; what leaves at one height is one chunk."""
        heights = [each.withdrawable_at for each in chunks]
        place = bisect_left(heights, chunk.withdrawable_at)
        if chunk.withdrawable_at in heights:
            merged = replace(chunk, amount=chunk.amount + chunks[place].amount)
            return (*chunks[:place], merged, *chunks[place + 1 :])
        if len(chunks) == CHUNKS_MAX:
            raise self.TooManyChunks(chunks=len(chunks), withdrawable_at=heights[0])
        return (*chunks[:place], chunk, *chunks[place:])

    def _store(self, account: bytes, ledger: Ledger) -> None:
        if ledger == Ledger():
            del self.ledgers[account]
        else:
            self.ledgers[account] = ledger

    def _add_candidate(self, account: bytes, bonded: int) -> None:
        self._require_enough(bonded)
        candidates = list(self.candidates.get())
        if account in candidates:
            raise self.AlreadyCandidate(account=account)
        if len(candidates) == CANDIDATES_MAX:
            smallest, last = self._last_of(candidates)
            if bonded <= smallest:
                raise self.CandidatesFull(smallest=smallest)
            candidates.remove(last)
            self.emit(self.CandidateRemoved(account=last))
        insort(candidates, account)
        self.candidates.put(tuple(candidates))
        self.emit(self.CandidateAdded(account=account, bonded=bonded))

    def _last_of(self, candidates: Sequence[bytes]) -> tuple[int, bytes]:
        """Bond and account of the candidate that an election would take last."""
        bonds = [(self.ledgers[account].bonded, account) for account in candidates]
        smallest = min(bonds)[0]
        return max(each for each in bonds if each[0] == smallest)

    def _remove_candidate(self, account: bytes) -> bool:
        """Take an account from the candidates; whether it was one."""
        candidates = self.candidates.get()
        if account not in candidates:
            return False
        self.candidates.put(tuple([each for each in candidates if each != account]))
        self.emit(self.CandidateRemoved(account=account))
        return True


def _without(chunks: tuple[Chunk, ...], amount: int) -> tuple[tuple[Chunk, ...], int]:
    """The chunks after up to `amount` is taken, the latest first; and how much that was."""
    left = amount
    kept = []
    for chunk in reversed(chunks):
        taken = min(left, chunk.amount)
        left -= taken
        if chunk.amount > taken:
            kept.append(replace(chunk, amount=chunk.amount - taken))
    return tuple(reversed(kept)), amount - left
