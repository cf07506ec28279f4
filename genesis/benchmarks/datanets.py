"""The cases of `Datanets`: sponsored and own bonds, and versions that review many submissions."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB, BOND_PER_ROW, CURATOR, ROOT, commit, create, publish, reveal
from pallets.datanets.pallet import Datanets
from pallets.datanets.types import VERDICT_COUNTS_MAX

_ROWS = 5
_TEXT_BYTES_MAX = 64
_LONG_TEXT_BYTES_MAX = 1024


def _create(_sandbox: Sandbox) -> Scene:
    call = Datanets.create.Call(
        name="n" * _TEXT_BYTES_MAX,
        description="d" * _LONG_TEXT_BYTES_MAX,
        licence="l" * _TEXT_BYTES_MAX,
        contributor_bond_per_row=BOND_PER_ROW,
        sponsor_budget=1_000,
    )
    return Scene(CURATOR, call)


def _raise_budget(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create(sponsor_budget=1_000))
    return Scene(CURATOR, Datanets.set_sponsor_budget.Call(datanet=0, budget=2_000))


def _lower_budget(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create(sponsor_budget=1_000))
    return Scene(CURATOR, Datanets.set_sponsor_budget.Call(datanet=0, budget=500))


def _commit(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    return Scene(ALICE, commit(ALICE, _ROWS))


def _commit_sponsored(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create(sponsor_budget=1_000))
    return Scene(ALICE, commit(ALICE, _ROWS, sponsored=True))


def _reveal(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    sandbox.ok(ALICE, commit(ALICE, _ROWS))
    return Scene(ALICE, reveal(0))


def _publish(sandbox: Sandbox, count: int) -> Scene:
    """Each submission is another contributor's and has rejected rows; a version is there."""
    sandbox.ok(CURATOR, create())
    sandbox.ok(ALICE, commit(ALICE, _ROWS))
    sandbox.ok(ALICE, reveal(0))
    sandbox.ok(CURATOR, publish((0, _ROWS, 0, 0)))
    contributors = crowd(sandbox, count)
    everybody(sandbox, contributors, lambda who: commit(who, _ROWS))
    numbers = {each.account: 1 + index for index, each in enumerate(contributors)}
    everybody(sandbox, contributors, lambda who: reveal(numbers[who.account]))
    verdicts = [(number, _ROWS - 2, 1, 1) for number in sorted(numbers.values())]
    return Scene(CURATOR, publish(*verdicts, rows_before=_ROWS, reviewed_before=_ROWS))


def _publish_sponsored(sandbox: Sandbox, count: int) -> Scene:
    """The same with bonds out of the owner's budget."""
    sandbox.ok(CURATOR, create(sponsor_budget=count * _ROWS * BOND_PER_ROW))
    contributors = crowd(sandbox, count)
    everybody(sandbox, contributors, lambda who: commit(who, _ROWS, sponsored=True))
    numbers = {each.account: index for index, each in enumerate(contributors)}
    everybody(sandbox, contributors, lambda who: reveal(numbers[who.account]))
    return Scene(CURATOR, publish(*((number, _ROWS - 2, 1, 1) for number in range(count))))


def _expire_committed(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    sandbox.ok(ALICE, commit(ALICE, _ROWS))
    late = sandbox.height + sandbox.spec.parameters[Datanets.reveal_blocks] + 1
    return Scene(BOB, Datanets.expire.Call(datanet=0, submission=0), late)


def _expire_revealed(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create(sponsor_budget=1_000))
    sandbox.ok(ALICE, commit(ALICE, _ROWS, sponsored=True, root=ROOT))
    sandbox.ok(ALICE, reveal(0))
    late = sandbox.height + _review_ends_after(sandbox)
    return Scene(BOB, Datanets.expire.Call(datanet=0, submission=0), late)


def _expire_unreviewed(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    sandbox.ok(ALICE, commit(ALICE, _ROWS))
    sandbox.ok(ALICE, reveal(0))
    late = sandbox.height + _review_ends_after(sandbox)
    return Scene(BOB, Datanets.expire.Call(datanet=0, submission=0), late)


_REVIEWED = Component("verdict_counts", 1, VERDICT_COUNTS_MAX)


def _review_ends_after(sandbox: Sandbox) -> int:
    """From a commitment to the first block that may expire it."""
    parameters = sandbox.spec.parameters
    return parameters[Datanets.reveal_blocks] + parameters[Datanets.review_blocks] + 1


BENCHMARKS = (
    Benchmark(_create),
    Benchmark(_raise_budget),
    Benchmark(_lower_budget),
    Benchmark(_commit),
    Benchmark(_commit_sponsored),
    Benchmark(_reveal),
    Benchmark(_publish, _REVIEWED),
    Benchmark(_publish_sponsored, _REVIEWED),
    Benchmark(_expire_committed),
    Benchmark(_expire_revealed),
    Benchmark(_expire_unreviewed),
)
