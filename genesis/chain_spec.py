"""The chain spec: all that distinguishes one chain from another, and the block 0 it leads to.

Block 0 holds no extrinsics; its state is what the spec says, and its beacon commits to the whole
spec.  So two specs that differ in anything are two chains, and their extrinsics, votes and
receipts cannot be mistaken for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from consensus.bls import key_gen
from genesis.allocation import (
    Bucket,
    Endowment,
    check_allocation,
    keyless_accounts,
    opening_balances,
    published_allocation,
    vesting_schedules,
)
from genesis.compose import Pallets, compose, compose_runtime
from genesis.embedded_model import EMBEDDED_BASE, SpecBaseModel
from genesis.pallet_packages import PACKAGES_MAX, PalletPackage, load_pallets
from genesis.parameters import Parameters
from genesis.toml_records import InvalidChainSpec, read_record, write_record
from genesis.validators import SpecValidator, prove_keys, spec_validator
from pallets.attribution.pallet import Attribution
from pallets.audits.pallet import Audits
from pallets.compute.pallet import Compute
from pallets.datanet_votes.pallet import DatanetVotes
from pallets.disputes.pallet import Disputes
from pallets.inference.pallet import Inference
from pallets.offences.pallet import Offences
from pallets.panels.pallet import Panels
from pallets.reports.pallet import Reports
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from pallets.submissions.pallet import Submissions
from runtime.block import Block, Header
from runtime.codec import codec_of
from runtime.errors import DispatchError
from runtime.executive import Runtime
from runtime.hashing import (
    ZERO_HASH,
    hash_beacon,
    hash_state_key,
    hash_state_value,
    hash_text,
)
from runtime.keys import Keypair, is_weak
from runtime.merkle import list_root
from runtime.state.tree import Tree
from runtime.types import (
    OPEN,
    U32,
    U64,
    Max,
    Positive,
    ShortText,
)
from runtime.upgrade import UpgradePlan
from runtime.wire.validators import VALIDATORS_MAX, ValidatorSet

SPEC_BYTES_MAX = 1024 * 1024
"""The largest chain spec file."""
BUCKETS_MAX = 22
"""With the pots as many as governance can leave out of its quorum."""
ENDOWMENTS_MAX = 4_096
BASE_MODELS_MAX = 16
DEV_ENDOWMENT = 1_000_000 * OPEN
DEV_FAUCET_ENDOWMENT = 10_000_000 * OPEN
DEV_GENESIS_TIME_MS = 1_735_689_600_000
"""2025-01-01 00:00 UTC."""
DEV_ACCOUNTS: Mapping[str, bytes] = MappingProxyType(
    {
        name: hash_text(b"openledger dev account: " + name.encode())
        for name in ("validator", "faucet", "builder", "worker", "server", "user", "alice", "bob")
    }
)
"""Names and seeds of whom a development chain endows; everybody knows these keys.

