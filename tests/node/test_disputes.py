"""Disputes on four real validators: each liar loses what the rules say, and nobody else anything.

One network, one worker that lies and one that does not, an auditor that guesses, two challengers of
whom one is wrong, and a validator that attests falsely.  The three others have a referee each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bench.local_network import local_network, wait_until
from genesis.chain_spec import ChainSpec, development_keypair, local_spec
from genesis.embedded_model import EMBEDDED_MODEL
from genesis.scenes import SALT
from ml.manifest import manifest_of
from node.client import NodeClient
from pallets.audits.pallet import Audits
from pallets.audits.types import AuditPlan
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Dispute, Turn
from pallets.fees.pallet import Fees
from pallets.workers.pallet import Workers
from runtime.calls import RuntimeCall
from runtime.events import EventRecord
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.types import OPEN, PPB
from runtime.wire.records import Job, JobState, RowSource, training_order
from runtime.wire.transcripts import blinded_root, first_difference, open_leaf, open_step, split
from tests.node.judged_runs import PARAMETERS, Run, run_of, state_before, upload
from tests.node.published_rows import publish_rows
from tests.node.referees import VALIDATORS, refereed

FEE = 10 * OPEN
BOND = 10_000 * OPEN
LIE_AFTER = 4
LIAR, HONEST, LAZY = (development_keypair(name) for name in ("worker", "bob", "alice"))
RIGHT, WRONG = development_keypair("user"), development_keypair("server")
OWNER = development_keypair("builder")
STAKE = 100_000 * OPEN
PATIENCE_S = 400.0


def dispute_spec() -> ChainSpec:
    """Every result is audited; nothing is charged, so that what is lost can be counted."""
    spec = replace(local_spec(4), block_time_ms=250)
    chosen = {
        Fees.base_price: 0,
        Fees.byte_price: 0,
        Fees.unit_price: 0,
        Audits.start_ppb: PPB,
        Audits.floor_ppb: PPB,
        Audits.audit_blocks: 2_000,
        Compute.window_blocks: 60,
        Compute.open_jobs_max: 10,
        Disputes.clock_blocks: 80,
        Disputes.judge_blocks: 10_000,
        Disputes.patience_blocks: 40,
    }
    return replace(spec, parameters=spec.parameters.choosing(chosen))


@dataclass(slots=True)
class Arena:
    """The chain by its first validator, and every event that was seen of disputes."""

    client: NodeClient
    base: bytes

    def send(self, who: Keypair, call: RuntimeCall) -> dict[str, EventRecord]:
        """Make a call; returns its events by name."""
        events = self.client.submit(call, who).events
        return {f"{event.pallet}.{event.name}": event for event in events}

    def job(self, number: int) -> Job:
        """A job as the chain has it."""
        found: Job = self.client.read("Compute", "jobs", number)
        return found

    def dispute(self, number: int) -> Dispute | None:
        """The dispute about it."""
        found: Dispute | None = self.client.read("Disputes", "disputes", number)
        return found

    def wealth(self, who: Keypair) -> int:
        """What an account has, free and held."""
        found = self.client.read("Balances", "accounts", who.account)
        return int(found.free + found.held)

    def order(self, worker: Keypair, lie_after: int | None = None) -> tuple[int, Run]:
        """Order a job, have it claimed and computed, commit, audit and reveal."""
        order = training_order(self.base, (RowSource(0, 1),), PARAMETERS)
        submitted = self.send(OWNER, Compute.submit_job.Call(order=order, fee=FEE))
        number: int = submitted["Compute.Submitted"].fields["job"]
        self.send(worker, Compute.claim.Call(job=number))
        job = self.job(number)
        right = run_of(self.client, number, job)
        run = right if lie_after is None else run_of(self.client, number, job, lie_after)
        root = run.outcome.transcript_root
        blinded = blinded_root(root, worker.account, SALT)
        self.send(worker, Compute.commit.Call(job=number, blinded=blinded))
        self.audit(number, right)
        upload(self.client, run)
        self.reveal(worker, number, run)
        return number, run

    def audit(self, number: int, right: Run) -> None:
        """Whoever is drawn commits: the lazy one to a guess, the others to what they computed."""
        wait_until(lambda: self.plan(number) is not None, "the auditors are drawn")
        plan = self.plan(number)
        assert plan is not None
        for audit in plan.audits:
            who = next(each for each in (LIAR, HONEST, LAZY) if each.account == audit.auditor)
            root = hash_text(b"a guess") if who is LAZY else right.outcome.transcript_root
            blinded = blinded_root(root, who.account, SALT)
            self.send(who, Audits.commit.Call(job=number, blinded=blinded))

    def plan(self, number: int) -> AuditPlan | None:
        """Who audits a job."""
        found: AuditPlan | None = self.client.read("Audits", "plans", number)
        return found

    def reveal(self, worker: Keypair, number: int, run: Run) -> None:
        """Tell the result."""
        call = Compute.reveal.Call(
            job=number,
            outcome=run.outcome,
            salt=SALT,
            first=open_leaf(run.leaves, 0),
            last=open_leaf(run.leaves, len(run.leaves) - 1),
        )
        self.send(worker, call)

    def bisect(self, number: int, worker: Keypair, run: Run, who: Keypair, own: Run) -> int:
        """Both sides play until the step is opened; returns which leaf it is."""
        while (dispute := self.dispute(number)) is not None and dispute.turn is not Turn.JUDGE:
            if dispute.turn is Turn.SPLIT:
                nodes = split(run.leaves, dispute.subtree)
                self.send(worker, Disputes.split.Call(work=number, nodes=nodes))
            elif dispute.turn is Turn.PICK:
                place = first_difference(dispute.nodes, split(own.leaves, dispute.subtree))
                self.send(who, Disputes.pick.Call(work=number, place=place or 0))
            else:
                index = dispute.subtree.index
                opening = open_step(run.leaves, index, state_before(self.client, run, index))
                self.send(worker, Disputes.open_step.Call(work=number, opening=opening))
        opened = self.client.read("Disputes", "opened", number)
        return int(opened.index)

    def wait_for_end(self, number: int, state: JobState) -> None:
        """Wait until a job is over, settled by whoever may."""
        wait_until(lambda: self.dispute(number) is None, f"job {number} is judged", PATIENCE_S)
        if self.job(number).state is JobState.REVEALED:
            deadline = self.job(number).deadline
            wait_until(lambda: self.client.height() >= deadline, f"job {number} can be settled")
            self.send(OWNER, Compute.settle.Call(job=number))
        assert self.job(number).state is state


def test_every_liar_loses_exactly_what_the_rules_say(tmp_path: Path) -> None:
    """Lying worker, lying challenger, silent worker, withheld state, lazy auditor, false verdict."""
    with local_network(tmp_path / "net", dispute_spec()) as network:
        network.wait_for_height(2)
        with network.client("validator") as client, refereed(network, tmp_path):
            play(Arena(client, manifest_of(EMBEDDED_MODEL).hash()))


def play(arena: Arena) -> None:
    """The whole story, and who has lost what at its end."""
    publish_rows(arena.client, row_count=24)
    people = (LIAR, HONEST, LAZY, RIGHT, WRONG, OWNER, *VALIDATORS)
    before = {who.account: arena.wealth(who) for who in people}
    for worker in (HONEST, LAZY):
        arena.send(worker, Workers.register.Call(bond=BOND))
    upheld = falsely_challenged(arena)
    arena.send(LIAR, Workers.register.Call(bond=BOND))
    lied = lying(arena)
    withheld = withholding(arena)
    silent = silence(arena)
    for number in (lied, withheld, silent):
        arena.wait_for_end(number, JobState.CONVICTED)
    arena.wait_for_end(upheld, JobState.SETTLED)
    lost = {who.account: before[who.account] - arena.wealth(who) for who in people}
    assert lost[LIAR.account] == 3 * 10 * FEE
    assert lost[RIGHT.account] == -3 * 5 * FEE
    assert lost[WRONG.account] == FEE
    assert lost[HONEST.account] == -(FEE // 2 + FEE * 95 // 100)
    assert lost[LAZY.account] == FEE
    assert lost[OWNER.account] == FEE
    referees = 2 * FEE + FEE // 10
    assert sum(lost[each.account] for each in VALIDATORS[:3]) == -referees
    assert lost[VALIDATORS[3].account] == 0
    backing = arena.client.read("Staking", "backings", VALIDATORS[3].account)
    assert backing.stake == STAKE * 19 // 20


def falsely_challenged(arena: Arena) -> int:
    """An honest result, audited by a guess, and disputed by somebody who is wrong."""
    number, run = arena.order(HONEST)
    other = replace(run, leaves=(*run.leaves[:3], *[b"wrong"] * (len(run.leaves) - 3)))
    arena.send(WRONG, Disputes.challenge.Call(work=number))
    assert arena.bisect(number, HONEST, run, WRONG, other) == 3
    return number


def lying(arena: Arena) -> int:
    """One step changed: it is found, though a validator says that it is right."""
    number, run = arena.order(LIAR, LIE_AFTER)
    right = run_of(arena.client, number, arena.job(number))
    arena.send(RIGHT, Disputes.challenge.Call(work=number))
    assert arena.bisect(number, LIAR, run, RIGHT, right) == LIE_AFTER
    call = Disputes.judge.Call(work=number, result=hash_text(b"it is right"))
    arena.send(VALIDATORS[3], call)
    return number


def withholding(arena: Arena) -> int:
    """The worker names a state that nobody has."""
    number, run = arena.order(LIAR)
    arena.send(RIGHT, Disputes.challenge.Call(work=number))
    while (dispute := arena.dispute(number)) is not None and dispute.turn is not Turn.OPEN:
        if dispute.turn is Turn.SPLIT:
            nodes = split(run.leaves, dispute.subtree)
            arena.send(LIAR, Disputes.split.Call(work=number, nodes=nodes))
        else:
            arena.send(RIGHT, Disputes.pick.Call(work=number, place=1))
    assert dispute is not None
    opening = open_step(run.leaves, dispute.subtree.index, hash_text(b"withheld"))
    arena.send(LIAR, Disputes.open_step.Call(work=number, opening=opening))
    return number


def silence(arena: Arena) -> int:
    """The worker does nothing; when its clock has run out, the challenger ends it."""
    number, _ = arena.order(LIAR)
    arena.send(RIGHT, Disputes.challenge.Call(work=number))
    dispute = arena.dispute(number)
    assert dispute is not None
    deadline = dispute.since + dispute.worker_blocks
    wait_until(lambda: arena.client.height() >= deadline, "the worker's clock has run out")
    arena.send(RIGHT, Disputes.time_out.Call(work=number))
    return number
