"""The demo's story told one step at a time, for who clicks through it in the web interface.

    python -m node.demo.lesson data  --node URL --file FILE     the sample data become a Datanet
    python -m node.demo.lesson train --node URL --file FILE     a model is trained on it and opened

Each step is a process of its own: it goes on when the page is closed.  What it does is on chain;
how far it is stands in FILE, with the names of the contributors.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from genesis.chain_spec import ChainSpec
from genesis.embedded_model import EMBEDDED_MODEL
from node.client import NodeClient
from node.demo import datanet, model
from node.demo.corpus import standard_library_corpus
from node.demo.datanet import Published
from node.demo.model import ESCROW
from node.demo.people import People, people_of
from node.demo.stages import Bar
from node.demo.validators import demo_spec
from node.files import write_atomically
from node.payout_receipts import fetch
from pallets.governance.pallet import Governance
from pallets.governance.tracks import PARAMETERS_TERMS
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from pallets.submissions.pallet import Submissions
from runtime.errors import OpenLedgerError
from runtime.parameters import Parameter
from runtime.wire.rows import RowRecord

STEPS = ("data", "train")
PATIENCE_S = 30.0
ANSWERABLE_BLOCKS = 3_600
LESSON_STEPS = 24
"""Of training: attribution replays them several times over, and somebody sits and watches."""


def lesson_spec() -> ChainSpec:
    """The demo's chain; a referendum on a parameter takes a minute, an appeal has half an hour."""
    spec = demo_spec()
    terms = replace(
        PARAMETERS_TERMS,
        prepare_blocks=2,
        decision_blocks=60,
        confirm_blocks=10,
        enactment_blocks=2,
    )
    quick: dict[Parameter[Any], Any] = {
        Governance.parameters_terms: terms,
        Submissions.answerable_blocks: ANSWERABLE_BLOCKS,
    }
    return replace(spec, parameters=spec.parameters.choosing(quick))


class FileBar(Bar):
    """Progress in a file, for a page to show."""

    def __init__(self, path: Path, step: str) -> None:
        """Show the progress of `step` in `path`, beside what it says already."""
        self.path = path
        self._document: dict[str, Any] = read_lesson(path) | {"step": step, "error": ""}

    def show(self, done: float, total: float, note: str = "") -> None:
        """Replace the file."""
        self.say(done=done, total=total, note=note)

    def say(self, **facts: Any) -> None:
        """Add to what the file says."""
        self._document |= facts
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, json.dumps(self._document).encode(), self.path.parent)


def read_lesson(path: Path) -> dict[str, Any]:
    """What the file says; nothing before the first step."""
    try:
        document = json.loads(path.read_bytes())
        return document if isinstance(document, dict) else {}
    except (OSError, ValueError):
        return {}


def load_data(client: NodeClient, bar: FileBar) -> None:
    """Everybody commits and reveals, and the curator publishes."""
    corpus = standard_library_corpus()
    people = people_of(corpus)
    names = {keypair.account.hex(): name for name, keypair in people.contributors.items()}
    bar.say(names=names, done=0, total=1, note="the curator opens a Datanet")
    number = datanet.create_datanet(client, people, corpus)
    submitted = datanet.contribute(client, people, corpus, number, bar)
    bar.show(1, 1, "the curator reviews and publishes")
    published = datanet.publish(client, people, number, submitted)
    bar.say(datanet=published.datanet, version=published.version, note="published", is_loaded=True)


def train_model(client: NodeClient, bar: FileBar, lesson: dict[str, Any]) -> None:
    """A worker trains on the Datanet of the first step; the model is opened for business.

    A step that is taken again goes on where it broke off.
    """
    people = people_of(standard_library_corpus())
    if "model" not in lesson:
        bar.say(model=_trained(client, people, bar, lesson).hex())
    bar.show(1, 1, "the builder publishes the model")
    _open(client, people, bytes.fromhex(read_lesson(bar.path)["model"]))
    bar.say(note="open for questions", is_trained=True)


def _trained(client: NodeClient, people: People, bar: FileBar, lesson: dict[str, Any]) -> bytes:
    number, version = int(lesson["datanet"]), int(lesson["version"])
    records = fetch(client, client.read("Datanets", "versions", number, version).records, RowRecord)
    published = Published(number, version, records, {})
    bar.say(job=client.read("Compute", "next_job"), note="a worker trains")

    def progress() -> tuple[float, float, str]:
        return 0.0, 1.0, "a worker trains"

    adapter, _job = model.train(
        client, people, published, EMBEDDED_MODEL, progress, bar, steps_max=LESSON_STEPS
    )
    return adapter


def _open(client: NodeClient, people: People, adapter: bytes) -> None:
    """Publish the model, and put the user's escrow aside; the server has registered itself."""
    if not client.read("Models", "models", adapter).public:
        client.submit(Models.publish.Call(model=adapter), people.builder)
    if not client.read(
        "Inference", "authorizations", people.user.account, people.server.account
    ).remaining:
        client.submit(Inference.deposit.Call(amount=ESCROW), people.user)
        authorize = Inference.authorize.Call(server=people.server.account, limit=ESCROW)
        client.submit(authorize, people.user)


def main() -> None:
    """Take one step; what goes wrong is in the file."""
    parser = argparse.ArgumentParser(prog="node.demo.lesson")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--node", required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    bar = FileBar(options.file, options.step)
    try:
        with NodeClient(options.node, patience_s=PATIENCE_S) as client:
            if options.step == "data":
                load_data(client, bar)
            else:
                train_model(client, bar, read_lesson(options.file))
    except OpenLedgerError as error:
        bar.say(error=str(error))
        raise


if __name__ == "__main__":
    main()
