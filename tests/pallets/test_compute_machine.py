"""Jobs, audits and disputes among honest, lying, silent and colluding parties, as a state machine.

In every block the honest make all moves that are theirs to make, and the liars whatever they are
told.  The honest never have less than before, the books add up, and every job ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.scenes import ALICE, BOB, BUILDER, FEE, SALT, USER, WORKER, outcome, submit_job
from genesis.scenes import reveal_result as reveal_of
from pallets.audits.pallet import Audits
from pallets.audits.types import AuditPlan
from pallets.compute.pallet import FEE as FEE_HELD
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import BOND as BOND_HELD
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Dispute, OpenedStep, Turn
from pallets.workers.pallet import Workers
from runtime.calls import RuntimeCall
from runtime.hashing import ZERO_HASH
from runtime.keys import Keypair, pallet_account
from runtime.merkle import list_root
from runtime.types import OPEN
from runtime.wire.records import UNFINISHED, Job, JobState
from runtime.wire.transcripts import blinded_root, first_difference, leaf_result, open_step, split
from tests.pallets.market import HONEST, LIE, LIE_FROM, VALIDATORS, Market

GOOD_WORKERS = (WORKER, ALICE)
LIARS = (BOB, USER)
LIE_ROOT = list_root(LIE)
JOBS_MAX = 6
BLOCKS_TO_THE_END = 600
CLOCKS = {
    "claim_blocks": 40,
    "commit_blocks": 20,
    "audit_blocks": 20,
    "reveal_blocks": 20,
    "certify_blocks": 20,
    "window_blocks": 20,
    "clock_blocks": 20,
    "judge_blocks": 20,
}
PICK = st.integers(0, JOBS_MAX - 1)
Moves = list[tuple[Keypair, RuntimeCall]]


def leaves_of(who: bytes) -> Sequence[bytes]:
    """What a worker claims that its jobs lead to."""
    return LIE if who in [each.account for each in LIARS] else HONEST


def truth(opened: OpenedStep) -> bytes:
    """What follows from the leaf before: a lie is one wrong step, and the next ones follow."""
    right = HONEST
    if opened.index > LIE_FROM and opened.before == LIE[opened.index - 1]:
        right = LIE
    return leaf_result(right[opened.index])


class Jobs(RuleBasedStateMachine):
    """Six jobs at most, four workers of whom two lie, four validators of whom one does."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = Market(start_ppb=500_000_000, floor_ppb=500_000_000, **CLOCKS)
        for worker in (ALICE, *LIARS):
            self.chain.ok(worker, Workers.register.Call(bond=50_000 * OPEN))
        self.chain.ok(WORKER, Workers.bond_extra.Call(amount=40_000 * OPEN))
        self.begin = self.chain.wealth()
        for honest in (False, True, False):
            self.order(honest)
        for job in (0, 2):
            self.liar_commits(job)

    # What the liars are told

    @rule(honest=st.booleans())
    def order(self, honest: bool) -> None:
        """A job is ordered, and claimed by a worker of either kind."""
        number = len(self.jobs())
        if number == JOBS_MAX:
            return
        self.tick((BUILDER, submit_job(FEE)))
        worker = WORKER if honest else BOB
        self.tick((worker, Compute.claim.Call(job=number)))

    @rule(blocks=st.integers(1, 12))
    def wait(self, blocks: int) -> None:
        """Only the honest do anything."""
        for _ in range(blocks):
            self.tick()

    @rule(pick=PICK)
    def liar_commits(self, pick: int) -> None:
        """The lying worker commits to what it will say."""
        number = self.chosen(pick, JobState.CLAIMED, worker=BOB)
        blinded = blinded_root(LIE_ROOT, BOB.account, SALT)
        self.tick((BOB, Compute.commit.Call(job=number, blinded=blinded)))

    @rule(pick=PICK)
    def liar_reveals(self, pick: int) -> None:
        """And says it."""
        number = self.chosen(pick, JobState.COMMITTED, worker=BOB)
        self.tick((BOB, reveal_of(number, LIE)))

    @rule(pick=PICK)
    def liar_reveals_and_is_shielded(self, pick: int) -> None:
        """And an accomplice takes the place of who would find it out, to lose on purpose."""
        number = self.chosen(pick, JobState.COMMITTED, worker=BOB)
        challenge = Disputes.challenge.Call(work=number)
        self.tick((BOB, reveal_of(number, LIE)), (USER, challenge))

    @rule(pick=PICK, who=st.sampled_from(LIARS), lie=st.booleans())
    def lazy_audit(self, pick: int, who: Keypair, lie: bool) -> None:
        """A drawn liar commits to a guess, or to what its accomplice told it."""
        number = self.chosen(pick, JobState.COMMITTED)
        root = LIE_ROOT if lie else ZERO_HASH
        blinded = blinded_root(root, who.account, SALT)
        self.tick((who, Audits.commit.Call(job=number, blinded=blinded)))

    @rule(pick=PICK, who=st.sampled_from(LIARS))
    def lazy_reveal(self, pick: int, who: Keypair) -> None:
        """And confirms it."""
        number = self.chosen(pick, JobState.REVEALED)
        self.tick((who, Audits.reveal.Call(job=number, root=LIE_ROOT, salt=SALT)))

    @rule(pick=PICK, index=st.none() | st.integers(0, 13))
    def false_challenge(self, pick: int, index: int | None) -> None:
        """Somebody disputes what is right."""
        number = self.chosen(pick, JobState.REVEALED, worker=WORKER)
        if index is None:
            self.tick((USER, Disputes.challenge.Call(work=number)))
        else:
            self.tick((USER, Disputes.challenge_step.Call(work=number, index=index)))

    @rule(place=st.integers(0, 13))
    def false_pick(self, place: int) -> None:
        """And names any node, in every dispute of its own."""
        calls = [Disputes.pick.Call(work=each, place=place) for each in self.disputes()]
        self.tick(*[(USER, call) for call in calls])

    @rule()
    def liar_defends(self) -> None:
        """The lying worker shows what it committed to."""
        disputes = self.disputes().items()
        told = [self.defence(BOB, *each) for each in disputes if each[1].worker == BOB.account]
        self.tick(*[move for moves in told for move in moves])

    @rule(result=st.sampled_from((ZERO_HASH, LIE_ROOT)))
    def false_attestation(self, result: bytes) -> None:
        """One of four validators signs something else."""
        calls = [Disputes.judge.Call(work=each, result=result) for each in self.disputes()]
        self.tick(*[(VALIDATORS[3], call) for call in calls])

    # What must hold

    @invariant()
    def honest_parties_never_lose(self) -> None:
        """Workers, auditors, challengers and validators have at least what they began with."""
        wealth = self.chain.wealth()
        for who in (*GOOD_WORKERS, *VALIDATORS[:3]):
            assert wealth[who.account] >= self.begin[who.account]

    @invariant()
    def owners_pay_for_what_stands(self) -> None:
        """The builder has paid the fees of settled jobs, and of no others."""
        settled = [job for job in self.jobs() if job.state is JobState.SETTLED]
        paid = self.begin[BUILDER.account] - self.chain.wealth()[BUILDER.account]
        assert paid == FEE * len(settled)

    @invariant()
    def a_lie_never_becomes_a_model(self) -> None:
        """What settles is what the job leads to, as long as one honest party looks at it."""
        for job in self.jobs():
            if job.state is JobState.SETTLED and job.result is not None:
                assert job.result.transcript_root == list_root(HONEST)

    @invariant()
    def what_is_locked_is_at_stake(self) -> None:
        """Each worker's locked bond is that of its open claims and audits; holds are those of jobs."""
        locked: dict[bytes, int] = {}
        jobs, plans, disputes = self.jobs(), self.plans(), self.disputes()
        for number, job in enumerate(jobs):
            assert job.disputed == (number in disputes)
            if job.worker is not None and job.state in UNFINISHED:
                locked[job.worker] = locked.get(job.worker, 0) + job.bond
            for audit in plans[number].audits if number in plans else ():
                locked[audit.auditor] = locked.get(audit.auditor, 0) + audit.bond
        with self.chain.reading() as pallets:
            for who in (*GOOD_WORKERS, *LIARS):
                assert pallets.workers.workers[who.account].locked == locked.get(who.account, 0)
        unfinished = [job for job in jobs if job.state in UNFINISHED]
        assert self.chain.held(BUILDER.account, FEE_HELD) == FEE * len(unfinished)
        for who in (ALICE, USER, WORKER):
            bonds = [each.bond for each in disputes.values() if each.challenger == who.account]
            assert self.chain.held(who.account, BOND_HELD) == sum(bonds)

    @invariant()
    def nothing_is_left_between_calls(self) -> None:
        """What is forfeited is divided and burnt to the unit; the books add up."""
        assert self.chain.free(pallet_account("Disputes")) == 0
        assert self.chain.free(pallet_account("Compute")) == 0
        self.chain.check_money()

    def teardown(self) -> None:
        """Every job ends, though the liars do nothing more."""
        for _ in range(BLOCKS_TO_THE_END):
            if all(job.state not in UNFINISHED for job in self.jobs()):
                break
            self.tick()
        assert all(job.state not in UNFINISHED for job in self.jobs())
        assert not self.disputes()
        assert not self.plans()
        self.honest_parties_never_lose()
        self.owners_pay_for_what_stands()
        self.what_is_locked_is_at_stake()
        self.nothing_is_left_between_calls()

    # A block

    def tick(self, *told: tuple[Keypair, RuntimeCall]) -> None:
        """One block: what the honest have to do, which succeeds, and what the liars are told."""
        honest = self.honest_moves()
        nonces: dict[bytes, int] = {}
        signed = []
        for who, call in (*honest, *told):
            nonce = nonces.get(who.account, self.chain.nonce(who.account))
            nonces[who.account] = nonce + 1
            signed.append(self.chain.sign(who, call, nonce))
        results = self.chain.execute(*signed).results
        for (_, call), result in zip(honest, results, strict=False):
            assert result.ok, (call, result)

    def honest_moves(self) -> Moves:
        """Everything that an honest party can do now, each job once."""
        moves: Moves = []
        disputes, plans = self.disputes(), self.plans()
        for number, job in enumerate(self.jobs()):
            if number in disputes:
                moves += self.moves_in(number, disputes[number])
            elif job.state in UNFINISHED and self.chain.height + 1 >= job.deadline:
                moves.append((ALICE, Compute.settle.Call(job=number)))
            else:
                moves += self.moves_of(number, job, plans.get(number))
        return moves

    def moves_of(self, number: int, job: Job, plan: AuditPlan | None) -> Moves:
        """What is to be done for a job that is not in dispute."""
        is_good = job.worker == WORKER.account
        if job.state is JobState.CLAIMED and is_good:
            blinded = blinded_root(list_root(HONEST), WORKER.account, SALT)
            return [(WORKER, Compute.commit.Call(job=number, blinded=blinded))]
        moves: Moves = []
        if job.state is JobState.COMMITTED and plan is not None:
            waiting = [audit for audit in plan.audits if audit.blinded is None]
            if is_good and (not waiting or self.chain.height + 1 >= plan.due):
                return [(WORKER, reveal_of(number, HONEST))]
            if self.chain.height + 1 < plan.due:
                moves += [self.audit(who, number) for who in self.good(waiting)]
        if job.state is JobState.REVEALED and plan is not None and job.result is not None:
            told = [audit for audit in plan.audits if audit.root is None and audit.blinded]
            root = list_root(HONEST)
            call = Audits.reveal.Call(job=number, root=root, salt=SALT)
            moves += [(who, call) for who in self.good(told)]
            if not job.certified:
                moves += [(each, Disputes.certify.Call(work=number)) for each in VALIDATORS[:3]]
            if job.result.transcript_root != root:
                moves.append((ALICE, Disputes.challenge.Call(work=number)))
        return moves

    def moves_in(self, number: int, dispute: Dispute) -> Moves:
        """What is to be done in a dispute."""
        height = self.chain.height + 1
        clocks = {Turn.PICK: dispute.challenger_blocks, Turn.JUDGE: CLOCKS["judge_blocks"]}
        if height >= dispute.since + clocks.get(dispute.turn, dispute.worker_blocks):
            return [(ALICE, Disputes.time_out.Call(work=number))]
        if dispute.turn is Turn.JUDGE:
            with self.chain.reading() as pallets:
                result = truth(pallets.disputes.opened[number])
                given = [each.validator for each in pallets.disputes.tallies[number].given]
            call = Disputes.judge.Call(work=number, result=result)
            return [(each, call) for each in VALIDATORS[:3] if each.account not in given]
        if dispute.turn is Turn.PICK:
            if dispute.challenger != ALICE.account:
                return []
            place = first_difference(dispute.nodes, split(HONEST, dispute.subtree))
            return [(ALICE, Disputes.pick.Call(work=number, place=place or 0))]
        if dispute.worker != WORKER.account:
            return []
        return self.defence(WORKER, number, dispute)

    def defence(self, worker: Keypair, number: int, dispute: Dispute) -> Moves:
        """What a worker shows of the transcript that it committed to."""
        leaves = leaves_of(worker.account)
        call: RuntimeCall
        if dispute.turn is Turn.SPLIT:
            call = Disputes.split.Call(work=number, nodes=split(leaves, dispute.subtree))
        else:
            opening = open_step(leaves, dispute.subtree.index, ZERO_HASH)
            call = Disputes.open_step.Call(work=number, opening=opening)
        return [(worker, call)]

    def audit(self, who: Keypair, number: int) -> tuple[Keypair, RuntimeCall]:
        """An honest auditor's commitment."""
        blinded = blinded_root(outcome().transcript_root, who.account, SALT)
        return who, Audits.commit.Call(job=number, blinded=blinded)

    def good(self, audits: Sequence[Any]) -> list[Keypair]:
        """The honest among some auditors."""
        drawn = [audit.auditor for audit in audits]
        return [who for who in GOOD_WORKERS if who.account in drawn]

    # The state

    def chosen(self, pick: int, state: JobState, worker: Keypair | None = None) -> int:
        """A job in a state, by default of any worker; any number where there is none."""
        numbers = [
            number
            for number, job in enumerate(self.jobs())
            if job.state is state and (worker is None or job.worker == worker.account)
        ]
        return numbers[pick % len(numbers)] if numbers else pick

    def jobs(self) -> list[Job]:
        """All jobs."""
        with self.chain.reading() as pallets:
            count = pallets.compute.next_job.get()
            return [pallets.compute.jobs[number] for number in range(count)]

    def plans(self) -> dict[int, AuditPlan]:
        """The audits that are not closed, by job."""
        with self.chain.reading() as pallets:
            found = {number: pallets.audits.plans.get(number) for number in range(JOBS_MAX)}
        return {number: plan for number, plan in found.items() if plan is not None}

    def disputes(self) -> dict[int, Dispute]:
        """The disputes in progress, by job."""
        with self.chain.reading() as pallets:
            found = {number: pallets.disputes.disputes.get(number) for number in range(JOBS_MAX)}
        return {number: each for number, each in found.items() if each is not None}


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
