"""The OpenLedger runtime as a rehearsal: development accounts, and the main job as openings."""

from __future__ import annotations

from collections.abc import Mapping

from genesis.chain_spec import genesis_block
from genesis.compose import compose_runtime
from genesis.liars import Liar, Liars
from genesis.scenes import (
    ADAPTER,
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
from pallets.staking.pallet import STAKE, Staking
from runtime.cbor import encode
from runtime.executive import Runtime
from runtime.storage import PREFIX_BYTES
from runtime.testing import (
    Rehearsal,
    Setup,
    balances_sum_to_issuance,
    issuance_never_rises,
)
from runtime.types import OPEN
from runtime.wire.records import PayoutLeaf
from tests.pallets.chain import spec

KEYPAIRS = (ALICE, BOB, BUILDER, WORKER, SERVER, USER, CURATOR)
EPOCH_END = 1_000
BOND = Staking.bond_min.default
SHORT = {"session_blocks": 7, "unbonding_blocks": 40, "jail_blocks": 5}
"""So short that sessions end, and stakes come back, while random calls are made."""


def genesis(_runtime: Runtime) -> Mapping[bytes, bytes]:
    """The state of a development chain: short windows, and the usual fees."""
    usual = (Fees.base_price, Fees.byte_price, Fees.unit_price)
    prices = {price.place.item: price.default for price in usual}
    _, changes, _ = genesis_block(spec(**prices, **SHORT))
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
    with chain.runtime.reading(chain.state):
        pool = chain.runtime.pallets["Attribution"].pools[ADAPTER, 0]
    owners = ((ALICE, pool - pool // 3), (BOB, pool // 3))
    payouts = Payouts([PayoutLeaf(owner.account, amount) for owner, amount in owners])
    chain.ok(WORKER, payouts.commit(), height=EPOCH_END)
    chain.ok(USER, settle_payouts(), height=EPOCH_END + 10)
    chain.ok(BOB, payouts.claim(1))


def standing(chain: Rehearsal) -> None:
    """Three validators are elected, and one of them lets a part of its stake go."""
    for liar in (Liar.development("alice"), Liar.development("bob")):
        account = liar.keypair.account
        keys, proofs = prove_keys(liar.keypair, liar.bls_secret, chain.genesis_hash, account)
        chain.ok(liar.keypair, Session.set_keys.Call(keys=keys, proofs=proofs))
        chain.ok(liar.keypair, Staking.bond.Call(amount=2 * BOND))
        chain.ok(liar.keypair, Staking.validate.Call())
    chain.ok(ALICE, Staking.unbond.Call(amount=BOND), height=14)


def punished(chain: Rehearsal) -> None:
    """One of them is reported and jailed, and more evidence is known."""
    standing(chain)
    with chain.runtime.reading(chain.state):
        validators = chain.runtime.pallets["Session"].current.get()
    liars, alice = Liars(chain.genesis_hash, validators), Liar.development("alice")
    chain.ok(USER, Offences.report.Call(evidence=liars.double_vote(alice, 15)), height=16)


def stakes_are_held(
    runtime: Runtime, _before: Mapping[bytes, bytes], state: Mapping[bytes, bytes]
) -> str | None:
    """Every stake of the state is held, to the unit, and nothing else is held as one."""
    items = (runtime.pallets["Staking"].definition.storage["ledgers"],
             runtime.pallets["Balances"].definition.storage["holds"])  # fmt: skip
    ledgers, holds = items
    staked = {
        key[PREFIX_BYTES:]: ledgers.codec.decode(value)
        for key, value in state.items()
        if key.startswith(ledgers.prefix)
    }
    expected = {
        account: ledger.bonded + sum(chunk.amount for chunk in ledger.unbonding)
        for account, ledger in staked.items()
    }
    reason = encode(STAKE)
    held = {
        key[PREFIX_BYTES : -len(reason)]: holds.codec.decode(value)
        for key, value in state.items()
        if key.startswith(holds.prefix) and key.endswith(reason)
    }
    wrong = {
        account for account in expected | held if expected.get(account, 0) != held.get(account, 0)
    }
    return f"the stakes of {sorted(wrong)} are not what is held" if wrong else None


SETUP = Setup(
    compose=compose_runtime,
    genesis=genesis,
    keypairs=KEYPAIRS,
    openings=(committed, published, trained, serving, settled, standing, punished),
    checks=(balances_sum_to_issuance, issuance_never_rises, stakes_are_held),
)
