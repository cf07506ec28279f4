"""A job while it runs and afterwards: its loss, what it waits for, its order and its result."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from markupsafe import Markup
from nicegui import ui

from node.errors import ContentError
from runtime.errors import OpenLedgerError
from runtime.types import PPB
from studio import curves
from studio.chain import attribution
from studio.context import Studio
from studio.errors import ObjectMissing
from studio.frame import html, notice, page
from studio.live import live
from studio.pages.models import data_of, job_state, kind_of, losses
from studio.parts import charts, doubts, values
from studio.parts.call_form import filled_call
from studio.parts.fields import Fields
from studio.parts.tables import card, crumbs
from studio.parts.tags import Child, link, tag
from studio.signing import sign, told
from studio.tabs import address, every

CURVE_S = 0.5
SLOW_S = 5.0
STAGES = {
    "OPEN": (
        "Waiting for a worker.",
        "A bonded worker claims it; start one with `openledger worker run`.",
        "wait",
    ),
    "CLAIMED": (
        "A worker computes it.",
        "You may close this page: the job is the worker's.",
        "info",
    ),
    "COMMITTED": ("Done. Its auditors are drawn.", "Then the worker shows the result.", "wait"),
}


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/jobs/{number}")
    async def one(number: int) -> None:
        back = crumbs(("ModelFactory", "/models"))
        job = await _read(studio, number) if studio.chain.is_ready else None
        title = f"Job #{number}" if job is None else f"{kind_of(job).capitalize()} job #{number}"
        async with page(studio, title, "/models", crumbs=back):
            if job is None:
                message = f"There is no job {number}."
                raise ObjectMissing(message, remedy="The ModelFactory page has all of them.")
            await live(studio, lambda: _status(studio, number))
            if job.order.parameters is not None:
                await _curve(studio, number)
            await _abort(studio, number)
            doubts.doubt(studio, number, job)
            await live(studio, lambda: _order(studio, number), SLOW_S)


async def _read(studio: Studio, number: int) -> Any:
    return await studio.chain.state.read("Compute", "jobs", number)


async def _status(studio: Studio, number: int) -> Markup:
    job = await _read(studio, number)
    disputed = await doubts.standing(studio, number)
    if disputed is not None:
        return disputed
    if job.state.name == "SETTLED" and job.result is not None and any(job.result.adapter):
        return await _settled(studio, number, job)
    return notice(*_stage(job))


async def _settled(studio: Studio, number: int, job: Any) -> Markup:
    """What a job came to: a model, the division of an epoch, or a result in the content store."""
    if job.order.parameters is not None:
        model = job.result.adapter.hex()
        own, ask = link("Its card", f"/models/{model}"), link("Ask it", f"/chat?model={model}")
        return notice("The model is registered.", tag("span", own, " · ", ask), "ok")
    for each in await attribution.settlements(studio.chain.state):
        if each.value.job == number:
            model, epoch = each.key[0].hex(), each.key[1]
            href = f"/attribution/{model}/{epoch}"
            return notice(
                "The epoch is attributed.", link("Who moved it, and who is paid", href), "ok"
            )
    return notice("The job is settled.", values.digest(job.result.adapter.hex()), "ok")


def _stage(job: Any) -> tuple[str, str, str]:
    """Where a job without a model is: a sentence, what comes next, and its kind."""
    name = job.state.name
    if name == "REVEALED" and not (job.certified or job.panel):
        text = "Its window begins when two thirds of the validators hold what a check takes."
        return "Done. The validators gather its states.", text, "wait"
    if name == "REVEALED":
        text = f"It settles at block {job.deadline:,} if nobody does."
        return "Done. Anybody may dispute it now.", text, "wait"
    lost = f"The job ended as “{name.lower()}”.", "Its fee went back to the builder.", "bad"
    return STAGES.get(name, lost)


async def _curve(studio: Studio, number: int) -> None:
    """The loss while it trains, and all of it once it is committed."""
    with ui.element("section").classes("card"):
        note = tag("span", "nats a token, by step", class_="note")
        html(tag("header", tag("h2", "Loss"), note))
        series = await _series(studio, number)
        graph = charts.chart(charts.lines(series, "step", "loss"), f"Loss of job {number}", 320)
        empty = html(_no_curve(series))
        shown = series

    async def refresh() -> None:
        nonlocal shown
        try:
            now = await _series(studio, number)
        except OpenLedgerError:
            return
        if now != shown:
            shown = now
            graph.options.update(charts.lines(now, "step", "loss"))
            graph.update()
            empty.content = str(_no_curve(now))

    every(CURVE_S, refresh)


def _no_curve(series: dict[str, curves.Points]) -> Markup:
    if any(series.values()):
        return Markup("")
    text = "Steps appear here while a worker on this machine trains, or when it has committed."
    return tag("div", text, class_="empty")


async def _series(studio: Studio, number: int) -> dict[str, curves.Points]:
    job = await _read(studio, number)
    if job is not None and job.result is not None:
        with suppress(ContentError):
            steps, ends = await curves.complete(studio.contents, job.result.transcript)
            return {"training": steps, "held out": ends}
    return {"training": studio.curves.live(number)}


async def _abort(studio: Studio, number: int) -> None:
    """The builder may want no more than was done: the worker then commits what there is."""
    job = await _read(studio, number)
    key = studio.wallet.chosen(studio.session())
    is_mine = key is not None and key.account == job.owner.hex()
    if not is_mine or job.state.name not in {"OPEN", "CLAIMED"} or job.aborted:
        return
    call = filled_call(studio, "Compute.abort", {"job": number})
    ui.button("Stop it", icon="stop", on_click=lambda: told(lambda: sign(studio, call))).props(
        "outline"
    ).classes("self-start")


async def _order(studio: Studio, number: int) -> Markup:
    job = await _read(studio, number)
    known = studio.chain.state.decoder.to_json(job)
    result, parameters = known["result"], known["order"]["parameters"]
    facts: list[tuple[str, Child]] = [
        ("State", job_state(job)),
        ("Ordered by", studio.account(job.owner.hex())),
        ("Worker", studio.account(job.worker.hex()) if job.worker else "nobody yet"),
        ("Data", data_of(job)),
        ("Fee", values.amount(job.fee)),
    ]
    if job.order.subject is not None:
        model = job.order.subject.hex()
        facts.append(("About the model", values.digest(model, f"/models/{model}")))
    if parameters:
        facts.append(("Held-out loss", losses(job)))
    if result:
        facts.append(("Result", Fields(studio).row(result)))
    order = card("The order", values.facts(*facts))
    if not parameters:
        return order
    chosen = [
        (values.words(name.removesuffix("_ppb")), _shown(name, value))
        for name, value in parameters.items()
    ]
    return tag("div", order, card("Parameters", values.facts(*chosen)), class_="columns")


def _shown(name: str, value: Any) -> str:
    if name.endswith("_ppb"):
        return f"{value / PPB:g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value) or "the model's own"
