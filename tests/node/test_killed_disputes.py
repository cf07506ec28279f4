"""A worker that is killed and started again between its moves loses and wins the same disputes.

Four real validators, three of them with a referee; two workers as processes of their own, of whom
one has lied at one leaf.  Both are killed in the middle of a dispute, and go on from their folders.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.local_network import local_network, wait_until
from genesis.chain_spec import ChainSpec, local_spec
from ml.manifest import manifest_of
from ml.training.run_files import TRANSCRIPT_FILE
from node.client import NodeClient
from node.workers.computed import compute
from node.workers.training import advance_job
from node.workers.workplace import Workplace
from pallets.audits.pallet import Audits
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Dispute, Turn
from pallets.fees.pallet import Fees
from pallets.workers.pallet import Workers
from runtime.hashing import hash_content
from runtime.keys import Keypair
from runtime.merkle import list_root
from runtime.types import OPEN
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.records import Job, JobState, RowSource, training_order
from runtime.wire.transcripts import decode_leaf
from tests.node.judged_runs import PARAMETERS
from tests.node.market import BASE_MODEL, Child, people
from tests.node.published_rows import publish_rows
from tests.node.referees import refereed
from tests.node.workplaces import workplace

FEE = 10 * OPEN
BOND = 10_000 * OPEN
STEPS = 18
PICKS = (3, 1)
"""Of 20 leaves a round has 10 nodes of two leaves each: the fourth's second is leaf 7."""
WRONG_LEAF = 7
PATIENCE_S = 400.0
NAMES = {False: "worker", True: "bob"}
"""Who has lied, and who has not."""


def spec() -> ChainSpec:
    """Nobody audits and nothing is charged, so that what disputes cost can be counted."""
    chosen = {
        Fees.base_price: 0,
        Fees.byte_price: 0,
        Fees.unit_price: 0,
        Audits.start_ppb: 0,
        Audits.floor_ppb: 0,
        Audits.audit_blocks: 1,
        Compute.window_blocks: 600,
        Disputes.clock_blocks: 10_000,
        Disputes.judge_blocks: 10_000,
    }
    plain = dataclasses.replace(local_spec(4), block_time_ms=250)
    return dataclasses.replace(plain, parameters=plain.parameters.choosing(chosen))


@dataclass(slots=True)
class Party:
    """A worker, its process, and who challenges its result."""

    client: NodeClient
    number: int
    keypair: Keypair
    challenger: Keypair
    process: Child
    before: tuple[int, int]
    """What worker and challenger had before the dispute."""

    def job(self) -> Job:
        """Its job."""
        found: Job = self.client.read("Compute", "jobs", self.number)
        return found

    def turn(self) -> Turn | None:
        """Whose move it is."""
        found: Dispute | None = self.client.read("Disputes", "disputes", self.number)
        return None if found is None else found.turn

    def lost(self) -> tuple[int, int]:
        """What worker and challenger have lost since."""
        after = (wealth(self.client, self.keypair), wealth(self.client, self.challenger))
        return self.before[0] - after[0], self.before[1] - after[1]


def wealth(client: NodeClient, who: Keypair) -> int:
    """What an account has, free and held."""
    found = client.read("Balances", "accounts", who.account)
    return int(found.free + found.held)


def test_killed_workers_win_and_lose_as_if_they_had_not_been_killed(tmp_path: Path) -> None:
    """Kill -9 between two moves: the honest worker's result stands, the liar is convicted."""
    with local_network(tmp_path / "net", spec()) as network:
        network.wait_for_height(2)
        url = network.node("validator").url
        with network.client("validator") as client, refereed(network, tmp_path):
            publish_rows(client, row_count=24)
            parties = [revealed(client, tmp_path, url, is_liar=lie) for lie in NAMES]
            try:
                dispute(parties)
            finally:
                for party in parties:
                    party.process.kill()
            honest, liar = parties
            assert honest.lost() == (-FEE // 2, FEE)
            assert liar.lost() == (10 * FEE, -5 * FEE)
            assert honest.job().state is JobState.REVEALED
            assert liar.job().state is JobState.CONVICTED
            assert all("Traceback" not in party.process.lines() for party in parties)


def revealed(client: NodeClient, folder: Path, url: str, *, is_liar: bool) -> Party:
    """A job of a worker that has revealed and now runs as a process."""
    keypair = people(NAMES[is_liar])
    client.submit(Workers.register.Call(bond=BOND), keypair)
    base = manifest_of(BASE_MODEL).hash()
    parameters = dataclasses.replace(PARAMETERS, steps=STEPS)
    order = training_order(base, (RowSource(0, 1),), parameters)
    ordered = client.submit(Compute.submit_job.Call(order=order, fee=FEE), people("builder"))
    number = int(ordered.fields("Compute", "Submitted")["job"])
    client.submit(Compute.claim.Call(job=number), keypair)
    work = folder / NAMES[is_liar]
    with workplace(client, keypair, work) as place:
        compute(place, number, place.read_job(number), "training")
        if is_liar:
            lie(place, number)
        advance_job(place, number)
        wait_until(lambda: client.read("Audits", "plans", number) is not None, "the draw")
        advance_job(place, number)
    arguments = ("worker", "run", "--node", url, "--key", f"dev:{NAMES[is_liar]}")
    process = Child((*arguments, "--work", str(work)), folder / f"{NAMES[is_liar]}.log").start()
    challenger = people("user" if is_liar else "server")
    before = (wealth(client, keypair), wealth(client, challenger))
    return Party(client, number, keypair, challenger, process, before)


def lie(place: Workplace, number: int) -> None:
    """Claim a lower loss at one step of a job that is computed."""
    outcome = place.records.computed(number)
    assert outcome is not None
    path = place.job_directory(number) / TRANSCRIPT_FILE
    leaves = list(decode_blob(path.read_bytes(), outcome.leaf_count))
    leaf = decode_leaf(leaves[WRONG_LEAF])
    leaves[WRONG_LEAF] = dataclasses.replace(leaf, loss_grid=leaf.loss_grid - 1).encode()
    blob = encode_blob(leaves)
    path.write_bytes(blob)
    root, transcript = list_root(leaves), hash_content(blob)
    changed = dataclasses.replace(outcome, transcript_root=root, transcript=transcript)
    place.records.note_computed(number, changed)


def dispute(parties: Sequence[Party]) -> None:
    """Challenge both results, and kill each worker between its first nodes and its second."""
    for party in parties:
        party.client.submit(Disputes.challenge.Call(work=party.number), party.challenger)
    for pick in PICKS:
        for party in parties:
            wait_until(partial(is_turn, party, Turn.PICK), "posted nodes", PATIENCE_S)
            if pick == PICKS[0]:
                party.process.kill()
            call = Disputes.pick.Call(work=party.number, place=pick)
            party.client.submit(call, party.challenger)
            assert party.turn() in {Turn.SPLIT, Turn.OPEN}
            if pick == PICKS[0]:
                party.process.start()
    for party in parties:
        wait_until(partial(is_turn, party, None), "a verdict", PATIENCE_S)


def is_turn(party: Party, turn: Turn | None) -> bool:
    """Whether a dispute has come so far; None is its end."""
    return party.turn() is turn