The first is the validator.
"""

LOCAL_VALIDATORS = ("validator", *(f"validator-{number}" for number in range(2, 11)))
"""The names of the validators of local networks: the first, and nine more."""
_LOCAL_SEEDS: Mapping[str, bytes] = MappingProxyType(
    {name: hash_text(b"openledger dev account: " + name.encode()) for name in LOCAL_VALIDATORS}
)
DEV_BOND = 100_000 * OPEN
"""The bond of a development chain's validator."""
UPGRADES_MAX = 1
"""The most upgrades that are planned from the beginning."""


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A chain before its first block; every instance is valid."""

    name: ShortText
    genesis_time_ms: U64
    block_time_ms: Positive[U32]
    """The longest time between two blocks, while nothing happens."""
    validators: Annotated[tuple[SpecValidator, ...], Max(VALIDATORS_MAX)]
    buckets: Annotated[tuple[Bucket, ...], Max(BUCKETS_MAX)]
    endowments: Annotated[tuple[Endowment, ...], Max(ENDOWMENTS_MAX)]
    parameters: Parameters
    upgrades: Annotated[tuple[UpgradePlan, ...], Max(UPGRADES_MAX)] = ()
    """An upgrade that is planned from the beginning."""
    base_models: Annotated[tuple[SpecBaseModel, ...], Max(BASE_MODELS_MAX)] = (EMBEDDED_BASE,)
    """The base models that are admitted from the beginning; referenda admit others."""
    pallets: Annotated[tuple[PalletPackage, ...], Max(PACKAGES_MAX)] = ()
    """The pallets from packages, in the order of their hooks, behind the built-in ones."""

    def __post_init__(self) -> None:
        """Raise `InvalidChainSpec` or `InvalidAllocation` unless the spec describes a chain."""
        try:
            codec_of(ChainSpec).to_plain(self)
        except DispatchError as error:
            message = f"The chain spec has a value out of bounds. {error.message}"
            raise InvalidChainSpec(message, remedy=error.remedy) from error
        accounts = [validator.account for validator in self.validators]
        if not accounts or len(frozenset(accounts)) != len(accounts):
            message = "The chain spec names no validator, or one of them twice."
            raise InvalidChainSpec(message, remedy="Name every validator once, and at least one.")
        for validator in self.validators:
            if is_weak(validator.vote_key):
                message = f"Anybody can vote with the key of {validator.account.hex()}."
                raise InvalidChainSpec(message, remedy="Make the validator a key of its own.")
        check_allocation(self.buckets, self.endowments)

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a spec; raises `InvalidChainSpec` or `InvalidAllocation`."""
        return read_record(cls, text)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a spec's file; raises `InvalidChainSpec` or `InvalidAllocation`."""
        try:
            with path.open("rb") as file:
                data = file.read(SPEC_BYTES_MAX + 1)
            if len(data) > SPEC_BYTES_MAX:
                message = f"The chain spec {path} has more than {SPEC_BYTES_MAX} bytes."
                raise InvalidChainSpec(message, remedy="Give a chain spec, not another file.")
            return cls.from_toml(data.decode())
        except OSError as error:
            message = f"The chain spec {path} cannot be read: {error.strerror}."
            remedy = "Give the path of a chain.toml; `openledger dev --data DIR` writes one."
            raise InvalidChainSpec(message, remedy=remedy) from error
        except UnicodeDecodeError as error:
            message = f"The chain spec {path} is not text in UTF-8."
            raise InvalidChainSpec(message, remedy="Give a chain spec in TOML.") from error

    def to_toml(self) -> str:
        """The spec as TOML, which reads back as the same spec."""
        return write_record(self)

    def save(self, path: Path) -> None:
        """Write the spec to a file; raises `OSError`."""
        path.write_text(self.to_toml(), encoding="utf-8")

    def runtime(self) -> Runtime:
        """A new runtime of the chain; raises `PalletPackageError` or `DefinitionError`."""
        return compose_runtime(load_pallets(self.pallets))

    def validator_set(self) -> ValidatorSet:
        """The validators in the order in which consensus knows them."""
        members = sorted(self.validators, key=lambda validator: validator.account)
        return ValidatorSet(tuple(each.validator for each in members))


def development_keypair(name: str) -> Keypair:
    """The key pair of a development account, which everybody knows; raises `InvalidChainSpec`."""
    seed = DEV_ACCOUNTS.get(name) or _LOCAL_SEEDS.get(name)
    if seed is None:
        message = f"There is no development account {name!r}."
        raise InvalidChainSpec(message, remedy=f"Choose one of {', '.join(DEV_ACCOUNTS)}.")
    return Keypair.from_seed(seed)


def development_validator(name: str, bond: int = DEV_BOND) -> SpecValidator:
    """A development account as a validator: its seed is that of its vote and BLS keys, too."""
    keypair = development_keypair(name)
    keys, proofs = prove_keys(keypair, key_gen(keypair.seed), ZERO_HASH, keypair.account)
    return spec_validator(keypair.account, bond, keys, proofs)


def local_spec(count: int) -> ChainSpec:
    """The development chain with 1 to 10 validators whose keys everybody knows.

    Raises `InvalidChainSpec` for another number.
    """
    if not 1 <= count <= len(LOCAL_VALIDATORS):
        message = f"A local network has 1 to {len(LOCAL_VALIDATORS)} validators, not {count}."
        raise InvalidChainSpec(message, remedy="Choose another number of validators.")
    names = LOCAL_VALIDATORS[:count]
    spec = dev_spec()
    endowments = tuple(
        Endowment(
            account=development_keypair(name).account,
            bucket="liquidity",
            amount=DEV_ENDOWMENT,
            name=f"development key: {name}",
        )
        for name in names[1:]
    )
    return replace(
        spec,
        validators=tuple(development_validator(name) for name in names),
        endowments=spec.endowments + endowments,
    )


