"""The cases of `Voting`: all the votes that an account may have, on every track."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.governance import TRACK, referenda
from genesis.benchmarks.stored import put_all
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB
from pallets.governance.pallet import Governance
from pallets.governance.types import Outcome, Result
from pallets.voting.pallet import Voting
from pallets.voting.types import VOTES_MAX, CastVote, TrackLock, TrackVoting, Vote
from runtime.hashing import ZERO_HASH
from runtime.keys import Keypair
from runtime.types import OPEN
from runtime.wire.votes import NO_VOTES, TrackName, VoteSum

_VOTE = Vote(aye=100 * OPEN, nay=0, abstain=0, conviction=6)
_CHANGED = Vote(aye=0, nay=200 * OPEN, abstain=0, conviction=5)
_VERY_LATE = 10**8
"""Every lock is over; no referendum is."""
_TALLY = VoteSum(10**6 * OPEN, 10**6 * OPEN, 10**6 * OPEN)


def _ballots(sandbox: Sandbox, voter: Keypair, count: int) -> None:
    """Votes of an account in the first polls of its track, and locks on all of them."""
    with sandbox.reading() as pallets:
        polls = {number: pallets.governance.referenda[number] for number in range(VOTES_MAX)}
    for poll in polls.values():
        poll.tally = _TALLY
    put_all(sandbox, Governance.referenda, polls)
    voting = TrackVoting(cast=tuple(CastVote(number, _VOTE) for number in range(count)))
    put_all(sandbox, Voting.votings, {(voter.account, TRACK): voting})
    locks = tuple(TrackLock(track, 50 * OPEN) for track in reversed(TrackName))
    put_all(sandbox, Voting.locks, {voter.account: locks})


def _vote(sandbox: Sandbox) -> Scene:
    referenda(sandbox)
    _ballots(sandbox, ALICE, VOTES_MAX)
    return Scene(ALICE, Voting.vote.Call(poll=0, vote=_CHANGED))


def _first_vote(sandbox: Sandbox) -> Scene:
    referenda(sandbox)
    return Scene(ALICE, Voting.vote.Call(poll=0, vote=_VOTE))


def _remove_vote(sandbox: Sandbox) -> Scene:
    referenda(sandbox)
    _ballots(sandbox, ALICE, VOTES_MAX)
    return Scene(ALICE, Voting.remove_vote.Call(poll=0))


def _remove_last_vote(sandbox: Sandbox) -> Scene:
    referenda(sandbox)
    sandbox.ok(ALICE, Voting.vote.Call(poll=0, vote=_VOTE))
    return Scene(ALICE, Voting.remove_vote.Call(poll=0))


def _delegation(sandbox: Sandbox) -> None:
    referenda(sandbox)
    _ballots(sandbox, BOB, VOTES_MAX)


def _delegate_call(track: TrackName = TRACK) -> Scene:
    call = Voting.delegate.Call(track=track, to=BOB.account, balance=100 * OPEN, conviction=6)
    return Scene(ALICE, call)


def _delegate(sandbox: Sandbox) -> Scene:
    _delegation(sandbox)
    return _delegate_call()


def _undelegate(sandbox: Sandbox) -> Scene:
    _delegation(sandbox)
    sandbox.ok(ALICE, _delegate_call().call)
    return Scene(ALICE, Voting.undelegate.Call(track=TRACK))


def _unlock(sandbox: Sandbox) -> Scene:
    referenda(sandbox)
    _ballots(sandbox, ALICE, VOTES_MAX)
    sandbox.ok(ALICE, Voting.vote.Call(poll=0, vote=_VOTE))
    ended = Outcome(TRACK, ZERO_HASH, Result.APPROVED, sandbox.height, NO_VOTES)
    put_all(sandbox, Governance.outcomes, dict.fromkeys(range(VOTES_MAX), ended))
    return Scene(BOB, Voting.unlock.Call(voter=ALICE.account, track=TRACK))


def _unlock_everything(sandbox: Sandbox) -> Scene:
    referenda(sandbox)
    sandbox.ok(ALICE, Voting.vote.Call(poll=0, vote=_VOTE))
    ended = Outcome(TRACK, ZERO_HASH, Result.APPROVED, sandbox.height, NO_VOTES)
    put_all(sandbox, Governance.outcomes, {0: ended})
    return Scene(BOB, Voting.unlock.Call(voter=ALICE.account, track=TRACK), _VERY_LATE)


BENCHMARKS = tuple(
    map(
        Benchmark,
        (
            _vote,
            _first_vote,
            _remove_vote,
            _remove_last_vote,
            _delegate,
            _undelegate,
            _unlock,
            _unlock_everything,
        ),
    )
)
