"""The chain of one node: its store, its runtime and its head; the one place where state changes.

`build`, `execute` and `commit` block and run in a worker thread, one at a time, with a runtime of
their own; everything else is quick, runs on the event loop and reads finalised state only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Self

import trio

from consensus.commit import Commit, commit_of, verify_commit
from consensus.decision import Decision
from consensus.errors import InvalidCertificate
from genesis.chain_spec import ChainSpec, genesis_block, is_genesis_of
from node.beacon import Beacon, check_beacon, make_beacon
from node.config import DataDirectory
from node.consensus.signing import BlockKeys
from node.errors import ConfigError, NotFound, StorageMigrating
from node.history.decoder import SpecDecoder
from node.history.stored import keep_metadata, stored_metadata
from node.history.versions import SpecDecoders
from runtime.block import Block, BlockContext, Header
from runtime.cbor import Plain
from runtime.codec import codec_of
from runtime.errors import (
    DecodeError,
    InvalidBlock,
    InvalidTransaction,
    InvariantViolation,
    StoreError,
)
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.extrinsic import (
    CheckedExtrinsic,
    CheckedInherent,
    OpenedExtrinsic,
    check_inherent,
    is_inherent,
)
from runtime.fees import FeeSchedule
from runtime.hashing import ZERO_HASH, hash_commit, hash_validators
from runtime.merkle import list_root
from runtime.outcome import BlockOutcome
from runtime.state.cache import CachedState
from runtime.state.store import BlockRecord, Prepared, Retention, Store
from runtime.storage import storage_key
from runtime.wire.validators import ValidatorSet

RECENT_EVENTS_MAX = 16
"""Heights whose decoded events are kept: clients ask for the status of every extrinsic."""
Admitted = Callable[[bytes], CheckedExtrinsic | None]
"""The waiting extrinsic of these bytes, whose signature was verified when it was admitted."""
_NO_EVENTS = b"\x80"


@dataclass(frozen=True, slots=True)
class BlockEvents:
    """The events of a block, and what can tell of values in them."""

    decoder: SpecDecoder
    by_extrinsic: Mapping[int | None, Sequence[EventRecord]]
    """By the extrinsic's index; None: those of the block itself."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An executed block that can be committed on the head."""

    header: Header
    block_id: bytes
    encoded: bytes
    extrinsic_hashes: tuple[bytes, ...]
    events: bytes
    prepared: Prepared
    changed: Mapping[bytes, Plain]
    """The plain data of what the block changes."""
    left_out: Mapping[bytes, InvalidTransaction]
    """Why an extrinsic that was offered is not in the block, by its hash."""