def dev_spec() -> ChainSpec:
    """A chain of one validator whose keys everybody knows, with short windows."""
    return ChainSpec(
        name="openledger-dev",
        genesis_time_ms=DEV_GENESIS_TIME_MS,
        block_time_ms=500,
        validators=(development_validator("validator"),),
        buckets=published_allocation(),
        endowments=tuple(
            Endowment(
                account=development_keypair(name).account,
                bucket="liquidity",
                amount=DEV_FAUCET_ENDOWMENT if name == "faucet" else DEV_ENDOWMENT,
                name=f"development key: {name}",
            )
            for name in DEV_ACCOUNTS
        ),
        parameters=Parameters().choosing(
            {
                Attribution.epoch_blocks: 120,
                Attribution.claim_blocks: 1_000_000,
                Attribution.rows_min: 1,
                Compute.window_blocks: 4,
                Compute.claim_blocks: 100_000,
                Compute.commit_blocks: 100_000,
                Submissions.reveal_blocks: 10_000,
                Submissions.review_blocks: 100_000,
                Offences.appeal_blocks: 20,
                Submissions.answerable_blocks: 20,
                Reports.answer_blocks: 20,
                Panels.commit_blocks: 10,
                Panels.open_blocks: 10,
                DatanetVotes.voting_blocks: 40,
                Compute.reveal_blocks: 10_000,
                Compute.certify_blocks: 10_000,
                Compute.abort_blocks: 1_000,
                Audits.audit_blocks: 10_000,
                Disputes.clock_blocks: 1_000,
                Disputes.judge_blocks: 1_000,
                Disputes.patience_blocks: 100,
                Inference.revocation_blocks: 20,
                Session.session_blocks: 120,
                Staking.unbonding_blocks: 10_000,
                Offences.jail_blocks: 1_000,
            }
        ),
    )


def genesis_block(spec: ChainSpec) -> tuple[Block, dict[bytes, bytes | None], Runtime]:
    """Return block 0, the storage it begins with, and a new runtime of the chain.

    The block's id is the chain's genesis hash.  Raises `PalletPackageError` where a package that
    the spec names is not installed as it was, and `DefinitionError` where two pallets clash.
    """
    return genesis_of(spec, *compose(load_pallets(spec.pallets)))


def genesis_of(
    spec: ChainSpec, runtime: Runtime, pallets: Pallets
) -> tuple[Block, dict[bytes, bytes | None], Runtime]:
    """Return `genesis_block` for a runtime that is composed already."""
    storage = _initial_storage(spec, runtime, pallets)
    tree = Tree().update(
        (hash_state_key(key), hash_state_value(value)) for key, value in storage.items()
    )
    validators_hash = spec.validator_set().hash()
    header = Header(
        height=0,
        parent_hash=ZERO_HASH,
        time_ms=spec.genesis_time_ms,
        proposer=ZERO_HASH,
        state_root=tree.root,
        extrinsics_root=list_root(()),
        events_root=list_root(()),
        validators_hash=validators_hash,
        next_validators_hash=validators_hash,
        last_commit_hash=ZERO_HASH,
        evidence_root=ZERO_HASH,
        spec_version=runtime.spec_version,
        beacon=hash_beacon(codec_of(ChainSpec).encode(spec)),
        beacon_proof=b"",
    )
    return Block(header, (), b""), dict(storage), runtime


def is_genesis_of(header: Header, computed: Header) -> bool:
    """Whether a header is block 0 of the chain whose spec gives `computed` under this runtime.

    An older spec version had other storage, and its code is not here to make block 0 again: then
    it is the same chain if the header commits to the same spec.
    """
    if header.spec_version >= computed.spec_version:
        return header == computed
    return (header.height, header.beacon) == (0, computed.beacon)


def _initial_storage(spec: ChainSpec, runtime: Runtime, pallets: Pallets) -> dict[bytes, bytes]:
    """The storage of block 0; raises `InvalidChainSpec` where the pallets refuse the spec."""
    try:
        storage = runtime.initialise(lambda: _configure(spec, pallets))
    except DispatchError as error:
        message = f"The chain spec does not lead to a block 0. {error.message}"
        raise InvalidChainSpec(message, remedy=error.remedy) from error
    with runtime.reading(storage):
        elected = pallets.session.current.get()
    if elected != spec.validator_set():
        message = "Not every validator of the chain spec is elected."
        raise InvalidChainSpec(message, remedy="Raise validators_max or the bonds.")
    return storage


def _configure(spec: ChainSpec, pallets: Pallets) -> None:
    for account, amount in opening_balances(spec.buckets, spec.endowments):
        pallets.balances.endow(account, amount)
    for account, schedule in vesting_schedules(spec.buckets, spec.endowments, spec.block_time_ms):
        pallets.vesting.grant(account, schedule)
    for bucket in spec.buckets:
        pallets.treasury.name_pot(bucket.name, bucket.account)
    pallets.governance.inactive.put(keyless_accounts(spec.buckets))
    spec.parameters.apply(pallets)
    for base in spec.base_models:
        pallets.models.begin_with(base.content_hash, base.name, base.shape)
    for validator in spec.validators:
        pallets.staking.bond(validator.account, validator.bond)
        pallets.session.validate(validator.account)
        pallets.session.set_keys(validator.account, validator.keys, validator.proofs)
    pallets.session.begin_session()
    current = pallets.system.spec_version.get()
    # A node of the planned version, or a later one, only compares its block 0 with the chain's.
    for plan in [each for each in spec.upgrades if each.spec_version > current]:
        pallets.upgrade.schedule(None, plan.spec_version, plan.height, plan.code_hash)
