"""The process of the plain server: engine, catalogue and HTTP, started and stopped together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from ml.serving.texts import TextEngine
from node.api.callers import Callers
from node.api.keys import ApiKeys
from node.api.meter import USAGE_FILE, Meter
from node.errors import ConfigError
from node.http.server import bound_port, open_listeners, serve
from node.lifetime import cause_of, stop_on_signal
from node.lora.catalogue import Catalogue
from node.lora.site import LoraApi

LINKS_FOLDER = "by-hash"
_log = structlog.get_logger("server")


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """What a plain server is started with."""

    adapters: Path
    base_model: Path
    data: Path
    keys: Path | None
    """Without it anybody who reaches the server may ask."""
    host: str
    port: int
    allowed_hosts: frozenset[str]


def run_lora_server(settings: LoraSettings, announce: Callable[[str], None]) -> None:
    """Answer until SIGINT or SIGTERM; `announce` is called with the URL once requests are taken.

    Raises a typed error if the server cannot start: `ConfigError`, `ModelUnusable`, `PortInUse`.
    """
    if not settings.adapters.is_dir():
        message = f"There is no folder {settings.adapters}."
        raise ConfigError(message, remedy="Give the folder of adapters with --adapters.")
    links = settings.data / LINKS_FOLDER
    try:
        links.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The folder {links} cannot be made: {error.strerror}."
        raise ConfigError(message, remedy="Choose another with --data.") from error
    keys = None if settings.keys is None else ApiKeys(settings.keys)
    callers = Callers(keys, Meter(settings.data / USAGE_FILE))
    with closing(TextEngine(settings.base_model, links)) as engine:
        catalogue = Catalogue(settings.adapters, links)
        api = LoraApi(engine, catalogue, settings.base_model.resolve().name, callers)
        try:
            trio.run(_run, settings, api, announce)
        except BaseExceptionGroup as group:
            raise cause_of(group) from group
    _log.info("stopped")


async def _run(settings: LoraSettings, api: LoraApi, announce: Callable[[str], None]) -> None:
    listeners = await open_listeners(settings.host, settings.port)
    url = f"http://{settings.host}:{bound_port(listeners)}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_on_signal, nursery.cancel_scope)
        nursery.start_soon(api.callers.meter.run)
        nursery.start_soon(serve, listeners, api.site(settings.allowed_hosts | {settings.host}))
        _log.info("started", url=url)
        announce(url)
