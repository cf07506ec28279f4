"""The money of Datanets as a state machine: every hold is explained by a record, to the unit."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.scenes import (
    ALICE,
    BOB,
    CURATOR,
    SERVER,
    USER,
    commit,
    create,
    enrol,
    publish,
    report,
    reveal,
    set_sponsor_budget,
    settle_submission,
    terms,
)
from pallets.data_rights.pallet import DataRights
from pallets.datanet_votes.pallet import DEPOSIT as PROPOSAL
from pallets.datanet_votes.pallet import VOTE, DatanetVotes
from pallets.datanets.pallet import SPONSOR
from pallets.panels.pallet import STAKE, Panels
from pallets.reports.pallet import DEPOSIT, Reports
from pallets.submissions.bonds import BOND
from pallets.submissions.pallet import Submissions
from runtime.hashing import hash_text
from runtime.types import OPEN
from runtime.wire.datanets import Curation, SubmissionState
from tests.pallets.chain import Chain, spec

WHO = st.sampled_from((ALICE, BOB))
NUMBER = st.integers(0, 5)
REASONS = (BOND, SPONSOR, STAKE, DEPOSIT, VOTE, PROPOSAL)
SHORT = {
    "reveal_blocks": 6,
    "review_blocks": 6,
    "answerable_blocks": 4,
    "answer_blocks": 2,
    "commit_blocks": 50,
    "voting_blocks": 4,
}


def explained(chain):
    """What the records say is held, by account and reason."""
    found: Counter[tuple[bytes, str]] = Counter()
    with chain.reading() as pallets:
        owner = pallets.datanets.datanet(0).owner
        found[owner, SPONSOR] += pallets.datanets.sponsor_budgets[0]
        for number in range(pallets.submissions.next_submission[0]):
            record = pallets.submissions.submissions.get((0, number))
            if record is not None and record.state is not SubmissionState.SETTLED:
                place = (owner, SPONSOR) if record.sponsored else (record.contributor, BOND)
                found[place] += record.bond
        for panelist in pallets.panels.panelists.get():
            found[panelist.account, STAKE] += panelist.stake
        for number in range(pallets.reports.next_report.get()):
            each = pallets.reports.reports[number]
            found[each.reporter, DEPOSIT] += each.deposit
        for number in range(pallets.datanet_votes.next_proposal[0]):
            proposal = pallets.datanet_votes.proposals[0, number]
            found[proposal.proposer, PROPOSAL] += proposal.deposit
            for who in (ALICE, BOB):
                found[who.account, VOTE] += (
                    pallets.datanet_votes.votes.get((0, number, who.account)) or 0
                )
    return found


class DatanetBooks(RuleBasedStateMachine):
    """Calls in any order, most of which fail; what succeeds keeps the books."""

    def __init__(self):
        super().__init__()
        self.chain = Chain(spec(**SHORT))
        self.chain.ok(SERVER, enrol())
        self.chain.ok(CURATOR, create(curation=Curation.OWNER))
        self.chain.ok(CURATOR, set_sponsor_budget(200))

    @rule(who=WHO, rows=st.integers(1, 9), salt=st.integers(0, 9), extra=st.integers(0, 5))
    def commit(self, who, rows, salt, extra):
        self.chain.send(who, commit(who, rows, bond=rows * 10 + extra, salt=salted(salt)))

    @rule(who=WHO, rows=st.integers(1, 9), salt=st.integers(0, 9))
    def commit_sponsored(self, who, rows, salt):
        self.chain.send(who, commit(who, rows, sponsored=True, salt=salted(salt)))

    @rule(who=WHO, number=NUMBER, salt=st.integers(0, 9))
    def reveal(self, who, number, salt):
        self.chain.send(who, reveal(number, salt=salted(salt)))

    @rule(number=NUMBER, rejected=st.integers(0, 9))
    def review(self, number, rejected):
        with self.chain.reading() as pallets:
            record = pallets.submissions.submissions.get((0, number))
            rows, reviewed, _ = pallets.datanets.totals(0)
            left = pallets.submissions.leaving[0]
        if record is None:
            return
        rejected = min(rejected, record.offer.row_count)
        counts = (number, record.offer.row_count - rejected, 0, rejected)
        call = publish(counts, rows_before=rows - left, reviewed_before=reviewed)
        self.chain.send(CURATOR, call)

    @rule(who=WHO, number=NUMBER)
    def withdraw(self, who, number):
        self.chain.send(who, DataRights.withdraw.Call(datanet=0, submission=number))

    @rule(number=NUMBER)
    def end(self, number):
        self.chain.send(USER, settle_submission(number))
        self.chain.send(USER, Submissions.expire.Call(datanet=0, submission=number))

    @rule(who=WHO, number=NUMBER, rows=st.integers(1, 4))
    def report(self, who, number, rows):
        self.chain.send(who, report(rows=rows, submission=number))

    @rule(number=NUMBER)
    def decide(self, number):
        self.chain.send(USER, Reports.convene.Call(report=number))
        self.chain.send(USER, Panels.seat.Call(case=number))
        self.chain.send(USER, Panels.close.Call(case=number))
        self.chain.send(USER, Reports.resolve.Call(report=number))

    @rule(who=WHO, number=NUMBER, approve=st.booleans(), stake=st.integers(0, 2_000))
    def vote(self, who, number, approve, stake):
        self.chain.send(who, DatanetVotes.propose.Call(datanet=0, terms=terms()))
        call = DatanetVotes.vote.Call(
            datanet=0, proposal=number, approve=approve, stake=stake * OPEN
        )
        self.chain.send(who, call)

    @rule(who=WHO, number=NUMBER)
    def count(self, who, number):
        self.chain.send(USER, DatanetVotes.close.Call(datanet=0, proposal=number))
        self.chain.send(who, DatanetVotes.release.Call(datanet=0, proposal=number))

    @rule(blocks=st.integers(1, 60))
    def wait(self, blocks):
        self.chain.height += blocks

    @invariant()
    def every_hold_is_explained(self):
        """Bonds, budgets, stakes, deposits and votes are what their records say."""
        found = explained(self.chain)
        for who in (ALICE, BOB, CURATOR, SERVER):
            for reason in REASONS:
                held = self.chain.held(who.account, reason)
                assert held == found[who.account, reason], (who, reason)


def salted(number):
    return hash_text(bytes([number]))


TestDatanetBooks = DatanetBooks.TestCase
TestDatanetBooks.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
