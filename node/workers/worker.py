"""The worker's loop: bond, take jobs, train, attribute; for as long as it runs.

One piece of work at a time, each idempotent (`training.py`, `attribution.py`): the loop may be
killed at any instruction.  Trouble with the node or a server is waited out with growing pauses; a
job or an epoch that is refused is left alone for a while and does not hold up the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from node.client import NodeClient
from node.errors import CallFailed, ClientError, NodeUnreachable
from node.workers.answers import AnswerServers
from node.workers.audits import advance_audit, own_audits
from node.workers.computed import compute
from node.workers.disputes import advance_dispute, open_disputes
from node.workers.errors import JobRefused, StopRequested
from node.workers.progress import Progress, ProgressFile
from node.workers.records import WorkRecords
from node.workers.settlements import Epoch, advance_epoch
from node.workers.training import advance_job
from node.workers.workplace import Workplace, base_models_of
from pallets.disputes.types import Dispute
from pallets.workers.pallet import Workers
from runtime.errors import OpenLedgerError
from runtime.keys import Keypair

POLL_INTERVAL_S = 0.5
PAUSE_FIRST_S = 1.0
PAUSE_MAX_S = 15.0
REFUSED_PAUSE_S = 60.0
"""A refusal is about content: it rarely goes away soon."""
EVERYTHING = "everything"
POOLS_MAX = 1_000_000
_log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Pause:
    """Until when (monotonic) something is left alone, and how long that is."""

    until: float
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is started with."""

    work: Path
    base_models: tuple[Path, ...]
    servers: tuple[str, ...]


class Worker:
    """A bonded worker, as a context: its journal is locked while it is open."""

    def __init__(
        self,
        client: NodeClient,
        keypair: Keypair,
        settings: WorkerSettings,
        stop: threading.Event,
    ) -> None:
        """Open the folder; `stop` ends the work. Raises `JournalError` and `ModelUnusable`."""
        self._client = client
        self._keypair = keypair
        self._records = WorkRecords(settings.work / "journal")
        try:
            self._place = Workplace(
                client=client,
                keypair=keypair,
                work=settings.work,
                base_models=base_models_of(settings.base_models),
                servers=AnswerServers(settings.servers, client, keypair),
                records=self._records,
                progress=ProgressFile(settings.work / "progress.json"),
                stop=stop,
            )
        except BaseException:
            self._records.close()
            raise
        self._done: set[Hashable] = set()
        self._pauses: dict[Hashable, Pause] = {}
        self._stop = stop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._records.close()

    def run(self, *, once: bool) -> None:
        """Work until stopped, or, with `once`, until nothing is left to do now."""
        _log.info("worker started", account=self._keypair.account.hex(), node=self._client.url)
        try:
            while not self._stop.is_set():
                if self._attempt(EVERYTHING, self._pass) and once:
                    break
                self._place.show(Progress("idle"))
                self._stop.wait(POLL_INTERVAL_S)
        except StopRequested:
            pass
        _log.info("worker stopped")

    def _pass(self) -> bool:
        """Look at everything once, and do what can be done now."""
        self._bond()
        for number, dispute in open_disputes(self._place):
            self._attempt(("dispute", number), partial(self._dispute, number, dispute))
        for number, plan, audit in own_audits(self._place):
            advance = partial(advance_audit, self._place, number, plan, audit)
            self._attempt(("audit", number), advance)
        for number in range(self._client.read("Compute", "next_job")):
            self._advance(("job", number), partial(advance_job, self._place, number))
        for epoch in self._ended_epochs():
            key = ("epoch", epoch.model, epoch.number)
            self._advance(key, partial(advance_epoch, self._place, epoch))
        return True

    def _advance(self, key: Hashable, advance: Callable[[], bool]) -> None:
        """Let a job or an epoch go on, unless it is over."""
        if key not in self._done and self._attempt(key, advance) is False:
            self._done.add(key)

    def _attempt(self, key: Hashable, work: Callable[[], bool | None]) -> bool | None:
        """What `work` returns; None if it waits, because it was in trouble now or before."""
        pause = self._pauses.get(key)
        if pause is not None and time.monotonic() < pause.until:
            return None
        try:
            result = work()
        except OpenLedgerError as error:
            if isinstance(error, NodeUnreachable) and key != EVERYTHING:
                raise  # not this work's trouble: everything waits for the node
            seconds = _pause_after(error, pause)
            self._pauses[key] = Pause(time.monotonic() + seconds, seconds)
            _log.warning("waiting", error=error.message, remedy=error.remedy, pause_s=seconds)
            return None
        self._pauses.pop(key, None)
        return result

    def _dispute(self, number: int, dispute: Dispute) -> None:
        """Make the next move, for which the job has to be computed here."""
        compute(self._place, number, self._place.read_job(number), "auditing")
        advance_dispute(self._place, number, dispute)

    def _bond(self) -> None:
        """Register this worker with the least bond, once."""
        if self._client.read("Workers", "workers", self._keypair.account) is not None:
            return
        bond: int = self._client.read("Workers", "bond_min")
        try:
            self._client.submit(Workers.register.Call(bond=bond), self._keypair)
        except CallFailed as error:
            message = f"This worker cannot bond: {error.message}"
            raise ClientError(message, remedy=error.remedy) from error
        _log.info("bonded", bond=bond)

    def _ended_epochs(self) -> list[Epoch]:
        """Epochs that are over, with a pool that this worker may have to divide."""
        epoch_blocks: int = self._client.read("Attribution", "epoch_blocks")
        current = self._client.height() // epoch_blocks
        pools = self._client.entries("Attribution", "pools", POOLS_MAX)
        return [
            Epoch(model, number, pool)
            for (model, number), pool in pools
            if pool and number < current
        ]


def _pause_after(error: OpenLedgerError, pause: Pause | None) -> float:
    """How long to leave something alone that has been paused before, or not."""
    if isinstance(error, JobRefused):
        return REFUSED_PAUSE_S
    return PAUSE_FIRST_S if pause is None else min(2 * pause.seconds, PAUSE_MAX_S)
