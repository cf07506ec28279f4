"""Votes, conviction and delegation.

Terms.  A *poll* is something to vote about: a referendum.  A vote has *conviction*: its owner's
OPEN counts more, and stays locked for longer after the end.  A *delegate* votes for others on a
track, with their OPEN and conviction.

Rules:

- An account votes with up to its free balance and its bonds.  Its votes and delegations overlap:
  the largest counts as its lock (`Balances.set_lock`), so one OPEN may vote in every poll, and
  in none twice.
- A vote can be changed and removed while the poll is not over, and counts no more.  After that, who
  won with conviction keeps it locked for its time; everybody else is free at once.
- On each track an account votes, or lets another one vote for it.  Who delegates lets nobody vote
  through it: delegations do not go on.
- What was delegated follows a vote for one side, and no split one.
- Nothing walks over voters: a delegate has the sum of what others delegated, and changing that
  changes the polls that it has voted in, 32 at most.

Prior art: conviction voting and its locks as in OpenGov of Polkadot.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pallets.voting import counting, weights
from pallets.voting.types import (
    VOTES_MAX,
    CastVote,
    Conviction,
    Delegated,
    Delegation,
    TrackLock,
    TrackLocks,
    TrackVoting,
    Vote,
)
from runtime import (
    U16,
    U32,
    AccountId,
    Amount,
    Between,
    Error,
    Event,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    call,
)
from runtime.traits import LockableCurrency, Polls
from runtime.wire.votes import NO_VOTES, PollEnd, TrackName, VoteSum

VOTES = "Voting.votes"
"""Why a voter's balance is locked."""
LOCK_BLOCKS_MOST = 2**28
"""The longest lock period: 2**5 of them after any height are still a height."""


