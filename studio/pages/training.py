"""A new training job in one page, and a job while it runs and afterwards."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from nicegui import ui

from ml.training.recipe import default_training_parameters
from node.errors import ContentError
from node.submission import Inclusion
from runtime.errors import OpenLedgerError
from runtime.types import PPB
from runtime.wire.datanets import ALL_PURPOSES
from runtime.wire.work import job_work, least_fee
from studio import curves
from studio.context import Studio
from studio.errors import FieldInvalid, ObjectMissing
from studio.frame import html, notice, page
from studio.live import live
from studio.pages.models import data_of, job_state, losses
from studio.parts import charts, doubts, values
from studio.parts.call_form import definition_of, filled_call
from studio.parts.fields import Fields
from studio.parts.tables import card, crumbs
from studio.parts.tags import link, tag
from studio.parts.training_form import TrainingForm, readiness, training_form
from studio.signing import sign, told
from studio.tabs import address, every

DEFAULT_FEE = "100OPEN"
CURVE_S = 0.5
STAGES = {
    "OPEN": (
        "Waiting for a worker.",
        "A bonded worker claims it; start one with `openledger worker run`.",
        "wait",
    ),
    "CLAIMED": ("A worker trains it.", "You may close this page: the job is the worker's.", "info"),
    "COMMITTED": ("Trained. Its auditors are drawn.", "Then the worker shows the result.", "wait"),
}
LEAVES_BESIDE_STEPS = 2
"""Of a transcript: the initial state and the conclusion."""


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/models/new")
    async def new(datanet: int = -1) -> None:
        back = crumbs(("ModelFactory", "/models"))
        lead = "A base model learns from a Datanet. A bonded worker trains it; anybody can check."
        async with page(studio, "Train a model", "/models", lead=lead, crumbs=back):
            await _wizard(studio, datanet)

    @address("/jobs/{number}")
    async def job(number: int) -> None:
        back = crumbs(("ModelFactory", "/models"))
        async with page(studio, f"Training job #{number}", "/models", crumbs=back):
            if await _read(studio, number) is None:
                message = f"There is no training job {number}."
                raise ObjectMissing(message, remedy="The ModelFactory page has all of them.")
            await live(studio, lambda: _status(studio, number))
            await _curve(studio, number)
            await _abort(studio, number)
            doubts.doubt(studio, number, await _read(studio, number))
            await live(studio, lambda: _order(studio, number), 5.0)


async def _read(studio: Studio, number: int) -> Any:
    return await studio.chain.state.read("Compute", "jobs", number)


async def _wizard(studio: Studio, datanet: int) -> None:
    bases = await _bases(studio)
    versions = await _versions(studio)
    if not versions:
        text = tag("span", "Publish a version of one on the page ", link("Datanets", "/datanets"))
        html(notice("There is no Datanet to train on yet.", text))
        return
    if not bases:
        html(notice("No base model is admitted on this chain.", "A referendum admits one."))
        return
    wanted = next((each for each in versions if each[0] == datanet), next(iter(versions)))
    names = {each: f"{name} v{each[1]} · {rows:,} rows" for each, (name, rows) in versions.items()}
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "1. Base model and data")))
        with ui.element("div").classes("form"):
            base = ui.select(bases, value=next(iter(bases)), label="Base model")
            data = ui.select(names, value=wanted, label="Datanet and version")
            purposes = {each.name: each.name.lower() for each in ALL_PURPOSES}
            purpose = ui.select(purposes, value="COMMERCIAL", label="What it is for")
            fee = ui.input("Fee for the worker", value=DEFAULT_FEE)
        for each in (base, data, purpose, fee):
            each.props("outlined dense")
        fee.props["hint"] = "held until the result is settled; a refund if nobody delivers"
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "2. Parameters"), _recipe_note()))
        fields = ui.element("div").classes("stack")
    preview = html("").classes("full-width")
    form: list[TrainingForm] = []

    async def show() -> None:
        chosen = (base.value, versions[data.value][1], fee.value)
        preview.content = str(await _preview(studio, form[0], *chosen))

    def rebuild() -> None:
        form.clear()
        fields.clear()
        definition = definition_of(studio, "Compute.submit_job")
        notation = _field_type(definition.arguments.items["order"].describe(), "parameters")
        with fields:
            form.append(training_form(notation, versions[data.value][1], lambda: told(show)))

    async def order() -> None:
        parameters = form[0].read()
        ordered = {
            "kind": "TRAIN",
            "base_model": base.value,
            "sources": [{"datanet": data.value[0], "version": data.value[1]}],
            "purpose": purpose.value,
            "leaf_count": parameters["steps"] + LEAVES_BESIDE_STEPS,
            "parameters": parameters,
            "subject": None,
            "details": None,
        }
        # A worker's bond then covers its fee; nobody but a panel's members judges private rows.
        arguments = {"order": ordered, "fee": fee.value, "value_at_risk": 0, "panel": []}
        call = filled_call(studio, "Compute.submit_job", arguments)
        await sign(studio, call, _ordered)

    rebuild()
    await told(show)

    async def other_data() -> None:
        rebuild()
        await told(show)

    data.on_value_change(other_data)
    for each in (base, fee):
        each.on_value_change(lambda: told(show))
    ui.button("Preview and sign", icon="draw", on_click=lambda: told(order)).props(
        "unelevated"
    ).classes("self-start")


def _field_type(notation: str, name: str) -> str:
    """The type of a record's field that holds a record, or nothing, in the metadata's notation."""
    start = notation.index(f"{name}: ") + len(name) + 2
    depth = 0
    for place in range(start, len(notation)):
        depth += {"(": 1, ")": -1}.get(notation[place], 0)
        if notation[place] == ")" and depth == 0:
            return notation[start : place + 1]
    message = f"The chain's order has no {name}."
    raise FieldInvalid(message, remedy="Use the page Pallets.")


def _ordered(inclusion: Inclusion) -> None:
    fields = inclusion.fields("Compute", "Submitted")
    ui.navigate.to(f"/jobs/{fields['job']}")


async def _bases(studio: Studio) -> dict[str, str]:
    entries = await studio.chain.state.entries("Models", "base_models", 200)
    admitted = [entry for entry in entries if entry.value.admitted_at is not None]
    return {entry.key[0].hex(): entry.value.name for entry in admitted}


async def _versions(studio: Studio) -> dict[tuple[int, int], tuple[str, int]]:
    """The newest version of each Datanet: its name and how many rows it has."""
    found = {}
    for entry in await studio.chain.state.entries("Datanets", "datanets", 500):
        number = entry.key[0]
        version = await studio.chain.state.read("Datanets", "latest_version", number)
        if version:
            record = await studio.chain.state.read("Datanets", "versions", number, version)
            found[number, version] = (entry.value.name, record.row_count)
    return found


def _recipe_note() -> Markup:
    return tag("span", "the defaults are a recipe whose influence can be measured", class_="note")


async def _preview(studio: Studio, form: TrainingForm, base: str, rows: int, fee: str) -> Markup:
    """Cost, time, attribution-readiness and reward, before anything is signed."""
    try:
        parameters = form.read()
    except FieldInvalid as error:
        return notice(error.message, error.remedy, "bad")
    rows_min = await studio.chain.state.read("Attribution", "rows_min") or 0
    reasons = readiness(parameters, rows, rows_min)
    passes = parameters["steps"] * parameters["batch_rows"] / max(1, rows)
    ready = (
        values.badge("ready", "ok")
        if not reasons
        else tag("span", values.badge("limited", "wait"), f" {'; '.join(reasons)}")
    )
    return card(
        "3. What you get",
        values.facts(
            ("Cost", f"{fee.replace('OPEN', ' OPEN')}, and a small fee for the extrinsic"),
            ("The chain takes", f"{await _least_fee(studio, base, parameters, rows)} OPEN or more"),
            ("It sees", f"{rows:,} rows, each about {passes:.1f} times"),
            ("It takes", await _duration(studio, parameters)),
            ("Attribution", ready),
            ("Of each answer's fee", await _reward(studio)),
        ),
    )


async def _least_fee(studio: Studio, base: str, chosen: dict[str, Any], rows: int) -> str:
    """What the chain asks for the work, counted as it counts."""
    state = studio.chain.state
    record = await state.read("Models", "base_models", bytes.fromhex(base))
    counted = ("steps", "batch_rows", "tokens_max", "rank", "validation_ppb")
    parameters = replace(
        default_training_parameters(rows),
        target_modules=tuple(chosen["target_modules"]),
        **{name: chosen[name] for name in counted},
    )
    work = job_work(record.shape, parameters, rows)
    fee_min = await state.read("Compute", "fee_min")
    price = await state.read("Compute", "work_price")
    return values.amount_text(least_fee(work, fee_min, price))


async def _duration(studio: Studio, parameters: dict[str, Any]) -> str:
    """By what the last settled job took, whose work was so and so much."""
    index = studio.chain.index
    done = await asyncio.to_thread(index.events, 0, 1, "Compute.Revealed")
    if not done:
        return "no job was finished yet, so nobody knows"
    number = done[0].fields["job"]
    claims = await asyncio.to_thread(index.events, 0, 100, "Compute.Claimed")
    begun = next((each for each in claims if each.fields["job"] == number), None)
    last = await _read(studio, number)
    if begun is None or last is None or last.order.parameters is None:
        return "unknown"
    work = parameters["steps"] * parameters["batch_rows"] * parameters["tokens_max"]
    known = last.order.parameters
    before = known.steps * known.batch_rows * known.tokens_max
    seconds = (done[0].time_ms - begun.time_ms) / 1_000 * work / max(1, before)
    return f"about {values.span_text(round(seconds))}, as the last job did"


async def _reward(studio: Studio) -> str:
    terms = await studio.chain.state.read("Models", "share_terms")
    if terms is None:
        return "as the chain divides it"
    yours, theirs = values.ppb(terms.usual.owner_ppb), values.ppb(terms.usual.contributors_ppb)
    return f"{yours} for you, {theirs} for contributors"


async def _status(studio: Studio, number: int) -> Markup:
    job = await _read(studio, number)
    disputed = await doubts.standing(studio, number)
    if disputed is not None:
        return disputed
    if job.state.name == "SETTLED" and job.result is not None and any(job.result.adapter):
        model = job.result.adapter.hex()
        card_link, ask = (
            link("Its card", f"/models/{model}"),
            link("Ask it", f"/chat?model={model}"),
        )
        return notice("The model is registered.", tag("span", card_link, " · ", ask), "ok")
    return notice(*_stage(job))


def _stage(job: Any) -> tuple[str, str, str]:
    """Where a job without a model is: a sentence, what comes next, and its kind."""
    name = job.state.name
    if name == "REVEALED" and not (job.certified or job.panel):
        text = "Its window begins when two thirds of the validators hold what a check takes."
        return "Trained. The validators gather its states.", text, "wait"
    if name == "REVEALED":
        text = f"It settles at block {job.deadline:,} if nobody does."
        return "Trained. Anybody may dispute it now.", text, "wait"
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
    fields = Fields(studio)
    parameters = [
        (values.words(name.removesuffix("_ppb")), _shown(name, value))
        for name, value in (known["order"]["parameters"] or {}).items()
    ]
    worker = studio.account(job.worker.hex()) if job.worker else "nobody yet"
    result = known["result"]
    return tag(
        "div",
        card(
            "The order",
            values.facts(
                ("State", job_state(job)),
                ("Builder", studio.account(job.owner.hex())),
                ("Worker", worker),
                (
                    "Data",
                    data_of(job),
                ),
                ("Fee", values.amount(job.fee)),
                ("Held-out loss", losses(job)),
                *((("Result", fields.row(result)),) if result else ()),
            ),
        ),
        card("Parameters", values.facts(*parameters)),
        class_="columns",
    )


def _shown(name: str, value: Any) -> str:
    if name.endswith("_ppb"):
        return f"{value / PPB:g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value) or "the model's own"
