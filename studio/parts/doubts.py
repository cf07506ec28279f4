"""A result of a worker that somebody doubts: whose move it is, and a button to say so."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from nicegui import ui

from studio.context import Studio
from studio.frame import html, notice
from studio.parts import values
from studio.parts.call_form import filled_call
from studio.parts.tags import tag
from studio.signing import sign, told

TURNS = {
    "SPLIT": "The worker posts the next part of its transcript.",
    "PICK": "The challenger names what is wrong in it.",
    "OPEN": "The worker opens the step that is disputed.",
    "JUDGE": "The validators compute the step themselves.",
}
"""What a dispute waits for."""


async def standing(studio: Studio, job: int) -> Markup | None:
    """Who disputes a job's result, and what is next; None while nobody does."""
    found = await studio.chain.state.read("Disputes", "disputes", job)
    if found is None:
        return None
    text = Markup("{} put {} on it. {}").format(
        studio.account(found.challenger.hex()),
        values.amount(found.bond),
        TURNS.get(found.turn.name, found.turn.name.lower()),
    )
    return notice("This result is disputed.", text, "wait")


def doubt(studio: Studio, number: int, job: Any) -> None:
    """A button that disputes a revealed result; nothing where nobody can."""
    key = studio.wallet.chosen(studio.session())
    if key is None or job.state.name != "REVEALED" or job.disputed or job.panel:
        return
    if job.worker is not None and job.worker.hex() == key.account:
        return
    call = filled_call(studio, "Disputes.challenge", {"work": number})

    def ask() -> None:
        with ui.dialog() as dialog, ui.card().classes("dialog").props("flat"):
            html(tag("h2", "Dispute this result"))
            command = f"openledger worker run --key={key.name} --node={studio.settings.node}"
            text = (
                "You computed it, and got something else. Your bond is held; who is wrong loses."
                " A worker that runs with your key makes every further move:"
            )
            html(tag("p", text))
            html(tag("pre", command, class_="code", tabindex="0"))
            text = "Without one your clock runs out, and the bond is lost."
            html(notice(text, None, "wait"))

            async def go_on() -> None:
                dialog.close()
                await sign(studio, call, lambda _done: ui.navigate.reload())

            with ui.row().classes("justify-end q-gutter-sm full-width"):
                ui.button("Cancel", on_click=dialog.close).props("flat")
                ui.button("Preview and sign", on_click=lambda: told(go_on)).props("unelevated")
        dialog.open()

    ui.button("Dispute it", icon="gavel", on_click=ask).props("outline").classes("self-start")
