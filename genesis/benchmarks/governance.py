"""The cases of `Governance`: as many referenda as may be, with deposits and others that wait."""

from __future__ import annotations

from dataclasses import replace

from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.preimage import call_of_length
from genesis.benchmarks.scheduler import full_queue
from genesis.benchmarks.stored import put, put_all
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB
from pallets.governance.pallet import Governance
from pallets.governance.types import (
    INACTIVE_MAX,
    REFERENDA_PER_TRACK_MAX,
    Outcome,
    Referendum,
    Result,
)
from pallets.preimage.pallet import Preimage
from pallets.preimage.types import PREIMAGE_BYTES_MAX
from pallets.scheduler.types import TASKS_MAX
from runtime.cbor import encode
from runtime.hashing import hash_call, hash_text
from runtime.wire.votes import NO_VOTES, TrackName

TRACK = TrackName.ROOT
_LATE = 10**9


def large_call(sandbox: Sandbox) -> bytes:
    """The hash of a noted call that is as long as may be."""
    call = call_of_length(PREIMAGE_BYTES_MAX)
    sandbox.ok(BOB, Preimage.note.Call(call=call))
    return hash_call(encode(call.to_plain()))


def referenda(sandbox: Sandbox, *, places_left: int = 0, waiting: bool = False) -> None:
    """Fill every track with referenda that are decided, and the inactive accounts.

    With `waiting`, the last one of the root track waits for a place.
    """
    call_hash = large_call(sandbox)
    sandbox.ok(BOB, Governance.submit.Call(track=TRACK, call_hash=call_hash, enactment_blocks=0))
    sandbox.ok(ALICE, Governance.place_decision_deposit.Call(referendum=0))
    with sandbox.reading() as pallets:
        first = pallets.governance.referenda[0]
    opened: dict[int, Referendum] = {}
    for track in TrackName:
        for _ in range(REFERENDA_PER_TRACK_MAX):
            opened[len(opened)] = replace(
                first, track=track, deciding_since=sandbox.height, alarm=_LATE
            )
    last = REFERENDA_PER_TRACK_MAX - 1
    if waiting:
        opened[last] = replace(opened[last], deciding_since=None, alarm=None)
        put_all(sandbox, Governance.waiting, {TRACK: (last,)})
    opened = dict(list(opened.items())[: len(opened) - places_left])
    put_all(sandbox, Governance.referenda, opened)
    put(
        sandbox,
        Governance.alarms,
        tuple((_LATE, number) for number, each in opened.items() if each.alarm),
    )
    of_track = {track: [e for e in opened.values() if e.track is track] for track in TrackName}
    counts = {track: len(found) for track, found in of_track.items()}
    deciding = {
        track: sum(each.deciding_since is not None for each in found)
        for track, found in of_track.items()
    }
    put_all(sandbox, Governance.open_count, counts)
    put_all(sandbox, Governance.deciding_count, deciding)
    put(sandbox, Governance.next_referendum, len(opened))
    inactive = tuple(hash_text(bytes([number])) for number in range(INACTIVE_MAX))
    put(sandbox, Governance.inactive, inactive)


def _submit(sandbox: Sandbox) -> Scene:
    referenda(sandbox, places_left=1)
    with sandbox.reading() as pallets:
        call_hash = pallets.governance.referenda[0].call_hash
    put_all(sandbox, Governance.open_count, {TRACK: REFERENDA_PER_TRACK_MAX - 1})
    call = Governance.submit.Call(track=TRACK, call_hash=call_hash, enactment_blocks=5)
    return Scene(ALICE, call)


def _place_decision_deposit(sandbox: Sandbox) -> Scene:
    referenda(sandbox)
    with sandbox.reading() as pallets:
        undecided = replace(pallets.governance.referenda[1], depositor=None, decision_deposit=0)
    put_all(sandbox, Governance.referenda, {1: undecided})
    return Scene(ALICE, Governance.place_decision_deposit.Call(referendum=1))


def _cancel(sandbox: Sandbox) -> Scene:
    referenda(sandbox, waiting=True)
    return Scene(None, Governance.cancel.Call(referendum=0))


def _cancel_approved(sandbox: Sandbox) -> Scene:
    call_hash = full_queue(sandbox, places_left=0)
    ended = Outcome(TRACK, call_hash, Result.APPROVED, 1, NO_VOTES)
    put_all(sandbox, Governance.outcomes, {TASKS_MAX // 2: ended})
    return Scene(None, Governance.cancel.Call(referendum=TASKS_MAX // 2))


def _kill(sandbox: Sandbox) -> Scene:
    referenda(sandbox, waiting=True)
    return Scene(None, Governance.kill.Call(referendum=0))


BENCHMARKS = tuple(
    map(
        Benchmark,
        (_submit, _place_decision_deposit, _cancel, _cancel_approved, _kill),
    )
)
