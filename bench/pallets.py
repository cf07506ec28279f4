"""The bars of the pallets: money that adds up, weights that hold, and work that does not grow.

    python -m bench.pallets --json [--blocks 100000] [--seed 0]

- `issuance_conserved_blocks`: random blocks over all pallets after which every invariant held:
  balances are issuance, shares are their stakers', all can be paid (`tests/fuzz/openledger.py`); a
  broken one ends the run.
- `us_per_call Pallet.call`: the median time of the call's dearest case, in microseconds, and
  `over_weight_max`: the largest of those times over the weight that the call declares.
- `bytes_per_row`: what the state grows by for a row of a Datanet, committed, revealed, published.
- `epoch_payout_ms_per_block`: what the dearest block of a payout to 100,000 contributors takes
  longer than an empty one; and `claim_us`: what one of their claims takes, which its sender pays.
- `session_end_ms_N`: the block that shares out staking rewards, with N nominators.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping

from bench.report import report
from genesis.benchmarks.crowd import crowd, everybody
from genesis.chain_spec import development_keypair
from genesis.compose import compose_runtime
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ALICE,
    BOND_PER_ROW,
    BUILDER,
    CURATOR,
    SERVER,
    USER,
    Payouts,
    commit,
    create,
    divided,
    publish,
    reveal,
    serving,
    settle_batch,
    settle_payouts,
)
from node.weighing.measure import Case, measure_all
from node.weighing.targets import find_target
from pallets.attribution.pallet import Attribution
from pallets.balances.pallet import Balances
from pallets.pots import STAKERS
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from runtime.arithmetic import split_by_largest_remainder
from runtime.hashing import hash_text
from runtime.testing.traffic import random_chain
from runtime.types import OPEN
from runtime.wire.records import PayoutLeaf
from tests.fuzz.openledger import SETUP

CHAIN_BLOCKS = 500
"""Of one random chain; then another begins, elsewhere in the life of a chain."""
SAMPLES = 5
CONTRIBUTORS = 100_000
SUBMISSIONS = 8
SUBMISSION_ROWS = 200
NOMINATORS = (1, 100, 3_000)
CROWD_BLOCK = 400
"""So many transfers and nominations fit into one block."""
ROUNDS = 9
_NS_PER_US = 1_000
_MS_PER_S = 1_000


def conserved_blocks(blocks: int, seed: int) -> int:
    """Random blocks until `blocks` of them were checked; raises what a check finds."""
    done = 0
    while done < blocks:
        count = min(CHAIN_BLOCKS, blocks - done)
        random_chain(SETUP, f"bench.pallets {seed} {done}".encode(), count)
        done += count
    return done


def call_figures() -> dict[str, float]:
    """The time of every call's dearest case, and the largest over its weight."""
    found: dict[str, float] = {}
    ratios = []
    for name, pallet in compose_runtime().pallets.items():
        if not pallet.definition.calls:
            continue
        target = find_target(name)
        for case in measure_all(target.benchmarks, target.extra, samples=SAMPLES):
            key = f"us_per_call {case.definition}"
            time_us, ratio = _dearest(case)
            found[key] = max(time_us, found.get(key, 0))
            ratios.append(ratio)
    return dict(sorted(found.items())) | {"over_weight_max": max(ratios)}


def _dearest(case: Case) -> tuple[float, float]:
    """Microseconds at the dearest point of a case, and the largest time over its weight."""
    times = [statistics.median(point.times_ns) for point in case.points]
    weights = [case.definition.weigh(point.arguments).units for point in case.points]
    ratios = [each / weight for each, weight in zip(times, weights, strict=True)]
    return max(times) / _NS_PER_US, max(ratios)


def bytes_per_row() -> float:
    """What the state grows by, keys and values, for each row that contributors add."""
    sandbox = Sandbox()
    sandbox.ok(CURATOR, create())
    people = crowd(sandbox, SUBMISSIONS, amount=100 * OPEN)
    before = _state_bytes(sandbox)
    bond = SUBMISSION_ROWS * BOND_PER_ROW + OPEN
    everybody(sandbox, people, lambda each: commit(each, SUBMISSION_ROWS, bond=bond))
    numbers = {each.account: number for number, each in enumerate(people)}
    everybody(sandbox, people, lambda each: reveal(numbers[each.account]))
    sandbox.ok(
        CURATOR, publish(*((number, SUBMISSION_ROWS, 0, 0) for number in range(SUBMISSIONS)))
    )
    return (_state_bytes(sandbox) - before) / (SUBMISSIONS * SUBMISSION_ROWS)


