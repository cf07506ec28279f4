"""What a proposal would do, tried on a fork of the newest state: `openledger gov simulate`.

It runs in a process of its own, which has the runtime; Studio shows what it found.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup
from nicegui import ui

from studio.context import Studio
from studio.errors import SimulationFailed
from studio.frame import html, notice
from studio.parts import values
from studio.parts.fields import Fields
from studio.parts.tables import columns, table
from studio.parts.tags import tag
from studio.signing import told

TIMEOUT_S = 60.0
CHANGES_SHOWN_MAX = 60
EXIT_WOULD_FAIL = 1


async def simulated(studio: Studio, *words: str) -> Mapping[str, Any]:
    """What `gov simulate` finds; raises `SimulationFailed` with its words."""
    command = [sys.executable, "-m", "node.cli", "gov", "simulate", *words]
    process = await asyncio.create_subprocess_exec(
        *command,
        f"--node={studio.settings.node}",
        "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, errors = await process.communicate()
    except TimeoutError as error:
        process.kill()
        message = f"The simulation took longer than {TIMEOUT_S:g} s."
        raise SimulationFailed(
            message, remedy="Run it yourself: `openledger gov simulate`."
        ) from error
    if process.returncode not in {0, EXIT_WOULD_FAIL} or not output:
        raise SimulationFailed(errors.decode(errors="replace").strip()[-500:], remedy="")
    found: Mapping[str, Any] = json.loads(output)
    return found


def try_out(studio: Studio, words: Callable[[], list[str]], shown: ui.element) -> None:
    """A button that tries a proposal on a fork of the newest state; the difference is `shown`."""

    async def go() -> None:
        button.props("loading")
        try:
            found = await simulated(studio, *words())
            shown.clear()
            with shown, ui.element("section").classes("card"):
                html(tag("header", tag("h2", "What it would change")))
                html(outcome(studio, found))
        finally:
            button.props(remove="loading")

    button = ui.button("Try it on a fork", icon="science", on_click=lambda: told(go))
    button.props("outline")


def outcome(studio: Studio, found: Mapping[str, Any]) -> Markup:
    """Whether it would succeed, and what it would change."""
    fields = Fields(studio)
    if found["error"]:
        said = notice(f"It would fail: {found['message']}", found["error"], "bad")
    else:
        text = f"Tried on the state of block {found['height']:,}, in memory."
        said = notice("It would succeed.", text, "ok")
    rows = [
        (
            tag("div", tag("span", each["item"], class_="call"), _key(fields, each["key"])),
            fields.value(_name(each["item"]), each["before"]),
            fields.value(_name(each["item"]), each["after"]),
        )
        for each in found["storage"][:CHANGES_SHOWN_MAX]
    ]
    heads = columns("Storage", "Before", "After")
    changes = table(heads, rows, caption="What it changes", empty="It changes nothing.")
    created = int(found["issuance_after"]) - int(found["issuance_before"])
    money = values.facts(("OPEN created or destroyed", values.amount(created))) if created else None
    return tag("div", said, money, changes, class_="stack")


def _key(fields: Fields, key: Any) -> Markup | None:
    return None if key is None else tag("div", fields.value("key", key), class_="small")


def _name(item: str) -> str:
    return item.partition(".")[2]
