"""A worker that lies meets an auditor: found at its leaf, convicted, whatever is killed meanwhile."""

import dataclasses

import pytest

from genesis.chain_spec import dev_spec
from ml.training.bundle import INPUTS_FILE
from ml.training.run_files import TRANSCRIPT_FILE
from node.config import DataDirectory
from node.workers.computed import compute
from node.workers.disputes import answer_disputes
from node.workers.runs import run_step
from node.workers.states import fetch_state
from node.workers.training import advance_job
from node.workers.workplace import Workplace
from pallets.audits.pallet import Audits
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Turn
from pallets.workers.pallet import Workers
from runtime.hashing import hash_content
from runtime.merkle import list_root
from runtime.types import OPEN, PPB
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.records import JobState
from runtime.wire.transcripts import decode_leaf, leaf_result
from tests.node.market import BASE_MODEL, ROW_COUNT, Market, people, submit_job
from tests.node.published_rows import publish_rows
from tests.node.workplaces import workplace

WRONG_LEAF = 2
BOND = 20_000 * OPEN


@pytest.fixture
def market(tmp_path, start_node):
    """A chain on which every result is audited, with an open job."""
    spec = dev_spec()
    chosen = {Audits.start_ppb: PPB, Compute.window_blocks: 1_000}
    spec = dataclasses.replace(spec, parameters=spec.parameters.choosing(chosen))
    DataDirectory(tmp_path / "court").take_spec(spec)
    node = start_node("court")
    with node.client() as client:
        market = Market(client, tmp_path, node.url)
        submit_job(client, publish_rows(client, ROW_COUNT))
        yield market
        for child in market.children.values():
            child.kill()


@pytest.fixture
def liar(market):
    """A bonded worker with a hand of its own on the transcript."""
    with workplace(market.client, people("bob"), market.folder / "liar") as place:
        yield place


def lie(place: Workplace) -> None:
    """Compute the job, then claim a lower loss at one step."""
    outcome = compute(place, 0, place.read_job(0), "training")
    path = place.job_directory(0) / TRANSCRIPT_FILE
    leaves = list(decode_blob(path.read_bytes(), outcome.leaf_count))
    leaf = decode_leaf(leaves[WRONG_LEAF])
    leaves[WRONG_LEAF] = dataclasses.replace(leaf, loss_grid=leaf.loss_grid - 1).encode()
    blob = encode_blob(leaves)
    path.write_bytes(blob)
    changed = dataclasses.replace(
        outcome, transcript_root=list_root(leaves), transcript=hash_content(blob)
    )
    place.records.note_computed(0, changed)


def test_an_auditor_convicts_a_worker_that_lied_at_one_step(market, liar):
    """Drawn, computed, committed, killed, revealed, challenged, and led to the very leaf."""
    client = market.client
    client.submit(Workers.register.Call(bond=BOND), liar.keypair)
    client.submit(Compute.claim.Call(job=0), liar.keypair)
    lie(liar)
    market.start_worker()
    auditor = people("worker").account
    market.wait(lambda: client.read("Workers", "workers", auditor), "the auditor's bond")

    def audit():
        plan = client.read("Audits", "plans", 0)
        return None if plan is None else plan.audits[0]

    advance_job(liar, 0)
    market.wait(lambda: audit() and audit().blinded, "the auditor's commitment")
    assert audit().auditor == auditor
    market.children["worker"].kill()
    market.start_worker()
    advance_job(liar, 0)

    def turn():
        answer_disputes(liar)
        dispute = client.read("Disputes", "disputes", 0)
        return dispute is not None and dispute.turn is Turn.JUDGE

    market.wait(turn, "the opening of one step")
    opened = client.read("Disputes", "opened", 0)
    assert opened.index == WRONG_LEAF
    state = fetch_state(client, opened.state, decode_leaf(opened.before).state_root)
    inputs = (liar.job_directory(0) / INPUTS_FILE).read_bytes()
    found = run_step(
        market.folder / "judge", inputs, BASE_MODEL, (opened.before, state), lambda: None
    )
    assert found != leaf_result(opened.after)
    client.submit(Disputes.judge.Call(work=0, result=found), people("validator"))
    assert market.job().state is JobState.CONVICTED
    market.wait(lambda: client.read("Workers", "workers", auditor).locked == 0, "what is unlocked")
    log = market.children["worker"].lines()
    assert log.count("event=computed") == 1
    assert "Traceback" not in log