def _state_bytes(sandbox: Sandbox) -> int:
    return sum(len(key) + len(value) for key, value in sandbox.state.items())


def payout_figures() -> Mapping[str, float]:
    """A payout to many: the block of its settlement, and one claim."""
    sandbox = serving(Sandbox())
    sandbox.ok(SERVER, settle_batch((USER.account, OPEN)))
    end = sandbox.spec.parameters[Attribution.epoch_blocks]
    sandbox.execute(height=end)
    empty_s = statistics.median(_block_s(sandbox) for _ in range(ROUNDS))
    payouts = divided(sandbox, _shared, sandbox.height + 1)
    settling = settle_payouts(payouts.result())
    settle_s = _block_s(sandbox, sandbox.sign(BUILDER, settling))
    claims = [payouts.claim(index) for index in range(0, CONTRIBUTORS, CONTRIBUTORS // ROUNDS)]
    claim_s = statistics.median(_block_s(sandbox, sandbox.sign(ALICE, each)) for each in claims)
    return {
        "epoch_payout_ms_per_block": (settle_s - empty_s) * _MS_PER_S,
        "claim_us": (claim_s - empty_s) * _MS_PER_S * _NS_PER_US,
    }


def _shared(pool: int) -> Payouts:
    """A pool in equal parts."""
    amounts = split_by_largest_remainder(pool, [1] * CONTRIBUTORS)
    owners = [hash_text(number.to_bytes(4, "big")) for number in range(CONTRIBUTORS)]
    return Payouts(
        [PayoutLeaf(owner, amount) for owner, amount in zip(owners, amounts, strict=True)]
    )


def session_end_ms(nominators: int) -> float:
    """The block that shares out rewards among so many, in milliseconds: the median of some."""
    sandbox = Sandbox()
    validator = development_keypair("validator")
    nominate = Staking.nominate.Call(validator=validator.account, amount=10 * OPEN)
    people = crowd(sandbox, nominators, amount=20 * OPEN)
    for first in range(0, nominators, CROWD_BLOCK):
        everybody(sandbox, people[first : first + CROWD_BLOCK], lambda _: nominate)
    session_blocks = sandbox.spec.parameters[Session.session_blocks]
    times = []
    for _ in range(ROUNDS):
        sandbox.ok(CURATOR, Balances.transfer.Call(receiver=STAKERS, amount=OPEN))
        times.append(_block_s(sandbox, height=sandbox.height + session_blocks))
    return statistics.median(times) * _MS_PER_S


def _block_s(sandbox: Sandbox, *raw: bytes, height: int | None = None) -> float:
    """The seconds that a block's execution takes, invariants and signatures left out."""
    height = sandbox.height + 1 if height is None else height
    checked = [sandbox.runtime.check_any(each, sandbox.genesis_hash) for each in raw]
    begin = time.perf_counter()
    outcome = sandbox.runtime.execute(
        sandbox.state, sandbox.context(height), sandbox.genesis_hash, checked, skip_invalid=False
    )
    seconds = time.perf_counter() - begin
    sandbox.height = height
    sandbox.apply(outcome.changes)
    if not all(result.ok for result in outcome.results):
        raise SystemExit(f"A call of the benchmark failed: {outcome.results}")
    return seconds


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="The bars of the pallets.")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--blocks", type=int, default=100_000, help="random blocks to check")
    parser.add_argument("--seed", type=int, default=0, help="of the random blocks")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    figures["issuance_conserved_blocks"] = conserved_blocks(options.blocks, options.seed)
    figures |= call_figures()
    figures["bytes_per_row"] = bytes_per_row()
    figures |= payout_figures()
    figures |= {f"session_end_ms_{count}": session_end_ms(count) for count in NOMINATORS}
    report("pallets", figures)


if __name__ == "__main__":
    main()
