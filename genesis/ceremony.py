"""How several parties make a chain spec together, without trusting who puts it together.

    1. somebody writes a draft: everything of the chain but its validators
    2. each party reads it, and writes an entry: its account, its bond, its keys with their proofs,
       signed by the account together with the hash of the draft
    3. anybody collects the entries into the chain spec; each party collects them, too, and compares
       the genesis hash

An entry cannot be changed, used for another draft, or made for somebody else's account or keys, so
the collector can leave parties out and nothing more.  Prior art: Cosmos SDK's gentx.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from consensus.bls import BLS, key_gen
from genesis.allocation import Bucket, Endowment, published_allocation
from genesis.chain_spec import (
    BUCKETS_MAX,
    ENDOWMENTS_MAX,
    ChainSpec,
)
from genesis.parameters import Parameters, published_parameters
from genesis.toml_records import InvalidChainSpec, read_record, write_record
from genesis.validators import SpecValidator, prove_keys, spec_validator
from pallets.staking.pallet import Staking
from runtime.codec import codec_of
from runtime.hashing import ZERO_HASH, hasher
from runtime.keys import Keypair, verify
from runtime.types import OPEN, U32, U64, Amount, Hash, Max, Positive, ShortText, Signature
from runtime.wire.validators import VALIDATORS_MAX

SPENDING = 100 * OPEN
"""What a validator's account gets beside its bond unless a draft says otherwise: for fees."""
_hash_draft = hasher(b"genesis draft")
_hash_entry = hasher(b"genesis entry")
_OTHERS = "Leave the entry out, and ask its party for another one."


@dataclass(frozen=True, slots=True)
class Draft:
    """A chain spec without validators."""

    name: ShortText
    genesis_time_ms: U64
    block_time_ms: Positive[U32]
    validator_bucket: ShortText
    """Out of which bucket bonds are endowed."""
    validator_spending: Amount
    """What each validator's account gets beside its bond."""
    buckets: Annotated[tuple[Bucket, ...], Max(BUCKETS_MAX)]
    endowments: Annotated[tuple[Endowment, ...], Max(ENDOWMENTS_MAX)]
    parameters: Parameters

    @classmethod
    def from_toml(cls, text: str) -> Draft:
        """Read a draft; raises `InvalidChainSpec`."""
        return read_record(cls, text)

    def to_toml(self) -> str:
        """The draft as TOML, which reads back as the same draft."""
        return write_record(self)

    def hash(self) -> bytes:
        """What entries are signed for; raises `OutOfBounds` for values out of bounds."""
        return _hash_draft(codec_of(Draft).encode(self))


@dataclass(frozen=True, slots=True)
class Entry:
    """What one party wants to be in the first block."""

    moniker: ShortText
    """Whose validator it is, for the readers of the chain spec."""
    draft: Hash
    signature: Signature
    """Of the account, over all the rest."""
    validator: SpecValidator

    @classmethod
    def from_toml(cls, text: str) -> Entry:
        """Read an entry, not checked; raises `InvalidChainSpec`."""
        return read_record(cls, text)

    def to_toml(self) -> str:
        """The entry as TOML, which reads back as the same entry."""
        return write_record(self)

    def payload(self) -> bytes:
        """The 32 bytes that the account signs."""
        return _hash_entry(codec_of(Entry).encode(replace(self, signature=bytes(64))))


def new_draft(name: str, genesis_time_ms: int, block_time_ms: int) -> Draft:
    """A draft with the published allocation and parameters, to be edited before it goes round."""
    return Draft(
        name=name,
        genesis_time_ms=genesis_time_ms,
        block_time_ms=block_time_ms,
        validator_bucket="liquidity",
        validator_spending=SPENDING,
        buckets=published_allocation(),
        endowments=(),
        parameters=published_parameters(),
    )


def make_entry(draft: Draft, moniker: str, keypair: Keypair, bond: int) -> Entry:
    """The entry of the validator with this key; raises `OutOfBounds`, `InvalidChainSpec`."""
    if bond < draft.parameters[Staking.bond_min]:
        message = f"The bond of {moniker!r} is {bond}, and the chain's least is "
        message += f"{draft.parameters[Staking.bond_min]}."
        raise InvalidChainSpec(message, remedy="Bond more, or agree on another draft.")
    keys, proofs = prove_keys(keypair, key_gen(keypair.seed), ZERO_HASH, keypair.account)
    validator = spec_validator(keypair.account, bond, keys, proofs)
    entry = Entry(moniker, draft.hash(), bytes(64), validator)
    return replace(entry, signature=keypair.sign(entry.payload()))


def collect(draft: Draft, entries: Sequence[Entry]) -> ChainSpec:
    """The chain spec of a draft and its parties, in the order of their accounts.

    Raises `InvalidChainSpec` or `InvalidAllocation`, which name the entry that is wrong.
    """
    if not 1 <= len(entries) <= VALIDATORS_MAX:
        message = f"{len(entries)} entries make no chain."
        raise InvalidChainSpec(message, remedy=f"Collect 1 to {VALIDATORS_MAX} entries.")
    for entry in entries:
        _check_entry(draft, entry)
    for what, values in (
        ("account", [entry.validator.account for entry in entries]),
        ("vote key", [entry.validator.vote_key for entry in entries]),
        ("BLS key", [entry.validator.bls_key for entry in entries]),
        ("moniker", [entry.moniker.encode() for entry in entries]),
    ):
        _check_unique(what, values)
    ordered = sorted(entries, key=lambda entry: entry.validator.account)
    return ChainSpec(
        name=draft.name,
        genesis_time_ms=draft.genesis_time_ms,
        block_time_ms=draft.block_time_ms,
        validators=tuple(entry.validator for entry in ordered),
        buckets=draft.buckets,
        endowments=draft.endowments + tuple(_endowment(draft, entry) for entry in ordered),
        parameters=draft.parameters,
    )


def _check_entry(draft: Draft, entry: Entry) -> None:
    """Raise `InvalidChainSpec` unless the entry's party made it, for this draft."""
    validator = entry.validator
    payload = validator.keys.payload(ZERO_HASH, validator.account)
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("is for another draft", lambda: entry.draft == draft.hash()),
        (
            "is not signed by its account",
            lambda: verify(validator.account, entry.payload(), entry.signature),
        ),
        (
            "does not prove its vote key",
            lambda: verify(validator.vote_key, payload, validator.vote_signature),
        ),
        (
            "does not prove its BLS key",
            lambda: (
                BLS.verify(validator.bls_key, payload, validator.bls_signature)
                and BLS.verify_possession(validator.bls_key, validator.possession)
            ),
        ),
        ("bonds too little", lambda: validator.bond >= draft.parameters[Staking.bond_min]),
    )
    for trouble, holds in checks:
        if not holds():
            message = f"The entry of {entry.moniker!r} {trouble}."
            raise InvalidChainSpec(message, remedy=_OTHERS)


def _check_unique(what: str, values: Iterable[bytes]) -> None:
    seen: dict[bytes, None] = {}
    for value in values:
        if value in seen:
            message = f"Two entries have the {what} {value.hex()}."
            raise InvalidChainSpec(message, remedy=_OTHERS)
        seen[value] = None


def _endowment(draft: Draft, entry: Entry) -> Endowment:
    return Endowment(
        account=entry.validator.account,
        bucket=draft.validator_bucket,
        amount=entry.validator.bond + draft.validator_spending,
        name=f"validator: {entry.moniker}",
    )
