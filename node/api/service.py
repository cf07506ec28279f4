"""The server process: API, settlement and signals, started and stopped together.

<data>/answers.journal    every answer that was given (`answers.py`)
<data>/api-keys.json      who may ask (`keys.py`)
<data>/usage.json         what limited keys have spent today (`meter.py`)
<data>/models/            adapters fetched from the content store
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from ml.serving.texts import TextEngine
from node.api.answering import Answering
from node.api.answers import AnswerLog
from node.api.callers import Callers
from node.api.keys import ApiKeys
from node.api.ledger import Ledger
from node.api.meter import USAGE_FILE, Meter
from node.api.metrics import ServingMetrics
from node.api.settlement import Settlement
from node.api.site import Api
from node.client import NodeClient
from node.errors import ClientError, ConfigError
from node.http.server import bound_port, open_listeners, serve
from node.lifetime import cause_of, stop_on_signal
from runtime.keys import Keypair

PAUSE_FIRST_S = 1.0
PAUSE_MAX_S = 30.0
_log = structlog.get_logger("server")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a server is started with."""

    node: str
    data: Path
    models: Path
    base_model: Path
    keys: Path
    host: str
    port: int
    allowed_hosts: frozenset[str]
    settle_every_seconds: float
    active_max: int = 32
    """Answers in progress at once."""


def run_server(settings: ServerSettings, keypair: Keypair, announce: Callable[[str], None]) -> None:
    """Answer until SIGINT or SIGTERM; `announce` is called with the URL once requests are taken.

    Raises a typed error if the server cannot start: `ConfigError`, `JournalError`,
    `ModelUnusable`, `PortInUse`.
    """
    try:
        settings.models.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The folder {settings.models} cannot be made: {error.strerror}."
        raise ConfigError(message, remedy="Choose another with --models.") from error
    with (
        closing(AnswerLog(settings.data / "answers.journal")) as log,
        closing(TextEngine(settings.base_model, settings.models)) as engine,
        NodeClient(settings.node) as client,
        NodeClient(settings.node) as settling_client,
    ):
        ledger = Ledger(client, keypair.account)
        settling_ledger = Ledger(settling_client, keypair.account)
        meter = Meter(settings.data / USAGE_FILE)
        metrics = ServingMetrics(engine.figures)
        answering = Answering(
            engine,
            ledger,
            log,
            keypair,
            settings.models,
            meter,
            metrics,
            active_max=settings.active_max,
        )
        callers = Callers(ApiKeys(settings.keys), meter)
        api = Api(answering, ledger, log, callers, metrics, keypair.account)
        settlement = Settlement(settling_ledger, log, keypair)
        try:
            trio.run(_run, settings, api, settlement, announce)
        except BaseExceptionGroup as group:
            raise cause_of(group) from group
    _log.info("stopped")


async def _run(
    settings: ServerSettings,
    api: Api,
    settlement: Settlement,
    announce: Callable[[str], None],
) -> None:
    listeners = await open_listeners(settings.host, settings.port)
    url = f"http://{settings.host}:{bound_port(listeners)}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_on_signal, nursery.cancel_scope)
        nursery.start_soon(serve, listeners, api.site(settings.allowed_hosts | {settings.host}))
        nursery.start_soon(api.callers.meter.run)
        nursery.start_soon(_settle, settlement, settings.settle_every_seconds)
        _log.info("started", url=url, account=api.server.hex())
        announce(url)


async def _settle(settlement: Settlement, settle_every_seconds: float) -> None:
    """Register the server, then settle what is open, again and again."""
    pause_s = PAUSE_FIRST_S
    while True:
        try:
            await _in_thread(settlement.register)
            await trio.sleep(settle_every_seconds)
            await _in_thread(settlement.settle)
            pause_s = PAUSE_FIRST_S
        except ClientError as error:
            _log.warning("waiting", error=error.message, remedy=error.remedy, pause_s=pause_s)
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)


async def _in_thread(work: Callable[[], object]) -> None:
    """Block a thread, not the server; at the end of the process the thread is left behind.

    It may be killed at any instruction, as everything that settles.
    """
    await trio.to_thread.run_sync(work, abandon_on_cancel=True)
