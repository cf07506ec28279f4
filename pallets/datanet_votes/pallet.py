"""Votes of a Datanet's contributors on its terms: licence, purposes, bonds, curation, access.

Terms.  A *proposal* is a complete set of terms.  Who has accepted rows in the Datanet may propose
and vote; a vote weighs what the voter's rows in it earned so far (their influence, as it was paid)
and, at the rate `stake_ppb`, the stake that is held for it.

Why it is safe:

- Stake is held from the vote until the proposal is closed: a borrowed or wrapped stake must stay
  for the whole period, and counts once, because held balance cannot be moved or held again.
- Earnings cannot be moved, so splitting an account splits them too.
- Only contributors vote, and rows are reviewed and bonded: making accounts costs rows.
- Terms bind what comes after.  A version's permitted purposes are those that the contributors of
  all its rows agreed to when they committed, so no vote can widen a licence for rows given before.
- A proposal needs a quorum and a majority; one that is rejected loses its deposit to the treasury.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.datanet_votes import weights
from pallets.datanet_votes.types import Proposal, ProposalState
from pallets.pots import TREASURY
from runtime import (
    OPEN,
    PPB,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
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
from runtime.arithmetic import apply_ppb
from runtime.traits import Currency, DatanetRegistry
from runtime.wire.datanets import Terms

DEPOSIT = "DatanetVotes.deposit"
VOTE = "DatanetVotes.vote"
"""Why a voter's balance is held."""


