"""This worker's moves in disputes, as the worker whose result is disputed or as the challenger.

    SPLIT   the worker posts the nodes of its transcript below the disputed one
    PICK    the challenger names the first that is not its own
    OPEN    the worker opens the leaf that is left, the one before, and stores the state between

Every move follows from the chain and the transcript in the job's folder, so a killed worker makes
the same move again, and the chain refuses it if it was made.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ml.training.run_files import TRANSCRIPT_FILE
from node.errors import CallFailed
from node.workers.errors import JobRefused
from node.workers.exams import NO_STATE
from node.workers.runs import run_replay, run_states
from node.workers.states import upload_state
from node.workers.workplace import Workplace
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Dispute, Turn
from runtime.calls import RuntimeCall
from runtime.wire.attribution import other_leaf_of
from runtime.wire.blobs import decode_blob
from runtime.wire.records import Job, JobKind, Model
from runtime.wire.transcripts import first_difference, open_step, split

DISPUTES_MAX = 10_000
"""The most disputes of a chain that are looked at."""
_log = structlog.get_logger("worker")


def open_disputes(place: Workplace) -> list[tuple[int, Dispute]]:
    """The disputes that this worker is a party of, by job."""
    account = place.keypair.account
    found = place.client.entries("Disputes", "disputes", DISPUTES_MAX)
    return [
        (number, dispute)
        for number, dispute in found
        if account in {dispute.worker, dispute.challenger}
    ]


def answer_disputes(place: Workplace) -> None:
    """Make every move that is this worker's and that it has computed the job for."""
    for number, dispute in open_disputes(place):
        if place.records.computed(number) is not None:
            advance_dispute(place, number, dispute)


def advance_dispute(place: Workplace, number: int, dispute: Dispute) -> None:
    """Make the move that is due, or end a dispute in which the other side is too late.

    Raises `JobRefused` for a challenge that cannot be won: nothing differs.
    """
    mover = {Turn.PICK: dispute.challenger, Turn.JUDGE: None}.get(dispute.turn, dispute.worker)
    if mover != place.keypair.account:
        if place.client.height() >= _deadline(place, dispute):
            _submit(place, number, Disputes.time_out.Call(work=number))
        return
    leaves = _leaves(place, number)
    if dispute.turn is Turn.SPLIT:
        nodes = split(leaves, dispute.subtree)
        _submit(place, number, Disputes.split.Call(work=number, nodes=nodes))
    elif dispute.turn is Turn.PICK:
        pick = Disputes.pick.Call(work=number, place=_wrong_place(dispute, leaves))
        _submit(place, number, pick)
    else:
        _open(place, number, dispute, leaves)


def _open(place: Workplace, number: int, dispute: Dispute, leaves: Sequence[bytes]) -> None:
    index, state, other = dispute.subtree.index, None, None
    job = place.read_job(number)
    base_model, folder = place.base_model(job.order.base_model), place.job_directory(number)
    if index and job.order.kind is JobKind.EVALUATE:
        state = NO_STATE
    elif index and job.order.kind is JobKind.ATTRIBUTE:
        beside = _other_leaf(place, job, index)
        states = run_states(folder, base_model, index - 1, beside, place.check_stop)
        state = upload_state(place.client, states[0])
        if beside is not None and states[1] is not None:
            other = (beside, upload_state(place.client, states[1]))
    elif index:
        found = run_replay(folder, base_model, index - 1, place.check_stop)
        state = upload_state(place.client, found)
    opening = open_step(leaves, index, state, other)
    _submit(place, number, Disputes.open_step.Call(work=number, opening=opening))


def _other_leaf(place: Workplace, job: Job, index: int) -> int | None:
    """The leaf beside the one before whose state has to be opened, too."""
    model: Model = place.client.read("Models", "models", job.order.subject)
    return other_leaf_of(place.read_job(model.job).order, job.order, index)


def _wrong_place(dispute: Dispute, leaves: Sequence[bytes]) -> int:
    """The place of the first posted node that is not that of the own `leaves`."""
    count = dispute.leaf_count
    # Where the own transcript ends early, the leaves after it are wrong, whatever they are.
    comparable = [*leaves[:count], *[b""] * (count - len(leaves))]
    place = first_difference(dispute.nodes, split(comparable, dispute.subtree))
    if place is None:
        message = "All posted nodes are right."
        raise JobRefused(message, remedy="Nothing can be done: the challenge was wrong.")
    return place


def _leaves(place: Workplace, number: int) -> tuple[bytes, ...]:
    """The own transcript of a job that was computed here."""
    outcome = place.records.computed(number)
    path = place.job_directory(number) / TRANSCRIPT_FILE
    if outcome is None or not path.exists():
        message = f"The transcript of job {number} is not in this worker's folder."
        raise JobRefused(message, remedy="Start the worker with the folder that it worked in.")
    return decode_blob(path.read_bytes(), outcome.leaf_count)


def _deadline(place: Workplace, dispute: Dispute) -> int:
    """The height from which the party whose move it is has lost."""
    if dispute.turn is Turn.JUDGE:
        judging: int = place.client.read("Disputes", "judge_blocks")
        return dispute.since + judging
    if dispute.turn is Turn.PICK:
        return dispute.since + dispute.challenger_blocks
    return dispute.since + dispute.worker_blocks


def _submit(place: Workplace, number: int, call: RuntimeCall) -> None:
    """Make a move; one that was made already, or by somebody else, is no error."""
    try:
        place.client.submit(call, place.keypair)
    except CallFailed as error:
        _log.info("move not made", job=number, move=call.call_definition.name, error=error.message)
        return
    _log.info("move made", job=number, move=call.call_definition.name)
