"""Base models: proposed with their files, and held by every referee once they are admitted."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace

import pytest

from genesis.chain_spec import dev_spec
from genesis.embedded_model import EMBEDDED_BASE, EMBEDDED_MODEL, SpecBaseModel
from ml.manifest import manifest_of
from node.config import DataDirectory
from node.referee.gathering import GatheringClient
from node.referee.referee import Bench, Referee
from node.workers.errors import JobRefused
from node.workers.model_folders import find_base_model, upload_folder
from node.workers.workplace import base_models_of
from tests.node.market import people

OTHER_NAME = "nano-with-a-note"


@pytest.fixture
def other(tmp_path):
    """A base model with another hash: the embedded one and a note."""
    folder = tmp_path / OTHER_NAME
    shutil.copytree(EMBEDDED_MODEL, folder)
    (folder / "NOTE.md").write_text("The same weights.")
    return folder


def held(client, folder):
    """The base models that a referee has after one look; it began with the embedded one."""
    bench = Bench(folder, base_models_of([EMBEDDED_MODEL]))
    Referee(client, people("validator"), bench, threading.Event()).run(once=True)
    return bench.base_models


def test_a_proposed_model_is_uploaded_and_no_job_may_name_it(dev_node, openledger, other, tmp_path):
    """Its hash, name and dimensions are on chain, unadmitted; its files come back from the node."""
    done = openledger(
        "model", "propose", str(other), "--key", "dev:alice", "--node", dev_node.url, "--json"
    )
    content_hash = bytes.fromhex(json.loads(done.stdout)["base_model"])
    assert content_hash == manifest_of(other).hash()
    with GatheringClient(dev_node.url) as client:
        record = client.read("Models", "base_models", content_hash)
        assert (record.name, record.shape) == (OTHER_NAME, EMBEDDED_BASE.shape)
        assert record.admitted_at is None
        fetched = find_base_model(client, {}, content_hash, tmp_path / "fetched")
        assert manifest_of(fetched).hash() == content_hash
        assert content_hash not in held(client, tmp_path / "referee")


def test_a_referee_holds_what_is_admitted(start_node, other, tmp_path):
    """What it lacks it fetches as soon as anybody has it; a false shape is not held."""
    content_hash = manifest_of(other).hash()
    admitted = SpecBaseModel(content_hash, OTHER_NAME, EMBEDDED_BASE.shape)
    lie = SpecBaseModel(bytes(32), "nowhere", EMBEDDED_BASE.shape)
    spec = replace(dev_spec(), base_models=(admitted, lie))
    DataDirectory(tmp_path / "holding").take_spec(spec)
    node = start_node("holding")
    with GatheringClient(node.url) as client:
        assert content_hash not in held(client, tmp_path / "referee")
        with pytest.raises(JobRefused, match="not here"):
            find_base_model(client, {}, content_hash, tmp_path / "nothing")
        upload_folder(client, other)
        found = held(client, tmp_path / "referee")
        assert manifest_of(found[content_hash]).hash() == content_hash
        assert bytes(32) not in found
