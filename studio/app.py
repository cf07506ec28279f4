"""The application: pages, static files, who may talk to it, start and stop."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from nicegui import app, ui

from studio import exports
from studio.access import LocalOnly
from studio.context import Studio
from studio.pages import (
    accounts,
    attribution,
    blocks,
    chat,
    datanets,
    disputes,
    earnings,
    extrinsics,
    governance,
    jobs,
    models,
    overview,
    pallets,
    proposal,
    review,
    search,
    submission,
    training,
    upload,
    validators,
    version,
    wallet,
)
from studio.settings import Settings
from studio.tabs import RECONNECT_S

ARROW = "M7.41 8.59 12 13.17l4.59-4.58L18 10l-6 6-6-6z"
STATIC = Path(__file__).parent / "static"
PAGES = (
    overview,
    datanets,
    submission,
    version,
    upload,
    review,
    training,
    jobs,
    models,
    chat,
    attribution,
    earnings,
    wallet,
    proposal,
    governance,
    disputes,
    validators,
    blocks,
    extrinsics,
    accounts,
    pallets,
    search,
)


def build(settings: Settings) -> Studio:
    """Register all pages with NiceGUI; the caller starts what they show, and runs it."""
    studio = Studio(settings)
    # Quasar's bar for requests has no name for a screen reader, and pages make none.
    app.config.quasar_config["loadingBar"]["skipHijack"] = True
    # An outline instead of a font's ligature, whose letters would be read out as a word.
    ui.expansion.default_props(f'expand-icon="{ARROW}"')
    app.add_static_files("/studio-static", STATIC)
    ui.add_head_html(
        '<link rel="stylesheet" href="/studio-static/studio.css">'
        '<script defer src="/studio-static/studio.js"></script>',
        shared=True,
    )
    exports.register(studio)
    for each in PAGES:
        each.register(studio)
    return studio


def run(settings: Settings, *, as_json: bool) -> None:
    """Serve until stopped, on this machine only; prints the address once it answers."""
    studio = build(settings)
    app.on_startup(studio.start)
    app.on_shutdown(studio.close)
    url = f"http://127.0.0.1:{settings.port}"
    said = json.dumps({"url": url}) if as_json else f"OpenLedger Studio ready at {url}"
    app.on_startup(lambda: print(said, flush=True))
    app.add_middleware(LocalOnly)
    ui.run(
        host="127.0.0.1",
        port=settings.port,
        title="OpenLedger Studio",
        favicon=STATIC / "favicon.svg",
        show=False,
        reload=False,
        reconnect_timeout=RECONNECT_S,
        dark=None,
        tailwind=False,
        # A restart locks all keys: sessions are signed with what nobody has any more.
        storage_secret=secrets.token_hex(32),
        show_welcome_message=False,
    )