class Chain:
    """An open chain; use `Chain.open`, and `close` it in the end."""

    def __init__(self, store: Store, spec: ChainSpec, keys: BlockKeys | None) -> None:
        """Take over an open store; commits block 0 to an empty one.

        Without `keys` the node only follows, and builds no block.
        """
        genesis, changes, self._executor = genesis_block(spec)
        self.spec = spec
        self.store = store
        self.runtime: Runtime = spec.runtime()
        self.advanced = trio.Event()
        """Set, and replaced, when there is a new head."""
        self._keys = keys
        self._state = CachedState(store)
        self._recent_events: dict[int, BlockEvents] = {}
        self._events_lock = threading.Lock()
        self._decoders = SpecDecoders()
        if store.head is None:
            events = self.runtime.encode_events(())
            record = BlockRecord(0, genesis.header.id(), genesis.encode(), b"", events, ())
            store.commit(store.prepare(changes), record)
        self.genesis_hash = self._stored_genesis(genesis.header).id()
        self.head: Header = self._load_head()
        self.validators = self._stored_validators()
        """Who decides the next height."""
        self.head_validators = self._validators_of_head()
        """Who decided the head."""
        self.head_commit = self._load_commit()
        """How the head was decided; empty for block 0."""
        self.is_migrating = self.runtime.is_migrating(store)
        """Whether an upgrade is not finished: blocks take nothing, and accounts cannot be read."""
        keep_metadata(store, self.runtime.metadata())

    @classmethod
    def open(
        cls,
        directory: DataDirectory,
        spec: ChainSpec,
        keys: BlockKeys | None,
        retention: Retention | None = None,
    ) -> Self:
        """Open or create the chain of a data directory; raises `StoreError`, `ConfigError`."""
        # Where a key has signed, a missing store is lost data, not a new chain.
        store = Store.open(directory.state, not directory.signer.exists(), retention)
        try:
            return cls(store, spec, keys)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Release the store."""
        self.store.close()

    @property
    def head_id(self) -> bytes:
        """The id of the last finalised block."""
        return self.head.id()

    # On the event loop

    def nonce_of(self, account: bytes) -> int:
        """The next nonce of an account in the finalised state; raises `StorageMigrating`."""
        self._check_not_migrating()
        with self.runtime.reading(self.store):
            nonce: int = self.runtime.pallets["Balances"].next_nonce(account)
        return nonce

    def open_extrinsic(self, raw: bytes) -> OpenedExtrinsic:
        """Decode an extrinsic, and leave its signature to be verified; see `open_extrinsic`."""
        return self.runtime.open(raw, self.genesis_hash)

    def check(self, raw: bytes) -> CheckedExtrinsic:
        """Decode an extrinsic and verify its signature; see `check_extrinsic`."""
        return self.runtime.check(raw, self.genesis_hash)

    def check_spec_version(self) -> None:
        """Raise `WrongSpecVersion` unless this installation executes the next block."""
        self.runtime.check_spec_version(self.store, self.head.height + 1)

    def validate(self, checked: CheckedExtrinsic) -> None:
        """Raise `InvalidTransaction` for what could not enter the next block, or a later one.

        Raises `StorageMigrating` while an upgrade is not finished.
        """
        self._check_not_migrating()
        self.runtime.validate(self.store, checked, self.head.height + 1)

    def fee_of(self, checked: CheckedExtrinsic) -> int:
        """What an extrinsic would pay in the next block, tip apart; raises `StorageMigrating`."""
        self._check_not_migrating()
        return self.runtime.fee(self.store, checked)

    def schedule(self) -> FeeSchedule:
        """The prices of the next block; raises `StorageMigrating`."""
        self._check_not_migrating()
        return self.runtime.schedule(self.store)

    def _check_not_migrating(self) -> None:
        if self.is_migrating:
            version = self.runtime.spec_version
            message = f"The chain is upgrading its storage to spec version {version}."
            raise StorageMigrating(message, remedy="Send it again in a few seconds.")

    def is_own(self, header: Header) -> bool:
        """Whether this node's validator built a block."""
        return self._keys is not None and header.proposer == self._keys.account

    def spec_version_at(self, height: int) -> int:
        """The spec version of a block; raises `NotFound`, `Pruned`."""
        header = self.head if height == self.head.height else self.store.header(height)
        if header is None:
            message = f"There is no block {height}."
            raise NotFound(message, remedy=f"Ask for a height from 0 to {self.head.height}.")
        return header.spec_version

    def decoder_of(self, spec_version: int) -> SpecDecoder:
        """What decodes the blocks of a spec version; raises `NotFound`."""
        return self._decoders.of(spec_version, lambda: stored_metadata(self.store, spec_version))

    def events_at(self, height: int) -> BlockEvents:
        """The decoded events of a block by their extrinsic; those asked for lately are kept."""
        with self._events_lock:
            known = self._recent_events.get(height)
            if known is None:
                decoder = self.decoder_of(self.spec_version_at(height))
                by_extrinsic: dict[int | None, list[EventRecord]] = {}
                for event in decoder.decode_events(self.store.events(height) or _NO_EVENTS):
                    by_extrinsic.setdefault(event.extrinsic_index, []).append(event)
                self._recent_events[height] = known = BlockEvents(decoder, by_extrinsic)
                if len(self._recent_events) > RECENT_EVENTS_MAX:
                    self._recent_events.pop(next(iter(self._recent_events)))
            return known

    def advance(self, candidate: Candidate, decision: Decision) -> None:
        """Note that `candidate`, just committed, is the head."""
        self.head = candidate.header
        self.head_validators, self.validators = self.validators, self._stored_validators()
        self.head_commit = commit_of(decision.certificate).encode()
        # Once finished it stays so: another spec version is another process.
        self.is_migrating = self.is_migrating and self.runtime.is_migrating(self.store)
        reached, self.advanced = self.advanced, trio.Event()
        reached.set()

    # In the worker thread

    def build(
        self,
        extrinsics: Sequence[CheckedExtrinsic],
        now_ms: int,
        offered: Mapping[str, bytes] | None = None,
    ) -> Candidate:
        """Execute what may enter the next block, and seal it; only a validator can.

        `offered` is what inherents are made of; see `Runtime.execute`.
        """
        if self._keys is None:
            raise InvariantViolation("A node without keys builds no block.", remedy=_BUG)
        height = self.head.height + 1
        beacon = make_beacon(self._keys, self.genesis_hash, height, self.head.beacon)
        time_ms = max(now_ms, self.head.time_ms + 1)
        context = self._context(time_ms, self._keys.account, beacon)
        outcome = self._executor.execute(
            self._state,
            context,
            self.genesis_hash,
            extrinsics,
            skip_invalid=True,
            offered=offered,
        )
        prepared = self.store.prepare(outcome.changes)
        commit = self.head_commit
        header = self._header(context, beacon, outcome, prepared, commit)
        block = Block(header, outcome.included, commit)
        return self._candidate(header, block.encode(), outcome, prepared)

    def execute(self, encoded: bytes, admitted: Admitted | None = None) -> Candidate:
        """Execute a block that was made before; raises `InvalidBlock` unless its header holds.

        Extrinsics that are `admitted` already are not checked again.
        """
        block = codec_of(Block).decode(encoded)
        claimed = block.header
        beacon = Beacon(claimed.beacon, claimed.beacon_proof)
        check_beacon(
            beacon,
            self._proposer_key(claimed),
            self.genesis_hash,
            claimed.height,
            self.head.beacon,
        )
        self._check_last_commit(block)
        context = self._context(claimed.time_ms, claimed.proposer, beacon)
        checked = [self._checked(raw, admitted) for raw in block.extrinsics]
        outcome = self._executor.execute(
            self._state, context, self.genesis_hash, checked, skip_invalid=False
        )
        prepared = self.store.prepare(outcome.changes)
        header = self._header(context, beacon, outcome, prepared, block.last_commit)
        if header != claimed:
            message = f"Block {claimed.height} does not lead to what its header claims."
            remedy = "Install the version of OpenLedger that made the block, and start again."
            raise InvalidBlock(message, remedy=remedy)
        return self._candidate(claimed, encoded, outcome, prepared)

    def _checked(self, raw: bytes, admitted: Admitted | None) -> CheckedExtrinsic | CheckedInherent:
        known = admitted(raw) if admitted else None
        return known or self._executor.check_any(raw, self.genesis_hash)

    def _proposer_key(self, header: Header) -> bytes:
        index = self.validators.index_of(header.proposer)
        if index is None:
            message = f"The proposer {header.proposer.hex()} of block {header.height} is none."
            raise InvalidBlock(message, remedy=_REFUSE)
        return self.validators.validators[index].bls_key

    def _check_last_commit(self, block: Block) -> None:
        """Raise `InvalidBlock` unless the block shows how the head was decided."""
        if self.head.height == 0:
            valid = not block.last_commit
        else:
            valid = self._decides_head(block.last_commit)
        if not valid:
            message = f"Block {block.header.height} does not show how its parent was decided."
            raise InvalidBlock(message, remedy=_REFUSE)

    def _decides_head(self, encoded: bytes) -> bool:
        if encoded == self.head_commit:
            return True
        try:
            commit = Commit.decode(encoded)
            verify_commit(commit, self.head_validators, self.genesis_hash)
        except (DecodeError, InvalidCertificate):
            return False
        return (commit.height, commit.block_id) == (self.head.height, self.head_id)

    def commit(self, candidate: Candidate, decision: Decision) -> None:
        """Write a block, its effects and what decided it in one synced batch."""
        record = BlockRecord(
            candidate.header.height,
            candidate.block_id,
            candidate.encoded,
            decision.encode(),
            candidate.events,
            candidate.extrinsic_hashes,
        )
        self.store.commit(candidate.prepared, record)
        self._state.advance(candidate.changed)

    def _context(self, time_ms: int, proposer: bytes, beacon: Beacon) -> BlockContext:
        return BlockContext(
            height=self.head.height + 1,
            time_ms=time_ms,
            proposer=proposer,
            beacon=beacon.value,
            parent_hash=self.head_id,
        )

    def _header(
        self,
        context: BlockContext,
        beacon: Beacon,
        outcome: BlockOutcome,
        prepared: Prepared,
        last_commit: bytes,
    ) -> Header:
        return Header(
            height=context.height,
            parent_hash=context.parent_hash,
            time_ms=context.time_ms,
            proposer=context.proposer,
            state_root=prepared.root,
            extrinsics_root=outcome.extrinsics_root,
            events_root=outcome.events_root,
            validators_hash=self.validators.hash(),
            next_validators_hash=self._next_validators_hash(outcome),
            last_commit_hash=hash_commit(last_commit) if last_commit else ZERO_HASH,
            evidence_root=self._evidence_root(outcome.included),
            spec_version=self._executor.spec_version,
            beacon=beacon.value,
            beacon_proof=beacon.proof,
        )

    def evidence_in(self, extrinsics: Sequence[bytes]) -> list[bytes]:
        """The evidence that a block's inherents submit; they come first."""
        inherents = [
            check_inherent(raw, self.runtime.call_codec)
            for raw in takewhile(is_inherent, extrinsics)
        ]
        return [
            bytes(each.arguments[0])
            for each in inherents
            if (each.definition.pallet, each.definition.name) == _SUBMIT_EVIDENCE
        ]

    def _evidence_root(self, extrinsics: Sequence[bytes]) -> bytes:
        """Of the evidence in a block, so that whoever has only headers can be shown it."""
        evidence = self.evidence_in(extrinsics)
        return list_root(evidence) if evidence else ZERO_HASH

    def _next_validators_hash(self, outcome: BlockOutcome) -> bytes:
        """Of the set that decides the height after the block."""
        changed = outcome.changes.get(_CURRENT_SET)
        return hash_validators(changed) if changed else self.validators.hash()

    def _candidate(
        self, header: Header, encoded: bytes, outcome: BlockOutcome, prepared: Prepared
    ) -> Candidate:
        return Candidate(
            header,
            header.id(),
            encoded,
            tuple([result.extrinsic_hash for result in outcome.results]),
            outcome.encoded_events,
            prepared,
            outcome.changed,
            outcome.left_out,
        )

    # On start

    def _stored_genesis(self, computed: Header) -> Header:
        """The chain's block 0, which is that of its chain spec; raises `ConfigError`."""
        stored = self.store.header(0)
        if stored is None:
            raise _inconsistent("has no block 0")
        if not is_genesis_of(stored, computed):
            message = "The stored chain began with another block than the chain spec describes."
            remedy = "Use the chain.toml it was made with, or another --data directory."
            raise ConfigError(message, remedy=remedy)
        return stored

    def _stored_validators(self) -> ValidatorSet:
        """The set that decides the height after the head."""
        stored = self.store.get(_CURRENT_SET)
        if stored is None:
            raise _inconsistent("has no validators")
        return ValidatorSet.decode(stored)

    def _validators_of_head(self) -> ValidatorSet:
        """The set that decided the head."""
        if self.head.validators_hash == self.validators.hash():
            return self.validators
        with self.runtime.reading(self.store):
            known: ValidatorSet | None = self.runtime.pallets["Session"].known_set(
                self.head.validators_hash
            )
        if known is None:
            raise _inconsistent("does not know who decided its head")
        return known

    def _load_commit(self) -> bytes:
        """How the head was decided."""
        stored = self.store.commit_certificate(self.head.height)
        return commit_of(Decision.decode(stored).certificate).encode() if stored else b""

    def _load_head(self) -> Header:
        head = self.store.head
        encoded = None if head is None else self.store.block(head.height)
        if head is None or encoded is None:
            raise _inconsistent("has no block at its head")
        header = codec_of(Block).decode(encoded).header
        if (header.id(), header.state_root) != (head.block_id, head.state_root):
            raise _inconsistent("has another block at its head than its state is of")
        if header.spec_version > self.runtime.spec_version:
            message = (
                f"The chain is of spec version {header.spec_version}, "
                f"and this installation of {self.runtime.spec_version}."
            )
            raise ConfigError(message, remedy="Install the newer version of OpenLedger.")
        return header


_SUBMIT_EVIDENCE = ("Offences", "submit")
_CURRENT_SET = storage_key("Session", "current")
_BUG = "This is a bug: report it."
_REFUSE = "Do not accept blocks from where this one came."


def _inconsistent(what: str) -> StoreError:
    remedy = "Restore the data directory from a backup, or begin a new one."
    return StoreError(f"The store {what}.", remedy=remedy)
