"""The OpenLedger runtime as a rehearsal: development accounts, and the main job as openings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from genesis.chain_spec import genesis_block
from genesis.compose import compose_runtime
from genesis.liars import Liar, Liars
from genesis.scenes import (
    ALICE,
    BOB,
    BUILDER,
    CURATOR,
    SERVER,
    USER,
    WORKER,
    Payouts,
    commit,
    create,
    divided,
    published,
    reveal,
    serving,
    set_sponsor_budget,
    settle_batch,
    settle_payouts,
    trained,
)
from genesis.validators import prove_keys
from pallets.fees.pallet import Fees
from pallets.offences.pallet import Offences
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from pallets.staking.types import FRACTION_BITS
from runtime.cbor import encode
from runtime.executive import Runtime
from runtime.storage import PREFIX_BYTES, Map
from runtime.testing import (
    Rehearsal,
    Setup,
    balances_sum_to_issuance,
    issuance_never_rises,
)
from runtime.types import OPEN
from runtime.wire.records import PayoutLeaf
from tests.fuzz.ballots import SHORT as SHORT_TERMS
from tests.fuzz.ballots import voted, votes_add_up
from tests.pallets.chain import spec

KEYPAIRS = (ALICE, BOB, BUILDER, WORKER, SERVER, USER, CURATOR)
EPOCH_END = 1_000
KEY_PART_BYTES = 34
"""An account in a storage key."""
BOND = Staking.bond_min.default
SHORT = {"session_blocks": 7, "unbonding_blocks": 40, "jail_blocks": 5, "appeal_blocks": 9}
"""So short that sessions end, and stakes come back, while random calls are made."""


def genesis(_runtime: Runtime) -> Mapping[bytes, bytes]:
    """The state of a development chain: short windows, and the usual fees."""
    usual = (Fees.base_price, Fees.byte_price, Fees.unit_price)
    prices = {price.place.item: price.default for price in usual}
    _, changes, _ = genesis_block(spec(**prices, **SHORT, **SHORT_TERMS))
    return {key: value for key, value in changes.items() if value is not None}


def committed(chain: Rehearsal) -> None:
    """Two contributors have committed, one of them on a sponsor's bond; one has revealed."""
    chain.ok(CURATOR, create())
    chain.ok(CURATOR, set_sponsor_budget(1_000))
    chain.ok(ALICE, commit(ALICE))
    chain.ok(BOB, commit(BOB, sponsored=True))
    chain.ok(ALICE, reveal(0))


def settled(chain: Rehearsal) -> None:
    """A batch and its epoch are settled, and one of two owners has claimed."""
    serving(chain)
    chain.ok(SERVER, settle_batch((USER.account, OPEN)))

    def shared(pool: int) -> Payouts:
        owners = ((ALICE, pool - pool // 3), (BOB, pool // 3))
        return Payouts([PayoutLeaf(owner.account, amount) for owner, amount in owners])

    payouts = divided(chain, shared, EPOCH_END)
    chain.ok(USER, settle_payouts(payouts.result()))
    chain.ok(BOB, payouts.claim(1))


def standing(chain: Rehearsal) -> None:
    """Three validators are elected, and one of them lets a part of its stake go."""
    for liar in (Liar.development("alice"), Liar.development("bob")):
        account = liar.keypair.account
        keys, proofs = prove_keys(liar.keypair, liar.bls_secret, chain.genesis_hash, account)
        chain.ok(liar.keypair, Session.set_keys.Call(keys=keys, proofs=proofs))
        chain.ok(liar.keypair, Staking.bond.Call(amount=2 * BOND))
        chain.ok(liar.keypair, Session.validate.Call())
    nominate = Staking.nominate.Call(validator=ALICE.account, amount=BOND)
    chain.ok(USER, nominate)
    unbond = Staking.unbond.Call(validator=ALICE.account, amount=BOND)
    chain.ok(ALICE, unbond, height=14)
    chain.ok(USER, nominate, height=15)


def punished(chain: Rehearsal) -> None:
    """One of them is reported and jailed, and more evidence is known."""
    standing(chain)
    with chain.runtime.reading(chain.state):
        validators = chain.runtime.pallets["Session"].current.get()
    liars, alice = Liars(chain.genesis_hash, validators), Liar.development("alice")
    chain.ok(USER, Offences.report.Call(evidence=liars.double_vote(alice, 15)), height=16)


def stakes_add_up(
    runtime: Runtime, _before: Mapping[bytes, bytes], state: Mapping[bytes, bytes]
) -> str | None:
    """Every share is somebody's, every unit of stake is in one place, and all can be paid."""
    staking = runtime.pallets["Staking"]
    items = staking.definition.storage
    backings = _entries(items["backings"], state)
    positions = _entries(items["positions"], state)
    parts = _entries(items["parts"], state)
    earned: dict[bytes, int] = defaultdict(int)
    shares: dict[bytes, int] = defaultdict(int)
    leaving: dict[bytes, int] = defaultdict(int)
    for key, position in positions.items():
        validator = key[KEY_PART_BYTES:]
        shares[validator] += position.shares
        earned[validator] += position.earned
        for each in position.leaving:
            leaving[validator + encode(each.until)] += each.shares
    if any(shares[key] != each.shares for key, each in backings.items()):
        return "the shares of a validator are not those of its stakers"
    if any(leaving[key] != each.shares for key, each in parts.items()):
        return "the shares of a part that leaves are not those of its stakers"
    stake = sum(each.stake for each in backings.values())
    stake += sum(each.amount for each in parts.values())
    commissions = sum(each.commission for each in backings.values())
    claimable = commissions + (sum(earned.values()) >> FRACTION_BITS)
    with runtime.reading(state):
        staked, owed = staking.staked.get(), staking.owed.get()
    if stake != staked:
        return f"validators and parts have {stake}, and Staking.staked is {staked}"
    return f"{claimable} can be claimed of {owed}" if claimable > owed else None


def _entries(item: Map[Any, Any], state: Mapping[bytes, bytes]) -> dict[bytes, Any]:
    return {
        key[PREFIX_BYTES:]: item.codec.decode(value)
        for key, value in state.items()
        if key.startswith(item.prefix)
    }


SETUP = Setup(
    compose=compose_runtime,
    genesis=genesis,
    keypairs=KEYPAIRS,
    openings=(committed, published, trained, serving, settled, standing, punished, voted),
    checks=(balances_sum_to_issuance, issuance_never_rises, stakes_add_up, votes_add_up),
)
