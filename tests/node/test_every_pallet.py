"""Every row of the table of pallets on four real validators: by the CLI, and by the typed client.

The same calls, in the order in which people would make them, once in each way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.local_network import local_network, wait_until
from consensus.votes import VoteKind
from genesis.chain_spec import LOCAL_VALIDATORS, ChainSpec, development_keypair, local_spec
from genesis.compose import compose_runtime
from genesis.liars import Liar, Liars
from genesis.scenes import (
    ADAPTER,
    ALICE,
    BLOB,
    BOB,
    BOND,
    BUILDER,
    CURATOR,
    FEE,
    SALT,
    SERVER,
    USER,
    WORKER,
    Payouts,
    commit_exam,
    commit_result,
    enrol,
    influence_transcript,
    judge,
    order_settlement,
    published,
    report,
    reveal_result,
    set_sponsor_budget,
    settle_batch,
    settle_payouts,
    settle_submission,
    show_exam,
    submit_job,
    terms,
    transcript,
)
from node.chain_client.openledger import Chain
from node.client import NodeClient
from pallets.attribution.pallet import Attribution
from pallets.audits.pallet import Audits
from pallets.balances.pallet import Balances
from pallets.compute.pallet import Compute
from pallets.data_rights.pallet import DataRights
from pallets.datanet_votes.pallet import DatanetVotes
from pallets.disputes.pallet import Disputes
from pallets.governance.pallet import Governance
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from pallets.multisig.pallet import Multisig, multisig_account
from pallets.offences.pallet import Offences
from pallets.panels.pallet import Panels
from pallets.preimage.pallet import Preimage
from pallets.proxy.pallet import Proxy
from pallets.proxy.types import Kind, Right
from pallets.reports.pallet import Reports
from pallets.scheduler.pallet import Scheduler
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from pallets.submissions.pallet import Submissions
from pallets.system.pallet import System
from pallets.treasury.pallet import Treasury
from pallets.upgrade.pallet import Upgrade
from pallets.utility.pallet import Utility
from pallets.vesting.pallet import Vesting
from pallets.vesting.types import VestingSchedule
from pallets.voting.pallet import Voting
from pallets.voting.types import Vote
from pallets.workers.pallet import Workers
from runtime import OPEN, PPB
from runtime.cbor import encode
from runtime.hashing import ZERO_HASH, hash_call
from runtime.merkle import list_root
from runtime.wire.datanets import Purpose
from runtime.wire.records import JobState, PayoutLeaf
from runtime.wire.transcripts import blinded_root, leaf_result, open_step
from runtime.wire.votes import TrackName
from tests.node.test_governance import QUICK
from tests.node.ways import ByClient, ByCommand, Way

VALIDATOR, *OTHERS = map(development_keypair, LOCAL_VALIDATORS[:4])
REFEREES = (VALIDATOR, *OTHERS[:2])
"""Three of four: more than two thirds."""
FAUCET = CURATOR
HONEST = transcript()
DISPUTED = 4
"""The step that somebody doubts."""
REMARK = System.remark.Call(data=b"here")


def quick_spec(validators: int = 4) -> ChainSpec:
    """Some validators, a short epoch, and nothing that has to be waited for long."""
    chosen: dict[Any, Any] = {
        Governance.root_terms: QUICK,
        Governance.submission_deposit: OPEN,
        DatanetVotes.voting_blocks: 15,
        Submissions.byte_bond: 0,
        Submissions.answerable_blocks: 100,
        Reports.answer_blocks: 1_000,
        Panels.commit_blocks: 10,
        Panels.open_blocks: 10,
        Audits.start_ppb: PPB,
        Audits.floor_ppb: PPB,
        Compute.window_blocks: 15,
        Attribution.epoch_blocks: 10,
        Attribution.rows_min: 1,
        Offences.appeal_blocks: 2_000,
    }
    spec = local_spec(validators)
    return replace(spec, parameters=spec.parameters.choosing(chosen), block_time_ms=200)


def pay(way: Way) -> None:
    """System, Fees, Utility, Balances, Vesting."""
    assert way.fee(ALICE, REMARK) > 0
    assert "System.Remarked" in way.ok(ALICE, REMARK)
    assert "Utility.BatchCompleted" in way.ok(ALICE, Utility.batch_all.Call(calls=(REMARK, REMARK)))
    way.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=2 * OPEN))
    taken = Balances.transfer_from.Call(owner=ALICE.account, receiver=USER.account, amount=OPEN)
    assert "Balances.Transfer" in way.ok(BOB, taken)
    schedule = VestingSchedule(amount=100 * OPEN, starts_at=1, blocks=1)
    way.ok(ALICE, Vesting.vested_transfer.Call(receiver=BOB.account, schedule=schedule))
    way.ok(BOB, Vesting.vest.Call())
    assert way.client.read("Vesting", "schedules", BOB.account) == ()


def share_control(way: Way) -> None:
    """Multisig and Proxy."""
    account = multisig_account(sorted((ALICE.account, BOB.account)), 2)
    way.ok(ALICE, Balances.transfer.Call(receiver=account, amount=2 * OPEN))
    gift = Balances.transfer.Call(receiver=USER.account, amount=OPEN)
    call_hash = hash_call(encode(gift.to_plain()))
    approve = Multisig.approve.Call(
        threshold=2, others=(BOB.account,), opened_at=None, call_hash=call_hash
    )
    opened_at = way.ok(ALICE, approve)["Multisig.Approved"].fields["opened_at"]
    execute = Multisig.execute.Call(
        threshold=2, others=(ALICE.account,), opened_at=opened_at, call=gift
    )
    assert way.ok(BOB, execute)["Multisig.Executed"].fields["error"] == ""
    assert way.client.read("Balances", "accounts", account).free == OPEN
    right = Right(delegate=BOB.account, kind=Kind.ANY, pallets=(), delay_blocks=0)
    way.ok(ALICE, Proxy.give_right.Call(right=right))
    way.ok(BOB, Proxy.proxy.Call(owner=ALICE.account, call=gift))


def stake(way: Way) -> None:
    """Staking and Session."""
    nominate = Staking.nominate.Call(validator=VALIDATOR.account, amount=1_000 * OPEN)
    assert "Staking.Bonded" in way.ok(USER, nominate)
    way.ok(USER, Staking.unbond.Call(validator=VALIDATOR.account, amount=OPEN))
    way.ok(BUILDER, Staking.bond.Call(amount=100_000 * OPEN))
    way.ok(BUILDER, Session.validate.Call())
    way.ok(BUILDER, Session.chill.Call())


def govern(way: Way) -> None:
    """Preimage, Governance, Voting, Scheduler, Treasury, Upgrade: one referendum for all."""
    far = way.height + 1_000_000
    change = Utility.dispatch_all.Call(
        calls=(
            System.set_parameter.Call(pallet="Session", name="session_blocks", value=encode(600)),
            Treasury.spend.Call(pot="community", receiver=USER.account, amount=OPEN),
            Scheduler.schedule.Call(height=far, call=Upgrade.cancel.Call(), name="later"),
            Upgrade.schedule.Call(spec_version=2, height=far, code_hash=ZERO_HASH),
        )
    )
    way.ok(BUILDER, Preimage.note.Call(call=change))
    submit = Governance.submit.Call(
        track=TrackName.ROOT, call_hash=hash_call(encode(change.to_plain())), enactment_blocks=0
    )
    number = way.ok(BUILDER, submit)["Governance.Submitted"].fields["referendum"]
    way.ok(BUILDER, Governance.place_decision_deposit.Call(referendum=number))
    vote = Vote(aye=9_000_000 * OPEN, nay=0, abstain=0, conviction=1)
    way.ok(FAUCET, Voting.vote.Call(poll=number, vote=vote))
    wait_until(
        lambda: way.client.read("Session", "session_blocks") == 600, "the referendum is enacted"
    )
    for pallet in ("Scheduler", "Treasury", "Upgrade"):  # Root's calls go by referendum only
        way.played[pallet] = 1
    assert way.client.read("Upgrade", "pending").height == far
    assert way.client.read("Scheduler", "names", "later") is not None


def contribute(way: Way) -> None:
    """Datanets, Submissions, DatanetVotes, DataRights."""
    published(way)
    way.ok(CURATOR, set_sponsor_budget(OPEN))
    propose = DatanetVotes.propose.Call(datanet=0, terms=terms(licence="CC0-1.0"))
    ends_at = way.ok(ALICE, propose)["DatanetVotes.Proposed"].fields["ends_at"]
    way.ok(ALICE, DatanetVotes.vote.Call(datanet=0, proposal=0, approve=True, stake=2_000 * OPEN))
    request = DataRights.request_access.Call(
        datanet=0, purpose=Purpose.RESEARCH, reason="To learn from it."
    )
    way.ok(BUILDER, request)
    way.ok(
        CURATOR,
        DataRights.set_member.Call(datanet=0, account=BUILDER.account, admitted=True),
    )
    assert way.client.read("Datanets", "members", 0, BUILDER.account) is True
    way.ok(USER, DatanetVotes.close.Call(datanet=0, proposal=0), height=ends_at)
    way.ok(ALICE, DatanetVotes.release.Call(datanet=0, proposal=0))
    assert way.client.read("Datanets", "terms", 0).licence == "CC0-1.0"


def report_rows(way: Way) -> None:
    """Reports and Panels: a false report, which its panel does not follow."""
    way.ok(SERVER, enrol())
    way.ok(BOB, report())
    way.ok(ALICE, Reports.answer.Call(report=0, answer=BLOB))
    case = way.ok(USER, Reports.convene.Call(report=0))["Reports.Convened"].fields["case"]
    judge(way, case, {SERVER: 0})
    assert way.ok(USER, Reports.resolve.Call(report=0))["Reports.Resolved"].fields["rows"] == 0


def work(way: Way, job: int, leaves: list[bytes], adapter: bytes) -> None:
    """Compute and Audits: a job whose result is audited, and certified by three of four."""
    way.ok(WORKER, Compute.claim.Call(job=job))
    committed = way.ok(WORKER, commit_result(WORKER, job, leaves))
    way.wait_for(committed["Audits.Scheduled"].fields["drawn_at"])
    root = list_root(leaves)
    way.ok(ALICE, Audits.commit.Call(job=job, blinded=blinded_root(root, ALICE.account, SALT)))
    way.ok(WORKER, reveal_result(job, leaves, adapter))
    way.ok(ALICE, Audits.reveal.Call(job=job, root=root, salt=SALT))
    for validator in REFEREES:
        way.ok(validator, Disputes.certify.Call(work=job))


def settle(way: Way, job: int) -> None:
    """Compute: the job's window is over."""
    deadline = way.client.read("Compute", "jobs", job).deadline
    way.ok(USER, Compute.settle.Call(job=job), height=deadline)
    assert way.client.read("Compute", "jobs", job).state is JobState.SETTLED


