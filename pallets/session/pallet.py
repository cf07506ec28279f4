"""Who decides the next height: validators' keys, sessions, sets, and beacons.

Terms.  A *session* is a number of blocks with one election, at its end.  The *set* is the
validators who decide a height, with their keys and weights.  `current` after block h is the set
that decides h + 1, so `next_validators_hash` of header h names it, and `validators_hash` of
header h + 1.

Rules:

- At the end of a session the candidates with the largest bonds who have keys become the set, at
  most `validators_max`; it decides from the next height on.  Offenders leave at once.
- The set is never empty: where it would be, the one before stays, and an event says so.
- A key belongs for ever to the account that first proved to have its secret, so a signature tells
  who made it however old it is.  New keys count from the next election on.
- A weight is a bond in millionths of OPEN, rounded down: all weights together fit 64 bits.
- Sets are remembered while their validators can be slashed, `SETS_MAX` of them at most, and so are
  the beacons of the last `BEACONS_MAX` blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pallets.session import weights
from pallets.session.types import Beacon, KnownSet, SetChange
from runtime import (
    U32,
    U64,
    AccountId,
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
from runtime.hashing import hash_validators
from runtime.keys import is_weak, verify
from runtime.traits import BlsVerifier, Stakes
from runtime.types import BlsPublicKey, BlsSignature, PublicKey
from runtime.wire.session_keys import KeyProofs, SessionKeys
from runtime.wire.validators import VALIDATORS_MAX, WEIGHT_UNIT, Validator, ValidatorSet

SESSION_BLOCKS_MOST = 2**32
SETS_MAX = 1_024
"""The most changes of the set that are remembered."""
FORGOTTEN_AT_ONCE_MAX = 2
"""How many a change lets go: more than it adds, so that there are never too many for long."""
BEACONS_MAX = 256
"""The most beacons that are remembered."""
BEACON_DELAY_BLOCKS = 2
"""From a height to the first beacon that nobody knew then."""


class Session(Pallet, index=4):
    """Keys, sessions and sets of validators."""

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

    def expel(self, accounts: Sequence[bytes]) -> None:
        """Take validators out of the set that decides the next height."""
        current = self.current.get()
        members = () if current is None else current.validators
        rest = tuple([each for each in members if each.account not in accounts])
        if len(rest) < len(members):
            self._adopt(rest)

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
        self.stakes.note_session(ends_at)
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
        """The candidates with the largest bonds who have keys, in the order of accounts."""
        most = self.validators_max.get()
        elected: list[Validator] = []
        for account, bond in self.stakes.ranked():
            keys = self.keys.get(account)
            if keys is not None:
                weight = bond // WEIGHT_UNIT
                elected.append(Validator(account, weight, keys.vote_key, keys.bls_key))
            if len(elected) == most:
                break
        return tuple(sorted(elected, key=lambda each: each.account))

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
