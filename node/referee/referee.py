"""The referee's loop: certify what it holds, judge what is opened; for as long as it runs.

It holds every admitted base model: what it lacks it fetches.  Without one it signs nothing about
jobs on it, neither that it could check them nor what their steps come to.

It runs beside a validator's node, never inside block production, and signs with the validator's
account or with the one that it named (`Disputes.name_referee`).  What it has signed is on chain, so
it may be killed at any instruction.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from node.errors import CallFailed, NodeUnreachable
from node.referee.gathering import GatheringClient
from node.referee.holding import read_everything
from node.workers.answers import AnswerServers
from node.workers.errors import JobRefused, StopRequested
from node.workers.model_folders import find_base_model
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Dispute, Tally, Turn
from pallets.models.types import BaseModel
from runtime.calls import RuntimeCall
from runtime.errors import OpenLedgerError
from runtime.keys import Keypair
from runtime.wire.records import UNFINISHED, Job, JobState

POLL_INTERVAL_S = 0.5
PAUSE_S = 5.0
"""How long a job is left alone that could not be certified or judged."""
BASE_MODELS_MAX = 1_000
"""The most base models, proposed and admitted, that are looked at."""
DISPUTES_MAX = 10_000
"""The most disputes of a chain that are looked at."""
_log = structlog.get_logger("referee")


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a referee sits, and what it has."""

    work: Path
    """Its folder."""
    base_models: dict[bytes, Path]
    """By manifest hash."""
    servers: tuple[str, ...] = ()
    """URLs of the servers that show it the answers of an epoch."""


class Referee:
    """One validator's referee."""

    def __init__(
        self, client: GatheringClient, keypair: Keypair, bench: Bench, stop: threading.Event
    ) -> None:
        """Prepare; `stop` ends the work."""
        self._client = client
        self._keypair = keypair
        self._bench = bench
        self._servers = AnswerServers(bench.servers, client, keypair)
        self._stop = stop
        self._done: set[int] = set()
        self._paused_until: dict[int | bytes, float] = {}

    def run(self, *, once: bool) -> None:
        """Work until stopped, or, with `once`, look at everything once."""
        _log.info("referee started", account=self._keypair.account.hex(), node=self._client.url)
        try:
            while not self._stop.is_set():
                self._look()
                if once:
                    break
                self._stop.wait(POLL_INTERVAL_S)
        except StopRequested:
            pass
        _log.info("referee stopped")

    def _look(self) -> None:
        """Judge what is opened, whose clock runs, then certify what is revealed."""
        try:
            for base, record in self._client.entries("Models", "base_models", BASE_MODELS_MAX):
                if record.admitted_at is not None and base not in self._bench.base_models:
                    self._attempt(base, partial(self._hold, base, record))
            disputes = self._client.entries("Disputes", "disputes", DISPUTES_MAX)
            for number, dispute in disputes:
                if dispute.turn is Turn.JUDGE:
                    self._attempt(number, partial(self._judge, number, dispute))
            for number in range(self._client.read("Compute", "next_job")):
                if number not in self._done:
                    self._attempt(number, partial(self._certify, number))
        except OpenLedgerError as error:
            _log.warning("waiting for the node", error=error.message, remedy=error.remedy)

    def _attempt(self, key: int | bytes, work: partial[None]) -> None:
        if time.monotonic() < self._paused_until.get(key, 0.0):
            return
        try:
            work()
        except NodeUnreachable:
            raise
        except OpenLedgerError as error:
            self._paused_until[key] = time.monotonic() + PAUSE_S
            about = {"job": key} if isinstance(key, int) else {"base_model": key.hex()}
            _log.warning("waiting", **about, error=error.message, remedy=error.remedy)

    def _certify(self, number: int) -> None:
        """Certify a revealed result once everything that it names is here."""
        job: Job = self._client.read("Compute", "jobs", number)
        if job.certified or job.panel or job.state not in UNFINISHED:
            self._done.add(number)
            return
        tally: Tally | None = self._client.read("Disputes", "certificates", number)
        if job.state is not JobState.REVEALED or self._has_signed(tally):
            return
        self._base_model(job)
        read_everything(self._client, self._servers, number, job)
        self._submit(number, Disputes.certify.Call(work=number))

    def _judge(self, number: int, dispute: Dispute) -> None:
        """Compute an opened step, and sign what comes out."""
        # It loads torch, which a referee that only certifies does without.
        from node.referee.judging import Workshop, judge_step

        if self._has_signed(self._client.read("Disputes", "tallies", number)):
            return
        opened = self._client.read("Disputes", "opened", number)
        if opened is None:
            return
        job: Job = self._client.read("Compute", "jobs", number)
        patience = self._client.read("Disputes", "patience_blocks")
        folder = self._bench.work / f"step-{number}"
        base_model = self._base_model(job)
        shop = Workshop(self._client, self._servers, base_model, folder, self._check_stop)
        is_late = self._client.height() >= dispute.since + patience
        result = judge_step(shop, number, job, opened, is_late=is_late)
        if result is not None:
            self._submit(number, Disputes.judge.Call(work=number, result=result))

    def _has_signed(self, tally: Tally | None) -> bool:
        account = self._keypair.account
        validator = self._client.read("Disputes", "referees", account) or account
        return tally is not None and validator in [each.validator for each in tally.given]

    def _hold(self, base: bytes, record: BaseModel) -> None:
        """Have the files of an admitted base model here from now on."""
        from ml.training.recipe import work_shape

        folder = find_base_model(self._client, {}, base, self._bench.work / "models")
        if work_shape(folder) != record.shape:
            message = f"The base model {base.hex()} has other dimensions than the chain says."
            raise JobRefused(message, remedy="Tell who voted for it: its work is priced wrongly.")
        self._bench.base_models[base] = folder
        _log.info("base model held", base_model=base.hex(), name=record.name)

    def _base_model(self, job: Job) -> Path:
        found = self._bench.base_models.get(job.order.base_model)
        if found is None:
            message = f"The base model {job.order.base_model.hex()} is not here."
            raise JobRefused(message, remedy="Give its folder with --base-model.")
        return found

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StopRequested

    def _submit(self, number: int, call: RuntimeCall) -> None:
        """Sign a call; where enough others have signed before, there is nothing left to do."""
        name = call.call_definition.name
        try:
            self._client.submit(call, self._keypair)
        except CallFailed as error:
            _log.info("not needed", job=number, call=name, error=error.message)
            self._paused_until[number] = time.monotonic() + PAUSE_S
            return
        _log.info("signed", job=number, call=name)
