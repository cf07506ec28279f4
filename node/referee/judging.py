"""Judging an opened step: the states are fetched, one step computed in a confined process.

What is signed is the right leaf's 32 bytes.  It is zeros where no leaf follows: a state is not the
one that its leaf commits to, or a leaf before is none of this job's.  A state that cannot be had
yet is asked for again, for as long as the chain says (`Disputes.patience_blocks`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ml.attribution.inputs import encode_influence_inputs
from ml.training.inputs import encode_inputs
from node.client import NodeClient
from node.errors import ContentDamaged, ContentMissing
from node.workers.answers import AnswerServers
from node.workers.errors import JobRefused
from node.workers.exams import exam_of, fetch_subject
from node.workers.influence import influence_of, task_of
from node.workers.orders import order_of
from node.workers.runs import OpenedLeaf, RunPlace, run_exam_step, run_influence_step, run_step
from node.workers.states import fetch_state, state_root_of
from pallets.disputes.types import OpenedStep
from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH
from runtime.wire.exams import decode_exam_leaf
from runtime.wire.records import Job, JobKind

_log = structlog.get_logger("referee")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a step is computed with: the node, the base model, a folder that is emptied first."""

    client: NodeClient
    servers: AnswerServers
    base_model: Path
    folder: Path
    watch: Callable[[], None]
    """Called a few times a second; what it raises ends the computation."""


def judge_step(
    shop: Workshop, number: int, job: Job, opened: OpenedStep, *, is_late: bool
) -> bytes | None:
    """The 32 bytes to sign for an opened step; None while its state cannot be had, and not late.

    Raises `JobRefused`, `ContentMissing` or `ContentDamaged` where the rows of the order cannot be
    had, which are not the worker's to show, `AnswersIncomplete` and `ServerUnreachable` where its
    answers cannot, and `RunFailed` for a computation without a result.
    """
    if job.order.kind is JobKind.EVALUATE:
        return _judge_exam_step(shop, number, job, opened)
    inputs = _inputs(shop, number, job)
    try:
        leaves = _opened_leaves(shop.client, job.order.kind, opened)
        shutil.rmtree(shop.folder, ignore_errors=True)
        if job.order.kind is JobKind.ATTRIBUTE:
            places = (shop.folder, inputs, shop.base_model)
            return run_influence_step(*places, opened.index, leaves, shop.watch)
        before = (leaves[0].leaf, leaves[0].state) if leaves else None
        return run_step(shop.folder, inputs, shop.base_model, before, shop.watch)
    except (ContentMissing, ContentDamaged) as error:
        _log.info("state not there", job=number, error=error.message, is_late=is_late)
        return ZERO_HASH if is_late else None
    except (DecodeError, JobRefused) as error:
        _log.info("nothing follows", job=number, step=opened.index, error=error.message)
        return ZERO_HASH


def _judge_exam_step(shop: Workshop, number: int, job: Job, opened: OpenedStep) -> bytes:
    """The same for an exam, which has no states: the leaf before is all that is needed."""
    shutil.rmtree(shop.folder, ignore_errors=True)
    if opened.before is not None and not _is_exam_leaf(opened.before):
        return ZERO_HASH
    inputs = exam_of(shop.client, number, job)
    place = RunPlace(shop.folder, shop.base_model)
    subject = fetch_subject(shop.client, inputs, place.folder)
    try:
        return run_exam_step(place, inputs.encode(), subject, opened.before, shop.watch)
    except JobRefused as error:
        _log.info("nothing follows", job=number, step=opened.index, error=error.message)
        return ZERO_HASH


def _is_exam_leaf(data: bytes) -> bool:
    try:
        decode_exam_leaf(data)
    except DecodeError:
        return False
    return True


def _inputs(shop: Workshop, number: int, job: Job) -> bytes:
    if job.order.kind is JobKind.ATTRIBUTE:
        task = task_of(shop.client, number, job)
        return encode_influence_inputs(influence_of(shop.client, shop.servers, number, task).inputs)
    return encode_inputs(*order_of(shop.client, number, job))


def _opened_leaves(client: NodeClient, kind: JobKind, opened: OpenedStep) -> list[OpenedLeaf]:
    """What was opened beside the disputed leaf: the leaf before, and perhaps another."""
    shown = ((opened.before, opened.state), (opened.other, opened.other_state))
    return [
        OpenedLeaf(leaf, fetch_state(client, state, state_root_of(kind, leaf)))
        for leaf, state in shown
        if leaf is not None and state is not None
    ]
