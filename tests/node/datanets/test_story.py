"""docs/contribute/datanets.md: every command runs, in its order, and does what the page says."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.local_network import local_network, wait_until
from genesis.scenes import (
    ALICE,
    BOND,
    BUILDER,
    USER,
    WORKER,
    Payouts,
    influence_transcript,
    order_settlement,
    settle_payouts,
    submit_job,
    worked,
)
from node.chain_client.openledger import Chain
from node.datanets.versions import rows_of
from node.workers.errors import JobRefused
from node.workers.rows import fetch_rows, fetch_version
from pallets.compute.pallet import Compute
from pallets.workers.pallet import Workers
from runtime.codec import codec_of
from runtime.wire.blobs import encode_blob
from runtime.wire.records import PayoutLeaf
from tests.node.test_every_pallet import answer, quick_spec
from tests.node.ways import ByClient

PAGE = Path(__file__).resolve().parents[3] / "docs" / "contribute" / "datanets.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
ROWS = [
    ("What is asthma?", "Asthma is a disease of the airways that makes breathing hard."),
    ("What is a fracture?", "A fracture is a break in a bone, often after a fall."),
    ("What is a fracture?", "A fracture is a break in a bone, often after a fall."),
    ("Who can I ask?", "Please write to jane.doe@example.org for an appointment."),
    ("What is anaemia?", "Anaemia is a lack of red blood cells or of haemoglobin."),
]


SPEC = quick_spec(validators=1)


@pytest.fixture
def client(tmp_path):
    """Of a node of its own: the page's Datanet is the first."""
    with (
        local_network(tmp_path / "network", SPEC) as network,
        network.client("validator") as client,
    ):
        yield client


@pytest.fixture
def datanet(client, openledger):
    """What a command on the node answers."""

    def run(*words):
        done = openledger(*words, "--node", client.url, "--json")
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout)

    return run


def others_do_their_part(way):
    """A model is trained on version 1, answers for a fee, and its epoch is attributed to Alice."""
    way.ok(WORKER, Workers.register.Call(bond=BOND))
    way.ok(BUILDER, submit_job())
    way.ok(USER, Compute.settle.Call(job=0), height=worked(way))
    epoch = answer(way)
    ended = (epoch + 1) * way.client.read("Attribution", "epoch_blocks")
    ordered = way.ok(USER, order_settlement(epoch=epoch), height=ended)
    placed = ordered["Attribution.Ordered"].fields
    leaf = PayoutLeaf(ALICE.account, placed["pool"])
    blob = way.client.put_content(encode_blob([codec_of(PayoutLeaf).encode(leaf)]))
    result = Payouts([leaf], {"payouts": blob}).result()
    deadline = worked(way, placed["job"], influence_transcript(result), result.hash())
    way.ok(USER, Compute.settle.Call(job=placed["job"]), height=deadline)
    way.ok(USER, settle_payouts(result, epoch=epoch))
    return placed["pool"]


def read_what_is_left(client):
    """Row 1 was withdrawn: its hash leads to the same root, and the other rows are readable."""
    rows = rows_of(client, client.read("Submissions", "submissions", 0, 0)) or ()
    assert [row and row.prompt for row in rows] == [ROWS[0][0], None, ROWS[4][0]]
    version = fetch_version(client, 0, 2)
    assert [each.row.prompt for each in fetch_rows(client, 0, version)] == [ROWS[0][0], ROWS[4][0]]
    with pytest.raises(JobRefused, match="erased"):
        fetch_rows(client, 0, fetch_version(client, 0, 1))


def is_erased(client, blob):
    """Whether the node has a content no more."""
    return client.call("content_has", [blob]) == [False]


def test_the_page_runs(datanet, client, tmp_path, monkeypatch):
    """From the table to the tombstone; what each command says is what happened."""
    monkeypatch.chdir(tmp_path)
    lines = ["question,answer", *(f'"{prompt}","{answer}"' for prompt, answer in ROWS)]
    Path("rows.csv").write_text("\n".join(lines))
    commands = [line for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines()]
    said, pool = [], 0
    for command in commands:
        if command.startswith("openledger datanet earned"):
            with Chain(client.url) as chain:
                pool = others_do_their_part(ByClient(client, SPEC, chain))
        said.append(datanet(*shlex.split(command)[1:]))
        if command.startswith("openledger datanet erase") and said[-1]["redacted"]:
            read_what_is_left(client)
    by_name: dict[str, list[Any]] = {}
    for command, each in zip(commands, said, strict=True):
        by_name.setdefault(shlex.split(command)[2], []).append(each)
    assert by_name["create"] == [{"datanet": 0}]
    (preview,) = by_name["preview"]
    assert (preview["accepted"], preview["duplicate"], preview["rejected"]) == (3, 1, 1)
    assert {each["finding"] for each in preview["reasons"]} == {"SAME", "E_MAIL"}
    (imported,) = by_name["import"]
    assert (imported["rows"], imported["left_out"]) == (3, 2)
    assert [each["version"] for each in by_name["review"]] == [None, 1, 2]
    assert by_name["versions"][0][0]["joined"] == 3
    assert [by_name["earned"][0][name] for name in ("paid", "waits")] == [0, pool]
    assert by_name["claim"] == [{"claimed": pool, "paid_so_far": pool}]
    assert pool > 0
    partly, wholly = by_name["erase"]
    assert wholly["redacted"] is None
    for blob in (imported["blob"], partly["redacted"]):
        wait_until(partial(is_erased, client, blob), "it is erased")
    first, second = by_name["diff"]
    assert [each["joined"] for each in first] == [True] * 3
    assert [(each["index"], each["joined"], each["reason"]) for each in second] == [
        (1, False, "withdrawn")
    ]