class DatanetVotes(Pallet, index=29):
    """Proposals of other terms, and the votes on them."""

    # Needs

    currency: Needs[Currency]
    datanets: Needs[DatanetRegistry]

    # Storage, parameters first

    deposit = Parameter[Amount](100 * OPEN, "What a proposal costs if it is rejected.")
    voting_blocks = Parameter[Positive[U32]](
        1_209_600, "How long a proposal is open: a week of half seconds."
    )
    quorum = Parameter[Amount](
        1_000 * OPEN, "The least weight of all votes with which a proposal passes."
    )
    stake_ppb = Parameter[Annotated[int, Between(0, PPB)]](
        PPB,
        "What stake weighs beside as much that rows earned, in billionths; 0: earnings alone vote.",
    )
    next_proposal = Map[U32, U32](0)
    proposals = Map[tuple[U32, U32], Proposal]()
    votes = Map[tuple[U32, U32, AccountId], Amount]()
    """The stake that is held for a vote."""

    # Events

    class Proposed(Event):
        """Somebody proposed other terms."""

        datanet: U32
        proposal: U32
        terms: Terms
        ends_at: BlockNumber

    class Voted(Event):
        """A contributor voted."""

        datanet: U32
        proposal: U32
        voter: AccountId
        approve: bool
        weight: Amount

    class Closed(Event):
        """A proposal was counted; if it passed, its terms hold now."""

        datanet: U32
        proposal: U32
        state: ProposalState
        approving: Amount
        rejecting: Amount

    # Errors

    class NotContributor(Error):
        """Only who has accepted rows in the Datanet may propose and vote."""

        remedy: ClassVar[str] = "Contribute rows first."
        datanet: U32

    class UnknownProposal(Error):
        """The Datanet has no such proposal."""

        remedy: ClassVar[str] = "Take the number from the event DatanetVotes.Proposed."
        proposal: U32

    class WrongState(Error):
        """The proposal is closed, or not closed yet."""

        remedy: ClassVar[str] = "Vote before ends_at; close it then; release stakes after that."
        state: ProposalState
        ends_at: BlockNumber

    class AlreadyVoted(Error):
        """The account has voted on this proposal."""

        remedy: ClassVar[str] = "A vote cannot be changed."
        stake: Amount

    class NothingHeld(Error):
        """No stake of the account is held for this proposal."""

        remedy: ClassVar[str] = "Name the proposal that the account voted on."
        proposal: U32

    # Calls

    @call(0, weight=weights.propose)
    def propose(self, proposer: Signed, datanet: U32, terms: Terms) -> None:
        """Propose other terms for a Datanet that the signer contributed to; holds a deposit."""
        self._require_contributor(datanet, proposer)
        self.datanets.check_terms(terms)
        deposit = self.deposit.get()
        self.currency.hold(proposer, deposit, DEPOSIT)
        number = self.next_proposal[datanet]
        self.next_proposal[datanet] = number + 1
        ends_at = self.block.height + self.voting_blocks.get()
        self.proposals[datanet, number] = Proposal(
            proposer=proposer,
            terms=terms,
            deposit=deposit,
            ends_at=ends_at,
            state=ProposalState.OPEN,
        )
        self.emit(self.Proposed(datanet=datanet, proposal=number, terms=terms, ends_at=ends_at))

    @call(1, weight=weights.vote)
    def vote(
        self, voter: Signed, datanet: U32, proposal: U32, approve: bool, stake: Amount
    ) -> None:
        """Vote once, with a stake that is held until the proposal is closed."""
        record = self._proposal(datanet, proposal)
        if self.block.height >= record.ends_at or record.state is not ProposalState.OPEN:
            raise self.WrongState(state=record.state, ends_at=record.ends_at)
        self._require_contributor(datanet, voter)
        known = self.votes.get((datanet, proposal, voter))
        if known is not None:
            raise self.AlreadyVoted(stake=known)
        self.currency.hold(voter, stake, VOTE)
        self.votes[datanet, proposal, voter] = stake
        earned = self.datanets.earned_by(datanet, voter)
        weight = apply_ppb(stake, self.stake_ppb.get()) + earned
        if approve:
            record = replace(record, approving=record.approving + weight)
        else:
            record = replace(record, rejecting=record.rejecting + weight)
        self.proposals[datanet, proposal] = record
        self.emit(
            self.Voted(
                datanet=datanet, proposal=proposal, voter=voter, approve=approve, weight=weight
            )
        )

    @call(2, weight=weights.close)
    def close(self, _origin: Signed, datanet: U32, proposal: U32) -> None:
        """Count a proposal whose time is over, whoever asks; what passed holds at once."""
        record = self._proposal(datanet, proposal)
        if self.block.height < record.ends_at or record.state is not ProposalState.OPEN:
            raise self.WrongState(state=record.state, ends_at=record.ends_at)
        is_majority = record.approving > record.rejecting
        passed = is_majority and record.approving + record.rejecting >= self.quorum.get()
        if passed:
            self.datanets.set_terms(datanet, record.terms)
        if is_majority or not record.rejecting:
            self.currency.release(record.proposer, record.deposit, DEPOSIT)
        else:
            self.currency.move_held(record.proposer, record.deposit, DEPOSIT, TREASURY)
        state = ProposalState.PASSED if passed else ProposalState.REJECTED
        self.proposals[datanet, proposal] = replace(record, state=state, deposit=0)
        self.emit(
            self.Closed(
                datanet=datanet,
                proposal=proposal,
                state=state,
                approving=record.approving,
                rejecting=record.rejecting,
            )
        )

    @call(3, weight=weights.release)
    def release(self, voter: Signed, datanet: U32, proposal: U32) -> None:
        """Take the stake of a vote back, once the proposal is closed."""
        record = self._proposal(datanet, proposal)
        if record.state is ProposalState.OPEN:
            raise self.WrongState(state=record.state, ends_at=record.ends_at)
        stake = self.votes.get((datanet, proposal, voter))
        if stake is None:
            raise self.NothingHeld(proposal=proposal)
        del self.votes[datanet, proposal, voter]
        self.currency.release(voter, stake, VOTE)

    # Helpers

    def _require_contributor(self, datanet: int, account: bytes) -> None:
        self.datanets.datanet(datanet)
        if not self.datanets.rows_of(datanet, account):
            raise self.NotContributor(datanet=datanet)

    def _proposal(self, datanet: int, proposal: int) -> Proposal:
        record = self.proposals.get((datanet, proposal))
        if record is None:
            raise self.UnknownProposal(proposal=proposal)
        return record
