"""Who decides the next height: candidates, validators' keys, sessions, sets, and beacons.

Terms.  A *candidate* is an account that wants to validate.  A *jailed* account has offended and is
no candidate until its jail is over and it asks back in.  A *session* is a number of blocks with one
election, at its end.  The *set* is the validators who decide a height, with their keys and weights.
`current` after block h is the set that decides h + 1, so `next_validators_hash` of header h names
it, and `validators_hash` of header h + 1.

Rules:

- At the end of a session the candidates who have keys and the largest stake behind them become the
  set, at most `validators_max`; it decides from the next height on.  Only `change_max_ppb` of the
  weight may change in one election (`pallets.session.election`).  Offenders leave at once.
- There are at most `CANDIDATES_MAX` candidates.  When all places are taken, a newcomer with more
  stake takes the place of the one who has the least: small ones keep nobody out.
- The set is never empty: where it would be, the one before stays, and an event says so.
- A key belongs for ever to the account that first proved to have its secret, so a signature tells
  who made it however old it is.  New keys count from the next election on.
- A weight is stake in millionths of OPEN, rounded down: all weights together fit 64 bits.
- Sets are remembered while their validators can be slashed, `SETS_MAX` of them at most, and so are
  the beacons of the last `BEACONS_MAX` blocks.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.session import weights
from pallets.session.election import elect
from pallets.session.types import CANDIDATES_MAX, Beacon, Candidates, KnownSet, SetChange
from runtime import (
    PPB,
    U32,
    U64,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    Hash,
    InvariantViolation,
    Map,
    Needs,
    Pallet,
    Parameter,
    ShortText,
    Signed,
    Value,
    call,
    invariant,
    on_finalize,
    on_initialize,
)
from runtime.arithmetic import apply_ppb
from runtime.hashing import hash_validators
from runtime.keys import is_weak, verify
from runtime.traits import BlsVerifier, Stakes
from runtime.types import BlsPublicKey, BlsSignature, PublicKey
from runtime.wire.session_keys import KeyProofs, SessionKeys
from runtime.wire.validators import SETS_MAX, VALIDATORS_MAX, WEIGHT_UNIT, Validator, ValidatorSet

SESSION_BLOCKS_MOST = 2**32
CHANGE_PPB_LEAST = 10_000_000
FORGOTTEN_AT_ONCE_MAX = 2
"""How many a change lets go: more than it adds, so that there are never too many for long."""
BEACONS_MAX = 256
"""The most beacons that are remembered."""
BEACON_DELAY_BLOCKS = 2
"""From a height to the first beacon that nobody knew then."""


class Session(Pallet, index=4):
    """Candidates, keys, sessions and sets of validators."""

    # Needs

    stakes: Needs[Stakes]
    bls: Needs[BlsVerifier]

    # Storage, parameters first

    session_blocks = Parameter[Annotated[int, Between(1, SESSION_BLOCKS_MOST)]](
        7_200, "From one election to the next: an hour of half seconds."
    )
    validators_max = Parameter[Annotated[int, Between(1, VALIDATORS_MAX)]](
        100, "The most validators that are elected."
    )
    change_max_ppb = Parameter[Annotated[int, Between(CHANGE_PPB_LEAST, PPB)]](
        333_333_333,
        "Which part of the weight may leave in one session, and which part may be new after it.",
    )
    candidates = Value[Candidates](())
    """Who stands for election, in the order of accounts."""
    jails = Map[AccountId, BlockNumber]()
    """The first height at which `unjail` may end an account's jail."""
    index = Value[U64](0)
    """The number of the session in progress."""
    ends_at = Value[BlockNumber](0)
    """The last block of the session in progress."""
    current = Value[ValidatorSet | None](None)
    """Who decides the next height; None only in a runtime that was not given validators."""
    keys = Map[AccountId, SessionKeys]()
    vote_key_owners = Map[PublicKey, AccountId]()
    bls_key_owners = Map[BlsPublicKey, AccountId]()
    possessions = Map[BlsPublicKey, BlsSignature]()
    """What nodes show light clients with a set that these do not know: proofs of its BLS keys."""
    first_change = Value[U64](0)
    """The number of the oldest change of the set that is remembered."""
    next_change = Value[U64](0)
    changes = Map[U64, SetChange]()
    known_sets = Map[Hash, KnownSet]()
    beacons = Map[U32, Beacon]()
    """By height modulo `BEACONS_MAX`."""

    # Events

    class KeysSet(Event):
        """An account will sign with these keys from the next election on."""

        account: AccountId
        keys: SessionKeys

    class KeysPurged(Event):
        """An account has no keys any more, and is not elected until it has."""

        account: AccountId

    class CandidateAdded(Event):
        """An account stands for election."""

        account: AccountId
        stake: Amount

    class CandidateRemoved(Event):
        """An account stands for election no more."""

        account: AccountId

    class Jailed(Event):
        """An account may not be a candidate until the height that is named."""

        account: AccountId
        until: BlockNumber

    class Unjailed(Event):
        """An account's jail is over."""

        account: AccountId

    class SessionStarted(Event):
        """A session began, with the set that decides its first block."""

        index: U64
        first_height: BlockNumber
        validators_hash: Hash

    class SetChanged(Event):
        """From this height on another set decides."""

        first_height: BlockNumber
        validators_hash: Hash
        validators: U32

    class SetKept(Event):
        """Nobody could be elected, or nobody would be left: the set stays as it is."""

        first_height: BlockNumber
        validators_hash: Hash

    # Errors

    class NotProved(Error):
        """A proof does not show that the account has the secret of the key."""

        remedy: ClassVar[str] = "Sign this account and both keys, for this chain, with each key."
        proof: ShortText

    class WeakKey(Error):
        """Anybody can sign with this vote key."""

        remedy: ClassVar[str] = "Make a vote key from a random seed."
        vote_key: PublicKey

    class KeyTaken(Error):
        """The key is, or was, another account's."""

        remedy: ClassVar[str] = "Make new keys: no key is ever used by two accounts."
        owner: AccountId

    class NoKeys(Error):
        """The account has no keys."""

        remedy: ClassVar[str] = "Give some with Session.set_keys."
        account: AccountId

    class BondTooLow(Error):
        """The account has bonded less than a validator must."""

        remedy: ClassVar[str] = "Bond Staking.bond_min at least with Staking.bond."
        account: AccountId

    class AlreadyCandidate(Error):
        """The account is a candidate already."""

        remedy: ClassVar[str] = "Wait for the end of the session."
        account: AccountId

    class NotCandidate(Error):
        """The account is no candidate."""

        remedy: ClassVar[str] = "Call Session.validate to become one."
        account: AccountId

    class CandidatesFull(Error):
        """All places are taken by candidates who have at least as much stake behind them."""

        remedy: ClassVar[str] = "Have more behind you than the candidate who has the least."
        smallest: Amount

    class InJail(Error):
        """The account is jailed for an offence."""

        remedy: ClassVar[str] = "Call Session.unjail from the height that is named."
        until: BlockNumber

    class NotInJail(Error):
        """The account is not jailed."""

        remedy: ClassVar[str] = "Call Session.validate to become a candidate."
        account: AccountId

    class BeaconUnknown(Error):
        """The beacon is not there yet, or is not remembered any more."""

        remedy: ClassVar[str] = "Ask again from the height that is named, and not much later."
        earliest: BlockNumber

    # Calls

    @call(0, weight=weights.set_keys)
    def set_keys(self, account: Signed, keys: SessionKeys, proofs: KeyProofs) -> None:
        """Sign with `keys` from the next election on; `proofs` show that the signer has them."""
        self._require_proofs(account, keys, proofs)
        for owners, key in (
            (self.vote_key_owners, keys.vote_key),
            (self.bls_key_owners, keys.bls_key),
        ):
            owner = owners.get(key)
            if owner not in (None, account):
                raise self.KeyTaken(owner=owner)
            owners[key] = account
        self.possessions[keys.bls_key] = proofs.possession
        self.keys[account] = keys
        self.emit(self.KeysSet(account=account, keys=keys))

    @call(1, weight=weights.purge_keys)
    def purge_keys(self, account: Signed) -> None:
        """Forget the signer's keys: it is not elected again; what it still signs counts."""
        if account not in self.keys:
            raise self.NoKeys(account=account)
        del self.keys[account]
        self.emit(self.KeysPurged(account=account))

    @call(2, weight=weights.validate)
    def validate(self, account: Signed) -> None:
        """Stand for election from the end of this session on."""
        until = self.jails.get(account)
        if until is not None:
            raise self.InJail(until=until)
        self._add_candidate(account)

    @call(3, weight=weights.chill)
    def chill(self, account: Signed) -> None:
        """Stand for election no more; a validator stays one to the end of the session."""
        if not self._remove_candidate(account):
            raise self.NotCandidate(account=account)

    @call(4, weight=weights.unjail)
    def unjail(self, account: Signed) -> None:
        """End the signer's jail when its time is over, and stand for election again."""
        until = self.jails.get(account)
        if until is None:
            raise self.NotInJail(account=account)
        if self.block.height < until:
            raise self.InJail(until=until)
        del self.jails[account]
        self.emit(self.Unjailed(account=account))
        self._add_candidate(account)

    # Hooks

    @on_initialize
    def note_beacon(self) -> None:
        """Remember the block's beacon."""
        height = self.block.height
        self.beacons[height % BEACONS_MAX] = Beacon(height, self.block.beacon)

    @on_finalize
    def end_session(self) -> None:
        """Elect at the end of a session."""
        if self.block.height >= self.ends_at.get():
            self.index.put(self.index.get() + 1)
            self.stakes.end_session()
            self.begin_session()

    # Invariants

    @invariant
    def current_is_remembered(self) -> None:
        """The set that decides the next height is remembered as that."""
        last = self.next_change.get() - 1
        known = None if last < 0 else self.known_set(self.changes[last].validators_hash)
        if known != self.current.get():
            message = "Session.current is not the set of the last change."
            raise InvariantViolation(message, remedy="This is a bug: report it.")

    @invariant
    def candidates_are_in_order(self) -> None:
        """Every candidate is there once, in the order of accounts, and none is jailed."""
        candidates = self.candidates.get()
        if list(candidates) != sorted(dict.fromkeys(candidates)):
            message = "Session.candidates are not in the order of accounts."
            raise InvariantViolation(message, remedy="This is a bug: report it.")
        for account in candidates:
            if account in self.jails:
                message = f"The candidate {account.hex()} is jailed."
                raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers: `ValidatorSets` for other pallets

    def known_set(self, validators_hash: bytes) -> ValidatorSet | None:
        """A set that decided heights not long ago; None for any other."""
        known = self.known_sets.get(validators_hash)
        return None if known is None else known.validators

    def hash_at(self, height: int) -> bytes | None:
        """The hash of the set that decides a height, if nothing changes before; None: forgotten."""
        low, high = self.first_change.get(), self.next_change.get()
        if low == high or height < self.changes[low].first_height:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.changes[middle].first_height <= height:
                low = middle
            else:
                high = middle
        return self.changes[low].validators_hash

    def validator_count(self) -> int:
        """How many validators decide the next height."""
        current = self.current.get()
        return 0 if current is None else len(current.validators)

    def jail(self, accounts: Sequence[bytes], until: int) -> None:
        """Take accounts out of the set that decides the next height, and of elections.

        They may come back from the height `until` on.
        """
        for account in accounts:
            height = max(until, self.jails.get(account) or 0)
            self.jails[account] = height
            self._remove_candidate(account)
            self.stakes.dismiss(account)
            self.emit(self.Jailed(account=account, until=height))
        current = self.current.get()
        members = () if current is None else current.validators
        rest = tuple([each for each in members if each.account not in accounts])
        if len(rest) < len(members):
            self._adopt(rest)

    def release(self, account: bytes) -> None:
        """Let a jailed account come back from now on."""
        if account in self.jails:
            self.jails[account] = min(self.jails[account], self.block.height)

    # Helpers: `Randomness` for other pallets

    def beacon_after(self, height: int) -> bytes:
        """What nobody knew at a height, 32 bytes; raises `BeaconUnknown`."""
        wanted = height + BEACON_DELAY_BLOCKS
        beacon = self.beacons.get(wanted % BEACONS_MAX)
        if beacon is None or beacon.height != wanted:
            raise self.BeaconUnknown(earliest=wanted)
        return beacon.value

    # Helpers

    def begin_session(self) -> None:
        """Elect, and begin a session with the next block; genesis begins the first."""
        height = self.block.height
        self._adopt(self._elect())
        ends_at = height + self.session_blocks.get()
        self.ends_at.put(ends_at)
        current = self.current.get()
        members = () if current is None else current.validators
        weight = sum(each.weight for each in members)
        leaving_most = apply_ppb(weight * WEIGHT_UNIT, self.change_max_ppb.get())
        free = [each.account for each in members if each.account not in self.jails]
        self.stakes.begin_session(ends_at, free, leaving_most)
        validators_hash = self.hash_at(height + 1)
        if validators_hash is not None:
            self.emit(
                self.SessionStarted(
                    index=self.index.get(),
                    first_height=height + 1,
                    validators_hash=validators_hash,
                )
            )

    def _elect(self) -> tuple[Validator, ...]:
        """The next set, in the order of accounts; empty if nobody can be elected."""
        current = self.current.get()
        members = {} if current is None else {each.account: each for each in current.validators}
        ranked = []
        for account, stake in self._ranked():
            keys = self.keys.get(account)
            if keys is not None:
                weight = stake // WEIGHT_UNIT
                members[account] = Validator(account, weight, keys.vote_key, keys.bls_key)
                ranked.append((account, weight))
        decided = () if current is None else current.validators
        weights = elect(
            ranked,
            {each.account: each.weight for each in decided},
            {each.account: self._able(each.account) for each in decided},
            self.validators_max.get(),
            self.change_max_ppb.get(),
        )
        return tuple(
            [replace(members[account], weight=weights[account]) for account in sorted(weights)]
        )

    def _able(self, account: bytes) -> int:
        """The weight that the stake behind an account is good for; 0 for one in jail."""
        return 0 if account in self.jails else self.stakes.stake_of(account) // WEIGHT_UNIT

    def _ranked(self) -> list[tuple[bytes, int]]:
        """The candidates with the stake behind them: the largest first, equal ones by account."""
        able = [each for each in self.candidates.get() if self.stakes.may_validate(each)]
        stakes = [(account, self.stakes.stake_of(account)) for account in able]
        return sorted(stakes, key=lambda each: (-each[1], each[0]))

    def _add_candidate(self, account: bytes) -> None:
        if not self.stakes.may_validate(account):
            raise self.BondTooLow(account=account)
        stake = self.stakes.stake_of(account)
        candidates = list(self.candidates.get())
        if account in candidates:
            raise self.AlreadyCandidate(account=account)
        if len(candidates) == CANDIDATES_MAX:
            smallest, last = self._last_of(candidates)
            if stake <= smallest:
                raise self.CandidatesFull(smallest=smallest)
            candidates.remove(last)
            self.emit(self.CandidateRemoved(account=last))
        insort(candidates, account)
        self.candidates.put(tuple(candidates))
        self.emit(self.CandidateAdded(account=account, stake=stake))

    def _last_of(self, candidates: Sequence[bytes]) -> tuple[int, bytes]:
        """Stake and account of the candidate that an election would take last."""
        stakes = [(self.stakes.stake_of(account), account) for account in candidates]
        smallest = min(stakes)[0]
        return max(each for each in stakes if each[0] == smallest)

    def _remove_candidate(self, account: bytes) -> bool:
        """Take an account from the candidates; whether it was one."""
        candidates = self.candidates.get()
        if account not in candidates:
            return False
        self.candidates.put(tuple([each for each in candidates if each != account]))
        self.emit(self.CandidateRemoved(account=account))
        return True

    def _adopt(self, validators: tuple[Validator, ...]) -> None:
        """Let these validators decide from the next height on, if there are any."""
        current = self.current.get()
        first_height = self.block.height + 1
        if not validators:
            if current is not None:
                kept = current.hash()
                self.emit(self.SetKept(first_height=first_height, validators_hash=kept))
            return
        chosen = ValidatorSet(validators)
        if chosen == current:
            return
        self.current.put(chosen)
        validators_hash = self.hash(hash_validators, chosen.encode())
        self._note_change(SetChange(first_height, validators_hash), chosen)
        self._forget_changes()
        self.emit(
            self.SetChanged(
                first_height=first_height,
                validators_hash=validators_hash,
                validators=len(validators),
            )
        )

    def _note_change(self, change: SetChange, chosen: ValidatorSet) -> None:
        number = self.next_change.get()
        self.next_change.put(number + 1)
        self.changes[number] = change
        self.known_sets[change.validators_hash] = KnownSet(chosen, number)

    def _forget_changes(self) -> None:
        """Forget up to two sets that are too old for evidence, or too many to remember."""
        answerable = self.stakes.answerable_blocks()
        for _ in range(FORGOTTEN_AT_ONCE_MAX):
            number = self.first_change.get()
            count = self.next_change.get() - number
            if count == 1:
                return
            over_since = self.changes[number + 1].first_height
            if count <= SETS_MAX and self.block.height < over_since + answerable:
                return
            validators_hash = self.changes[number].validators_hash
            if self.known_sets[validators_hash].last_change == number:
                del self.known_sets[validators_hash]
            del self.changes[number]
            self.first_change.put(number + 1)

    def _require_proofs(self, account: bytes, keys: SessionKeys, proofs: KeyProofs) -> None:
        if is_weak(keys.vote_key):
            raise self.WeakKey(vote_key=keys.vote_key)
        payload = keys.payload(self.genesis_hash, account)
        if not verify(keys.vote_key, payload, proofs.vote_signature):
            raise self.NotProved(proof="vote_signature")
        if not self.bls.verify(keys.bls_key, payload, proofs.bls_signature):
            raise self.NotProved(proof="bls_signature")
        if not self.bls.verify_possession(keys.bls_key, proofs.possession):
            raise self.NotProved(proof="possession")
