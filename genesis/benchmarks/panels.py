"""The cases of `Panels`: a full list of panelists, and the largest jury."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB, BOND_PER_ROW, CURATOR, SALT, commit, create, enrol, reveal
from pallets.panels.pallet import Panels
from pallets.panels.types import PANELISTS_MAX, SEATS_MAX, CaseState, Juror
from pallets.session.pallet import BEACON_DELAY_BLOCKS
from runtime.keys import Keypair
from runtime.storage import Map, Value
from runtime.types import OPEN, PPB
from runtime.wire.datanets import Curation
from runtime.wire.panels import score_commitment

_STAKE = 1_000 * OPEN
_ROWS = 5


def _full(sandbox: Sandbox) -> list[Keypair]:
    """As many panelists as there may be."""
    panelists = crowd(sandbox, PANELISTS_MAX, 2 * _STAKE)
    everybody(sandbox, panelists, lambda _who: enrol(_STAKE))
    return panelists


def _case(sandbox: Sandbox) -> list[Keypair]:
    """Case 0, which waits for its panel."""
    panelists = _full(sandbox)
    sandbox.ok(CURATOR, create(curation=Curation.PANEL))
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=_ROWS * BOND_PER_ROW + 2 * OPEN))
    sandbox.ok(ALICE, reveal(0))
    sandbox.advance(BEACON_DELAY_BLOCKS)
    return panelists


def _seated(sandbox: Sandbox) -> list[Keypair]:
    """Case 0 with a jury as large as it may be: chance alone would hardly draw one."""
    jurors = _case(sandbox)[:SEATS_MAX]
    accounts = [each.account for each in jurors]
    with sandbox.reading() as pallets:
        case = replace(
            pallets.panels.cases[0],
            state=CaseState.SEATED,
            seated_at=sandbox.height,
            jury=tuple(Juror(each, 1) for each in accounts),
        )
        panelists = tuple(
            replace(each, duties=1) if each.account in accounts else each
            for each in pallets.panels.panelists.get()
        )
    _store(sandbox, Panels.cases, case, 0)
    _store(sandbox, Panels.panelists, panelists)
    return jurors


def _store(sandbox: Sandbox, item: Map[Any, Any] | Value[Any], value: object, *key: int) -> None:
    place = item.storage_key(*key) if isinstance(item, Map) else item.prefix
    sandbox.state[place] = item.codec.encode(value)


def _score_of(number: int) -> int:
    """Every other juror is off."""
    return PPB if number % 2 else PPB // 2 - number


def _committed(sandbox: Sandbox) -> list[Keypair]:
    jurors = _seated(sandbox)
    scores = {each.account: _score_of(number) for number, each in enumerate(jurors)}
    everybody(
        sandbox,
        jurors,
        lambda who: Panels.commit.Call(
            case=0, commitment=score_commitment(who.account, 0, scores[who.account], SALT)
        ),
    )
    sandbox.height += sandbox.spec.parameters[Panels.commit_blocks]
    return jurors


def _enrol(sandbox: Sandbox) -> Scene:
    _full(sandbox)
    return Scene(BOB, enrol(_STAKE + 1))


def _leave(sandbox: Sandbox) -> Scene:
    return Scene(_full(sandbox)[-1], Panels.leave.Call())


def _seat(sandbox: Sandbox) -> Scene:
    _case(sandbox)
    return Scene(BOB, Panels.seat.Call(case=0))


def _seat_nobody(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create(curation=Curation.PANEL))
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=_ROWS * BOND_PER_ROW + 2 * OPEN))
    sandbox.ok(ALICE, reveal(0))
    return Scene(BOB, Panels.seat.Call(case=0))


def _commit(sandbox: Sandbox) -> Scene:
    juror = _seated(sandbox)[-1]
    return Scene(juror, Panels.commit.Call(case=0, commitment=SALT))


def _reveal(sandbox: Sandbox) -> Scene:
    juror = _committed(sandbox)[0]
    call = Panels.reveal.Call(case=0, score=_score_of(0), salt=SALT)
    return Scene(juror, call, sandbox.height + 1)


def _close(sandbox: Sandbox) -> Scene:
    jurors = _committed(sandbox)
    scores = {each.account: _score_of(number) for number, each in enumerate(jurors)}
    everybody(
        sandbox,
        jurors,
        lambda who: Panels.reveal.Call(case=0, score=scores[who.account], salt=SALT),
    )
    late = sandbox.height + sandbox.spec.parameters[Panels.open_blocks] + 1
    return Scene(BOB, Panels.close.Call(case=0), late)


BENCHMARKS = (
    Benchmark(_enrol),
    Benchmark(_leave),
    Benchmark(_seat),
    Benchmark(_seat_nobody),
    Benchmark(_commit),
    Benchmark(_reveal),
    Benchmark(_close),
)
