"""Referenda for rehearsals: an opening in the middle of one, and books that add up after any block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from genesis.scenes import ALICE, BOB, BUILDER, USER
from pallets.governance.pallet import DECISION, SUBMISSION, Governance
from pallets.governance.types import Curve, TrackTerms
from pallets.preimage.pallet import DEPOSIT, Preimage
from pallets.scheduler.pallet import Scheduler
from pallets.system.pallet import System
from pallets.voting import counting
from pallets.voting.pallet import Voting
from pallets.voting.types import NOTHING_DELEGATED, Vote
from runtime.cbor import decode, encode
from runtime.executive import Runtime
from runtime.hashing import hash_call
from runtime.storage import PREFIX_BYTES, Map
from runtime.testing import Rehearsal
from runtime.types import OPEN, PPB
from runtime.wire.votes import NO_VOTES, TrackName, VoteSum

QUICK = TrackTerms(
    decision_deposit=OPEN,
    deciding_max=2,
    prepare_blocks=1,
    decision_blocks=8,
    confirm_blocks=2,
    enactment_blocks=2,
    approval=Curve(PPB, PPB // 2 + 1, PPB),
    support=Curve(PPB // 1_000, 0, PPB),
)
SHORT = dict.fromkeys(
    (
        "root_terms",
        "parameters_terms",
        "small_spender_terms",
        "large_spender_terms",
        "canceller_terms",
        "killer_terms",
    ),
    QUICK,
) | {"undecided_blocks": 9, "lock_blocks": 2}
"""So short that referenda end while random calls are made."""
CALL = System.set_parameter.Call(pallet="Session", name="session_blocks", value=encode(7))
ACCOUNT_PART_BYTES = 34
HASH_BYTES = 32


def voted(chain: Rehearsal) -> None:
    """Two referenda are open, one of them decided, with votes and a delegation."""
    call_hash = hash_call(encode(CALL.to_plain()))
    chain.ok(BUILDER, Preimage.note.Call(call=CALL))
    for track in (TrackName.PARAMETERS, TrackName.ROOT):
        chain.ok(
            BUILDER,
            Governance.submit.Call(track=track, call_hash=call_hash, enactment_blocks=0),
        )
    chain.ok(BUILDER, Governance.place_decision_deposit.Call(referendum=0))
    vote = Vote(aye=1_000 * OPEN, nay=0, abstain=0, conviction=2)
    chain.ok(ALICE, Voting.vote.Call(poll=0, vote=vote))
    against = Vote(aye=0, nay=10 * OPEN, abstain=0, conviction=1)
    chain.ok(BOB, Voting.vote.Call(poll=1, vote=against))
    delegate = Voting.delegate.Call(
        track=TrackName.PARAMETERS, to=ALICE.account, balance=5 * OPEN, conviction=3
    )
    chain.ok(USER, delegate)


def votes_add_up(
    runtime: Runtime, _before: Mapping[bytes, bytes], state: Mapping[bytes, bytes]
) -> str | None:
    """Tallies are sums of votes, requests those of referenda and tasks, holds those of deposits."""
    referenda = _entries(Governance.referenda, state)
    tallies: dict[int, VoteSum] = defaultdict(lambda: NO_VOTES)
    for voting in _entries(Voting.votings, state).values():
        for each in voting.cast:
            counted = counting.tally_of(each.vote, voting.delegated)
            tallies[each.poll] = tallies[each.poll].replacing(NO_VOTES, counted)
        if voting.delegation is None and voting == type(voting)():
            return "an account that does nothing is stored"
    for key, asked in referenda.items():
        number = decode(key)
        if asked.tally != tallies[number]:
            return f"referendum {number} counts {asked.tally}, and its votes {tallies[number]}"
    return _delegations_problem(state) or _deposits_problem(runtime, state)


def _delegations_problem(state: Mapping[bytes, bytes]) -> str | None:
    votings = _entries(Voting.votings, state)
    received = dict.fromkeys(votings, NOTHING_DELEGATED)
    for key, voting in votings.items():
        given = voting.delegation
        if given is not None:
            to = encode(given.delegate) + key[ACCOUNT_PART_BYTES:]
            added = counting.delegated_by(given.balance, given.conviction)
            received[to] = counting.add_delegated(received[to], added, 1)
    if any(voting.delegated != received[key] for key, voting in votings.items()):
        return "a delegate has other votes than were delegated to it"
    return None


def _deposits_problem(runtime: Runtime, state: Mapping[bytes, bytes]) -> str | None:
    deposits: dict[tuple[bytes, str], int] = defaultdict(int)
    requests: dict[bytes, int] = defaultdict(int)
    for asked in _entries(Governance.referenda, state).values():
        requests[asked.call_hash] += 1
        deposits[asked.submitter, SUBMISSION] += asked.submission_deposit
        if asked.depositor is not None:
            deposits[asked.depositor, DECISION] += asked.decision_deposit
    for task in _entries(Scheduler.tasks, state).values():
        requests[task.call_hash] += 1
    for key, status in _entries(Preimage.statuses, state).items():
        call_hash = key[-HASH_BYTES:]
        if status.requests != requests[call_hash]:
            return f"{call_hash.hex()} is requested {status.requests} times"
        if status.owner is not None:
            deposits[status.owner, DEPOSIT] += status.deposit
    with runtime.reading(state):
        holds = runtime.pallets["Balances"].holds
        for (owner, reason), amount in deposits.items():
            if holds[owner, reason] != amount:
                return (
                    f"{owner.hex()} has {amount} in deposits for {reason}, and holds less or more"
                )
    return None


def _entries(item: Map[Any, Any], state: Mapping[bytes, bytes]) -> dict[bytes, Any]:
    return {
        key[PREFIX_BYTES:]: item.codec.decode(value)
        for key, value in state.items()
        if key.startswith(item.prefix)
    }
