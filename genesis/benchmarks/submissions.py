"""The cases of `Submissions`: own and sponsored bonds, panels, versions of many submissions."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ALICE,
    BOB,
    CURATOR,
    USER,
    commit,
    create,
    enrol,
    judge,
    publish,
    reveal,
    set_sponsor_budget,
    settle_submission,
)
from pallets.data_rights.pallet import DataRights
from pallets.submissions.pallet import Submissions
from pallets.submissions.types import VERDICT_COUNTS_MAX
from runtime.types import OPEN, PPB
from runtime.wire.datanets import Curation

_ROWS = 5
_BOND = 2 * OPEN
"""Enough for the bytes and a panel."""
_BUDGET = 1_000 * OPEN
_USABLE = PPB * (_ROWS - 1) // _ROWS


def _opened(sandbox: Sandbox, curation: Curation = Curation.OWNER) -> None:
    sandbox.ok(CURATOR, create(curation=curation))
    sandbox.ok(CURATOR, set_sponsor_budget(_BUDGET))


def _least(sandbox: Sandbox, *, sponsored: bool = True) -> int:
    with sandbox.reading() as pallets:
        return pallets.submissions.least_bond(0, _ROWS, 100 * _ROWS, sponsored=sponsored)


def _commit(sandbox: Sandbox) -> Scene:
    _opened(sandbox, Curation.PANEL)
    return Scene(ALICE, commit(ALICE, _ROWS, bond=_BOND))


def _commit_sponsored(sandbox: Sandbox) -> Scene:
    _opened(sandbox, Curation.PANEL)
    return Scene(ALICE, commit(ALICE, _ROWS, bond=_least(sandbox), sponsored=True))


def _reveal(sandbox: Sandbox) -> Scene:
    _opened(sandbox, Curation.PANEL)
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=_BOND))
    return Scene(ALICE, reveal(0))


def _reveal_sponsored(sandbox: Sandbox) -> Scene:
    _opened(sandbox, Curation.PANEL)
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=_least(sandbox), sponsored=True))
    return Scene(ALICE, reveal(0))


def _publish(sandbox: Sandbox, count: int) -> Scene:
    """Each submission is another contributor's; a version is there, and rows leave it."""
    _opened(sandbox)
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=_BOND))
    sandbox.ok(ALICE, reveal(0))
    sandbox.ok(CURATOR, publish((0, _ROWS, 0, 0)))
    sandbox.ok(ALICE, DataRights.withdraw.Call(datanet=0, submission=0))
    contributors = crowd(sandbox, count)
    everybody(sandbox, contributors, lambda who: commit(who, _ROWS, bond=_BOND))
    numbers = {each.account: 1 + index for index, each in enumerate(contributors)}
    everybody(sandbox, contributors, lambda who: reveal(numbers[who.account]))
    verdicts = [(number, _ROWS - 2, 1, 1) for number in sorted(numbers.values())]
    return Scene(CURATOR, publish(*verdicts, reviewed_before=_ROWS))


def _publish_scored(sandbox: Sandbox, count: int) -> Scene:
    """The same, each scored by a panel of one."""
    _opened(sandbox, Curation.PANEL)
    sandbox.ok(BOB, enrol())
    contributors = crowd(sandbox, count)
    everybody(sandbox, contributors, lambda who: commit(who, _ROWS, bond=_BOND))
    numbers = {each.account: index for index, each in enumerate(contributors)}
    everybody(sandbox, contributors, lambda who: reveal(numbers[who.account]))
    for case in range(count):
        judge(sandbox, case, {BOB: _USABLE})
    return Scene(CURATOR, publish(*((number, _ROWS - 2, 1, 1) for number in range(count))))


def _overdue(sandbox: Sandbox, *, revealed: bool, sponsored: bool) -> Scene:
    _opened(sandbox)
    bond = _least(sandbox, sponsored=sponsored)
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=bond, sponsored=sponsored))
    parameters = sandbox.spec.parameters
    late = sandbox.height + parameters[Submissions.reveal_blocks] + 1
    if revealed:
        sandbox.ok(ALICE, reveal(0))
        late += parameters[Submissions.review_blocks] + 1
    return Scene(BOB, Submissions.expire.Call(datanet=0, submission=0), late)


def _expire_committed(sandbox: Sandbox) -> Scene:
    return _overdue(sandbox, revealed=False, sponsored=False)


def _expire_sponsored(sandbox: Sandbox) -> Scene:
    return _overdue(sandbox, revealed=False, sponsored=True)


def _expire_revealed(sandbox: Sandbox) -> Scene:
    return _overdue(sandbox, revealed=True, sponsored=True)


def _settled(sandbox: Sandbox, *, sponsored: bool) -> Scene:
    _opened(sandbox)
    bond = _least(sandbox, sponsored=sponsored)
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=bond, sponsored=sponsored))
    sandbox.ok(ALICE, reveal(0))
    sandbox.ok(CURATOR, publish((0, _ROWS - 2, 1, 1)))
    late = sandbox.height + sandbox.spec.parameters[Submissions.answerable_blocks]
    return Scene(USER, settle_submission(), late)


def _settle(sandbox: Sandbox) -> Scene:
    return _settled(sandbox, sponsored=False)


def _settle_sponsored(sandbox: Sandbox) -> Scene:
    return _settled(sandbox, sponsored=True)


_REVIEWED = Component("verdict_counts", 1, VERDICT_COUNTS_MAX)

BENCHMARKS = (
    Benchmark(_commit),
    Benchmark(_commit_sponsored),
    Benchmark(_reveal),
    Benchmark(_reveal_sponsored),
    Benchmark(_publish, _REVIEWED),
    Benchmark(_publish_scored, _REVIEWED),
    Benchmark(_expire_committed),
    Benchmark(_expire_sponsored),
    Benchmark(_expire_revealed),
    Benchmark(_settle),
    Benchmark(_settle_sponsored),
)
