"""Judging an opened step: the state is fetched, one step computed in a confined process.

What is signed is the right leaf's 32 bytes.  It is zeros where no leaf follows: the state is not
the one that the leaf before commits to, or that leaf is none of this job's.  A state that cannot be
had yet is asked for again, for as long as the chain says (`Disputes.patience_blocks`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ml.training.inputs import encode_inputs
from node.client import NodeClient
from node.errors import ContentDamaged, ContentMissing
from node.workers.errors import JobRefused
from node.workers.orders import order_of
from node.workers.runs import run_step
from node.workers.states import fetch_state
from pallets.disputes.types import OpenedStep
from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH
from runtime.wire.records import Job
from runtime.wire.transcripts import decode_leaf

_log = structlog.get_logger("referee")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a step is computed with: the node, the base model, a folder that is emptied first."""

    client: NodeClient
    base_model: Path
    folder: Path
    watch: Callable[[], None]
    """Called a few times a second; what it raises ends the computation."""


def judge_step(
    shop: Workshop, number: int, job: Job, opened: OpenedStep, *, is_late: bool
) -> bytes | None:
    """The 32 bytes to sign for an opened step; None while its state cannot be had, and not late.

    Raises `JobRefused`, `ContentMissing` or `ContentDamaged` where the rows of the order cannot be
    had, which are not the worker's to show, and `RunFailed` for a computation without a result.
    """
    inputs = encode_inputs(*order_of(shop.client, number, job))
    try:
        before = _leaf_and_state(shop.client, opened)
        shutil.rmtree(shop.folder, ignore_errors=True)
        return run_step(shop.folder, inputs, shop.base_model, before, shop.watch)
    except (ContentMissing, ContentDamaged) as error:
        _log.info("state not there", job=number, error=error.message, is_late=is_late)
        return ZERO_HASH if is_late else None
    except (DecodeError, JobRefused) as error:
        _log.info("nothing follows", job=number, step=opened.index, error=error.message)
        return ZERO_HASH


def _leaf_and_state(client: NodeClient, opened: OpenedStep) -> tuple[bytes, bytes] | None:
    if opened.before is None or opened.state is None:
        return None
    root = decode_leaf(opened.before).state_root
    return opened.before, fetch_state(client, opened.state, root)
