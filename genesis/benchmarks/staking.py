"""The cases of `Staking`: positions that earn, join and leave in as many parts as may be."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.chain_spec import development_keypair
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, CURATOR
from pallets.balances.pallet import Balances
from pallets.pots import STAKERS
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from pallets.staking.types import LEAVING_MAX, PARTS_MAX, TARGETS_MAX, OpenPart
from runtime.types import OPEN

_VALIDATOR = development_keypair("validator")
_STAKE = 1_000 * OPEN


def _next_session(sandbox: Sandbox) -> None:
    sandbox.execute(height=sandbox.height + sandbox.spec.parameters[Session.session_blocks])


def _reward(sandbox: Sandbox) -> None:
    """A session that pays: what was staked before it earns."""
    transfer = Balances.transfer.Call(receiver=STAKERS, amount=100 * OPEN + 7)
    sandbox.ok(CURATOR, transfer)
    _next_session(sandbox)


def _other_targets(sandbox: Sandbox) -> None:
    """Alice has stake behind as many validators as she may, but for one."""
    people = crowd(sandbox, TARGETS_MAX - 1, amount=2 * Staking.bond_min.default)
    everybody(sandbox, people, lambda _: Staking.bond.Call(amount=Staking.bond_min.default))
    for each in people:
        sandbox.ok(ALICE, Staking.nominate.Call(validator=each.account, amount=_STAKE))


def _nominated(sandbox: Sandbox, parts: int = LEAVING_MAX) -> None:
    """Behind the elected validator: stake that earned, parts that leave, and stake that joined."""
    _other_targets(sandbox)
    nominate = Staking.nominate.Call(validator=_VALIDATOR.account, amount=_STAKE)
    unbond = Staking.unbond.Call(validator=_VALIDATOR.account, amount=OPEN)
    sandbox.ok(ALICE, nominate)
    for _ in range(parts):  # what leaves in one session is one part
        _next_session(sandbox)
        sandbox.ok(ALICE, unbond)
    sandbox.ok(ALICE, nominate)
    _reward(sandbox)


def _many_open_parts(sandbox: Sandbox) -> None:
    """Others have left in as many steps as can be remembered, but for one."""
    far = sandbox.height + 10**9
    parts = tuple([OpenPart(far + number, far) for number in range(PARTS_MAX - 1)])
    key = Staking.open_parts.storage_key(_VALIDATOR.account)
    sandbox.state[key] = Staking.open_parts.codec.encode(parts)


def _bond(sandbox: Sandbox) -> Scene:
    sandbox.ok(_VALIDATOR, Staking.bond.Call(amount=_STAKE))
    _reward(sandbox)
    return Scene(_VALIDATOR, Staking.bond.Call(amount=_STAKE))


def _first_bond(_sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Staking.bond.Call(amount=Staking.bond_min.default))


def _nominate(sandbox: Sandbox) -> Scene:
    _nominated(sandbox)
    return Scene(ALICE, Staking.nominate.Call(validator=_VALIDATOR.account, amount=_STAKE))


def _nominate_first(sandbox: Sandbox) -> Scene:
    _other_targets(sandbox)
    return Scene(ALICE, Staking.nominate.Call(validator=_VALIDATOR.account, amount=_STAKE))


def _unbond_joined(sandbox: Sandbox) -> Scene:
    """What joined in this session leaves first."""
    _nominated(sandbox, LEAVING_MAX - 1)
    _many_open_parts(sandbox)
    sandbox.ok(ALICE, Staking.nominate.Call(validator=_VALIDATOR.account, amount=OPEN))
    return Scene(ALICE, Staking.unbond.Call(validator=_VALIDATOR.account, amount=2 * OPEN))


def _unbond(sandbox: Sandbox) -> Scene:
    _nominated(sandbox, LEAVING_MAX - 1)
    _many_open_parts(sandbox)
    return Scene(ALICE, Staking.unbond.Call(validator=_VALIDATOR.account, amount=2 * OPEN))


def _withdraw(sandbox: Sandbox) -> Scene:
    _nominated(sandbox)
    late = sandbox.height + 2 * sandbox.spec.parameters[Staking.unbonding_blocks]
    return Scene(ALICE, Staking.withdraw.Call(validator=_VALIDATOR.account), late)


def _claim(sandbox: Sandbox) -> Scene:
    _nominated(sandbox)
    return Scene(ALICE, Staking.claim.Call(validator=_VALIDATOR.account))


def _claim_commission(sandbox: Sandbox) -> Scene:
    sandbox.ok(_VALIDATOR, Staking.bond.Call(amount=_STAKE))
    _reward(sandbox)
    _reward(sandbox)
    return Scene(_VALIDATOR, Staking.claim.Call(validator=_VALIDATOR.account))


def _claim_everything(sandbox: Sandbox) -> Scene:
    """The last that is left of a position: it is forgotten."""
    _nominated(sandbox, parts=0)
    _reward(sandbox)
    everything = Staking.unbond.Call(validator=_VALIDATOR.account, amount=2 * _STAKE)
    sandbox.ok(ALICE, everything)
    late = sandbox.height + 2 * sandbox.spec.parameters[Staking.unbonding_blocks]
    sandbox.ok(ALICE, Staking.withdraw.Call(validator=_VALIDATOR.account), late)
    return Scene(ALICE, Staking.claim.Call(validator=_VALIDATOR.account))


def _set_commission(_sandbox: Sandbox) -> Scene:
    return Scene(_VALIDATOR, Staking.set_commission.Call(commission_ppb=50_000_000))


BENCHMARKS = tuple(
    map(
        Benchmark,
        (
            _bond,
            _first_bond,
            _nominate,
            _nominate_first,
            _unbond,
            _unbond_joined,
            _withdraw,
            _claim,
            _claim_commission,
            _claim_everything,
            _set_commission,
        ),
    )
)