def train(way: Way) -> None:
    """Exams, Workers, and Disputes: somebody doubts a step of a job's result."""
    exam = way.ok(ALICE, commit_exam())["Exams.Committed"].fields["exam"]
    for worker in (WORKER, ALICE):
        way.ok(worker, Workers.register.Call(bond=BOND))
    way.ok(BUILDER, submit_job(FEE))
    work(way, 0, HONEST, ADAPTER)
    way.ok(USER, Disputes.challenge_step.Call(work=0, index=DISPUTED))
    opening = open_step(HONEST, DISPUTED, ZERO_HASH)
    way.ok(WORKER, Disputes.open_step.Call(work=0, opening=opening))
    verdict = Disputes.judge.Call(work=0, result=leaf_result(HONEST[DISPUTED]))
    for validator in REFEREES:
        events = way.ok(validator, verdict)
    assert "Disputes.ChallengerLost" in events
    settle(way, 0)
    way.ok(ALICE, show_exam(exam))
    assert way.client.read("Exams", "exams", exam).shown is not None


def answer(way: Way) -> int:
    """Models and Inference; returns the epoch whose pool was funded."""
    way.ok(BUILDER, Models.grant.Call(model=ADAPTER, account=USER.account))
    way.ok(BUILDER, Models.publish.Call(model=ADAPTER))
    way.ok(SERVER, Inference.register_server.Call())
    way.ok(USER, Inference.deposit.Call(amount=3 * OPEN))
    way.ok(USER, Inference.authorize.Call(server=SERVER.account, limit=2 * OPEN))
    settled = way.ok(SERVER, settle_batch((USER.account, OPEN)))["Inference.BatchSettled"]
    way.ok(USER, Inference.withdraw.Call(amount=OPEN))
    epoch: int = settled.fields["epoch"]
    return epoch


