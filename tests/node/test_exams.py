"""An exam on a real chain: secret, shown, taken by a worker, certified, judged, recorded."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from ml.manifest import manifest_of
from ml.training.run_files import TRANSCRIPT_FILE
from node.referee.gathering import GatheringClient
from node.referee.judging import Workshop, judge_step
from node.referee.referee import Bench, Referee
from node.workers.answers import AnswerServers
from node.workers.exams import NO_STATE
from node.workers.training import advance_job
from node.workers.workplace import base_models_of
from pallets.disputes.types import OpenedStep
from pallets.workers.pallet import Workers
from runtime.hashing import ZERO_HASH
from runtime.types import OPEN, PPB
from runtime.wire.blobs import decode_blob
from runtime.wire.exams import decode_exam_leaf
from runtime.wire.records import JobState
from runtime.wire.transcripts import leaf_result
from tests.node.market import BASE_MODEL, people
from tests.node.workplaces import workplace

ROWS = 20
BOND = 20_000 * OPEN


@pytest.fixture
def table(tmp_path):
    """The rows of an exam."""
    path = tmp_path / "held-out.jsonl"
    lines = [{"prompt": f"What is thing {row}?", "completion": "Red."} for row in range(ROWS)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_a_model_takes_an_exam(start_node, openledger, table, tmp_path):
    """Commit, show, order, work, certify, settle; anybody finds the same, and a judge a leaf."""
    chain = start_node("exams")
    node = ("--node", chain.url, "--json")
    committed = openledger(
        "exam", "commit", str(table), "--name", "things", "--metric", "tokens",
        "--tokens-max", "32", "--key", "dev:alice", *node,
    )  # fmt: skip
    exam = json.loads(committed.stdout)["exam"]
    ordered = ("--kind", "evaluate", "--exam", str(exam), "--key", "dev:builder", *node)
    assert "shown" in openledger("job", "submit", *ordered).stderr
    openledger("exam", "show", str(exam), str(table), "--key", "dev:alice", *node)
    number = json.loads(openledger("job", "submit", *ordered).stdout)["job"]
    with GatheringClient(chain.url) as client:
        client.submit(Workers.register.Call(bond=BOND), people("worker"))
        work(client, tmp_path, number)
        (found,) = json.loads(openledger("exam", "results", *node).stdout)
        assert (found["exam"], found["rows"], found["job"]) == (f"{exam} things", ROWS, number)
        assert found["model"] == manifest_of(BASE_MODEL).hash().hex()
        assert 0 <= found["score_ppb"] <= PPB
        again = json.loads(openledger("job", "verify", str(number), *node).stdout)
        assert again["holds"]
        judge(client, tmp_path, number)


def work(client, folder, number):
    """The worker's part, the referee's, and the end of the window."""
    bench = Bench(folder / "referee", base_models_of([BASE_MODEL]))
    referee = Referee(client, people("validator"), bench, threading.Event())
    with workplace(client, people("worker"), folder / "work") as place:
        while (job := place.read_job(number)).state is not JobState.SETTLED:
            advance_job(place, number)
            if job.state is JobState.REVEALED:
                referee.run(once=True)
            client.wait_height(client.height() + 1)


def judge(client, folder, number):
    """A referee finds a leaf from the one before, and nothing from another job's leaf or none."""
    job = client.read("Compute", "jobs", number)
    shop = Workshop(
        client, AnswerServers((), client, people("validator")), BASE_MODEL, folder / "judge", wait
    )
    blob = (folder / "work" / "jobs" / str(number) / TRANSCRIPT_FILE).read_bytes()
    leaves = decode_blob(blob, job.result.leaf_count)
    foreign = replace(decode_exam_leaf(leaves[0]), job=ZERO_HASH).encode()
    right = leaf_result(leaves[1])
    for before, found in ((leaves[0], right), (foreign, ZERO_HASH), (b"no leaf", ZERO_HASH)):
        opened = OpenedStep(1, before, leaves[1], NO_STATE, None, None)
        assert judge_step(shop, number, job, opened, is_late=False) == found


def wait():
    """Nothing is looked after while a step is computed."""
