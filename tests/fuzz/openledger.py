"""The OpenLedger runtime as a rehearsal: development accounts, and the main job as openings."""

from __future__ import annotations

from collections.abc import Mapping

from genesis.chain_spec import Parameters, genesis_block
from genesis.compose import compose_runtime
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
    settle_batch,
    settle_payouts,
    trained,
)
from runtime.executive import Runtime
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


def genesis(_runtime: Runtime) -> Mapping[bytes, bytes]:
    """The state of a development chain: short windows, and the usual fees."""
    usual = Parameters()
    prices = {name: getattr(usual, name) for name in ("base_price", "byte_price", "unit_price")}
    _, changes, _ = genesis_block(spec(**prices))
    return {key: value for key, value in changes.items() if value is not None}


def committed(chain: Rehearsal) -> None:
    """Two contributors have committed, one of them on a sponsor's bond; one has revealed."""
    chain.ok(CURATOR, create(sponsor_budget=1_000))
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


SETUP = Setup(
    compose=compose_runtime,
    genesis=genesis,
    keypairs=KEYPAIRS,
    openings=(committed, published, trained, serving, settled),
    checks=(balances_sum_to_issuance, issuance_never_rises),
)