def attribute(way: Way, epoch: int) -> None:
    """Attribution: what the answer earned is Alice's; so is her bond, and she takes her rows out."""
    ended = (epoch + 1) * way.client.read("Attribution", "epoch_blocks")
    ordered = way.ok(USER, order_settlement(epoch=epoch), height=ended)
    placed = ordered["Attribution.Ordered"].fields
    payouts = Payouts([PayoutLeaf(ALICE.account, placed["pool"])])
    result = payouts.result()
    work(way, placed["job"], influence_transcript(result), result.hash())
    settle(way, placed["job"])
    way.ok(USER, settle_payouts(result, epoch=epoch))
    claimed = way.ok(USER, payouts.claim(0, epoch=epoch))["Attribution.Claimed"]
    assert claimed.fields["amount"] == placed["pool"] > 0
    assert way.client.read("Datanets", "earned", 0, ALICE.account) == placed["pool"]
    until = way.client.read("Submissions", "submissions", 0, 0).answerable_until
    way.ok(USER, settle_submission(), height=until)
    way.ok(ALICE, DataRights.withdraw.Call(datanet=0, submission=0))


def punish(way: Way) -> None:
    """Offences: one of four validators signed two blocks of one height."""
    liars = Liars(way.client.genesis_hash, way.spec.validator_set())
    evidence = liars.double_vote(Liar.development(LOCAL_VALIDATORS[3]), 2, VoteKind.NOTARIZE)
    assert "Offences.Punished" in way.ok(USER, Offences.report.Call(evidence=evidence))


def play(way: Way) -> None:
    """Everything, and every pallet that has calls was there."""
    pay(way)
    share_control(way)
    stake(way)
    govern(way)
    contribute(way)
    report_rows(way)
    train(way)
    attribute(way, answer(way))
    punish(way)
    pallets = compose_runtime().pallets.items()
    assert [
        name for name, each in pallets if each.definition.calls and name not in way.played
    ] == []


@pytest.fixture
def client(tmp_path: Path) -> Iterator[NodeClient]:
    """Of one of the four."""
    with local_network(tmp_path, quick_spec()) as network, network.client("validator-2") as client:
        network.wait_for_height(3)
        yield client


def test_every_pallet_works_by_commands(client: NodeClient, openledger: Callable[..., Any]) -> None:
    """The main calls succeed by `openledger tx`, and the chain says what they did."""
    play(ByCommand(client, quick_spec(), openledger))


def test_every_pallet_works_by_the_typed_client(client: NodeClient) -> None:
    """The same, from the client that is generated from the chain's metadata."""
    with Chain(client.url) as chain:
        play(ByClient(client, quick_spec(), chain))