class Voting(Pallet, index=15):
    """Votes, conviction and delegation."""

    # Needs

    currency: Needs[LockableCurrency]
    polls: Needs[Polls]

    # Storage, parameters first

    lock_blocks = Parameter[Annotated[int, Between(0, LOCK_BLOCKS_MOST)]](
        1_209_600,
        "How long a vote that won with conviction 1 stays locked; each more doubles it: a week.",
    )
    votings = Map[tuple[AccountId, TrackName], TrackVoting](TrackVoting())
    locks = Map[AccountId, TrackLocks](())

    # Events

    class Voted(Event):
        """An account voted, or changed its vote."""

        poll: U32
        voter: AccountId
        vote: Vote

    class VoteRemoved(Event):
        """An account has no vote in a poll any more."""

        poll: U32
        voter: AccountId

    class DelegationSet(Event):
        """An account lets another one vote for it on a track."""

        voter: AccountId
        track: TrackName
        delegation: Delegation

    class DelegationEnded(Event):
        """An account votes itself again on a track."""

        voter: AccountId
        track: TrackName
        delegation: Delegation

    # Errors

    class UnknownPoll(Error):
        """There is no such poll, or it is over."""

        remedy: ClassVar[str] = "Read Governance.referenda for what can be voted about."
        poll: U32

    class InvalidVote(Error):
        """A vote needs OPEN, and conviction goes with one side alone."""

        remedy: ClassVar[str] = "Vote with OPEN on one side, or split it with conviction 0."
        conviction: Conviction

    class MoreThanLockable(Error):
        """The account has less OPEN than it would vote with."""

        remedy: ClassVar[str] = "Vote with at most your free balance and your bonded stake."
        lockable: Amount
        needed: Amount

    class TooManyVotes(Error):
        """The account has as many votes on this track as may be."""

        remedy: ClassVar[str] = "Call Voting.unlock: votes in polls that are over go."
        votes: U16

    class NoVote(Error):
        """The account has no vote in the referendum."""

        remedy: ClassVar[str] = "Read Voting.votings: it may be removed already."
        poll: U32

    class AlreadyDelegating(Error):
        """The account lets another one vote for it on this track."""

        remedy: ClassVar[str] = "Call Voting.undelegate first."
        delegate: AccountId

    class NotDelegating(Error):
        """The account lets nobody vote for it on this track."""

        remedy: ClassVar[str] = "Vote yourself, or call Voting.delegate."
        track: TrackName

    class AlreadyVoting(Error):
        """The account votes itself on this track."""

        remedy: ClassVar[str] = "Remove your votes firstSSS.remove_vote and unlock."
        votes: U16

    class OwnDelegate(Error):
        """An account cannot let itself vote for it."""

        remedy: ClassVar[str] = "Vote with Voting.vote."
        account: AccountId

    # Calls

    @call(0, weight=weights.vote)
    def vote(self, voter: Signed, poll: U32, vote: Vote) -> None:
        """Vote, or change a vote; what it needs is locked as long as the vote is there."""
        track = self.polls.open_track(poll)
        if track is None:
            raise self.UnknownPoll(poll=poll)
        if not counting.is_valid(vote):
            raise self.InvalidVote(conviction=vote.conviction)
        self._require_lockable(voter, counting.total_of(vote))
        voting = self.votings[voter, track]
        if voting.delegation is not None:
            raise self.AlreadyDelegating(delegate=voting.delegation.delegate)
        before, others = _taken_out(voting, poll)
        if len(others) == VOTES_MAX:
            raise self.TooManyVotes(votes=len(others))
        voting.cast = (*others, CastVote(poll, vote))
        self._store(voter, track, voting)
        delegated = voting.delegated
        self.polls.recount(poll, _counted(before, delegated), counting.tally_of(vote, delegated))
        self.emit(self.Voted(poll, voter, vote))

    @call(1, weight=weights.remove_vote)
    def remove_vote(self, voter: Signed, poll: U32) -> None:
        """Take a vote back; in a poll that is over, it may stay locked for its time."""
        end = self.polls.poll_end(poll)
        track = self.polls.open_track(poll) if end is None else end.track
        if track is None:
            raise self.UnknownPoll(poll=poll)
        voting = self.votings[voter, track]
        before, voting.cast = _taken_out(voting, poll)
        if before is None:
            raise self.NoVote(poll=poll)
        if end is None:
            self.polls.recount(poll, _counted(before, voting.delegated), NO_VOTES)
        else:
            self._keep(voting, before.vote, end)
        self._store(voter, track, voting)
        self.emit(self.VoteRemoved(poll, voter))

    @call(2, weight=weights.delegate)
    def delegate(
        self,
        voter: Signed,
        track: TrackName,
        to: AccountId,
        balance: Positive[Amount],
        conviction: Conviction,
    ) -> None:
        """Let another account vote with `balance` and conviction of the signer on a track."""
        voting = self.votings[voter, track]
        if voting.delegation is not None:
            raise self.AlreadyDelegating(delegate=voting.delegation.delegate)
        if voting.cast:
            raise self.AlreadyVoting(votes=len(voting.cast))
        if to == voter:
            raise self.OwnDelegate(account=to)
        self._require_lockable(voter, balance)
        voting.delegation = Delegation(to, balance, conviction)
        self._store(voter, track, voting)
        self._shift(to, track, counting.delegated_by(balance, conviction), 1)
        self.emit(self.DelegationSet(voter, track, voting.delegation))

    @call(3, weight=weights.undelegate)
    def undelegate(self, voter: Signed, track: TrackName) -> None:
        """Vote oneself again on a track; the balance stays locked for its conviction's time."""
        voting = self.votings[voter, track]
        ended = voting.delegation
        if ended is None:
            raise self.NotDelegating(track=track)
        voting.delegation = None
        until = self.block.height + self._lock_blocks(ended.conviction)
        _keep_until(voting, ended.balance, until, self.block.height)
        self._store(voter, track, voting)
        added = counting.delegated_by(ended.balance, ended.conviction)
        self._shift(ended.delegate, track, added, -1)
        self.emit(self.DelegationEnded(voter, track, ended))

    @call(4, weight=weights.unlock)
    def unlock(self, _sender: Signed, voter: AccountId, track: TrackName) -> None:
        """Remove a voter's votes in polls that are over, and end locks whose time is over.

        Anybody may: a voter who has locked everything cannot pay a fee.
        """
        voting = self.votings[voter, track]
        left = []
        for each in voting.cast:
            end = self.polls.poll_end(each.poll)
            if end is None:
                left.append(each)
            else:
                self._keep(voting, each.vote, end)
        voting.cast = tuple(left)
        self._store(voter, track, voting)

    # Helpers

    def _require_lockable(self, voter: bytes, needed: int) -> None:
        lockable = self.currency.lockable_balance(voter)
        if lockable < needed:
            raise self.MoreThanLockable(lockable=lockable, needed=needed)

    def _lock_blocks(self, conviction: int) -> int:
        return counting.lock_periods(conviction) * self.lock_blocks.get()

    def _keep(self, voting: TrackVoting, vote: Vote, end: PollEnd) -> None:
        """Keep the vote of a winner locked for its conviction's time."""
        if end.approved is not None:
            won = vote.aye if end.approved else vote.nay
            until = end.ended_at + self._lock_blocks(vote.conviction)
            _keep_until(voting, won, until, self.block.height)

    def _shift(self, delegate: bytes, track: TrackName, change: Delegated, sign: int) -> None:
        """Give a delegate more or fewer votes, in the polls that it has voted in as well."""
        voting = self.votings[delegate, track]
        before = voting.delegated
        voting.delegated = after = counting.add_delegated(before, change, sign)
        self._store(delegate, track, voting)
        for each in voting.cast:
            if self.polls.open_track(each.poll) is not None:
                self.polls.recount(each.poll, _counted(each, before), _counted(each, after))

    def _store(self, voter: bytes, track: TrackName, voting: TrackVoting) -> None:
        """Store what an account does on a track, and lock what that needs."""
        if voting.kept_until <= self.block.height:
            voting.kept = voting.kept_until = 0
        key = (voter, track)
        if voting != TrackVoting():
            self.votings[key] = voting
        elif key in self.votings:
            del self.votings[key]
        needed = [counting.total_of(each.vote) for each in voting.cast]
        if voting.delegation is not None:
            needed.append(voting.delegation.balance)
        self._lock(voter, TrackLock(track, max([*needed, voting.kept])))

    def _lock(self, voter: bytes, lock: TrackLock) -> None:
        before = self.locks[voter]
        others = [each for each in before if each.track is not lock.track]
        locks = tuple([*others, lock] if lock.amount else others)
        if locks == before:
            return
        if locks:
            self.locks[voter] = locks
        else:
            del self.locks[voter]
        self.currency.set_lock(voter, max([each.amount for each in locks], default=0), VOTES)


def _taken_out(voting: TrackVoting, poll: int) -> tuple[CastVote | None, tuple[CastVote, ...]]:
    """The vote in a poll, if there is one, and all others."""
    found = next((each for each in voting.cast if each.poll == poll), None)
    return found, tuple([each for each in voting.cast if each is not found])


def _counted(cast: CastVote | None, delegated: Delegated) -> VoteSum:
    """What a vote adds to its poll."""
    return NO_VOTES if cast is None else counting.tally_of(cast.vote, delegated)


def _keep_until(voting: TrackVoting, amount: int, until: int, height: int) -> None:
    """Keep the larger amount until the later height, if that is still to come."""
    if amount and until > height:
        voting.kept = max(voting.kept, amount)
        voting.kept_until = max(voting.kept_until, until)
