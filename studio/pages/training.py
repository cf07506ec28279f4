"""A new training job in one page: what to train on what, with which parameters, at what price."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from nicegui import ui

from ml.training.recipe import default_training_parameters
from node.submission import Inclusion
from runtime.wire.datanets import ALL_PURPOSES
from runtime.wire.work import job_work, least_fee
from studio.context import Studio
from studio.errors import FieldInvalid
from studio.frame import html, notice, page
from studio.parts import values
from studio.parts.call_form import FilledCall, definition_of, filled_call
from studio.parts.tables import card, crumbs
from studio.parts.tags import link, tag
from studio.parts.training_form import TrainingForm, readiness, training_form
from studio.signing import sign, told
from studio.tabs import address

DEFAULT_FEE = "100OPEN"
EVENTS_LOOKED_AT = 100
"""How many of the newest jobs are looked at for how long one takes."""
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
            each.props("outlined dense hide-bottom-space")
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
        chosen = (str(base.value), data.value, str(purpose.value), str(fee.value))
        await sign(studio, _order_call(studio, form[0].read(), *chosen), _ordered)

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


def _order_call(
    studio: Studio,
    parameters: dict[str, Any],
    base: str,
    source: tuple[int, int],
    purpose: str,
    fee: str,
) -> FilledCall:
    """The order of a training, as the page has it."""
    order = {
        "kind": "TRAIN",
        "base_model": base,
        "sources": [{"datanet": source[0], "version": source[1]}],
        "purpose": purpose,
        "leaf_count": parameters["steps"] + LEAVES_BESIDE_STEPS,
        "parameters": parameters,
        "subject": None,
        "details": None,
        "exam": None,
    }
    # A worker's bond then covers its fee; nobody but a panel's members judges private rows.
    arguments = {"order": order, "fee": fee, "value_at_risk": 0, "panel": []}
    return filled_call(studio, "Compute.submit_job", arguments)


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
    """By what the last training took, whose work was so and so much."""
    index, state = studio.chain.index, studio.chain.state
    revealed = await asyncio.to_thread(index.events, 0, EVENTS_LOOKED_AT, "Compute.Revealed")
    claims = await asyncio.to_thread(index.events, 0, EVENTS_LOOKED_AT, "Compute.Claimed")
    begun = {each.fields["job"]: each.time_ms for each in claims}
    places = [(each.fields["job"],) for each in revealed]
    jobs = await state.read_many("Compute", "jobs", places)
    for event, job in zip(revealed, jobs, strict=True):
        number = event.fields["job"]
        if job is None or job.order.parameters is None or number not in begun:
            continue
        known = job.order.parameters
        work = parameters["steps"] * parameters["batch_rows"] * parameters["tokens_max"]
        before = known.steps * known.batch_rows * known.tokens_max
        seconds = (event.time_ms - begun[number]) / 1_000 * work / max(1, before)
        return f"about {values.span_text(round(seconds))}, as the last training did"
    return "no training was finished yet, so nobody knows"


async def _reward(studio: Studio) -> str:
    terms = await studio.chain.state.read("Models", "share_terms")
    if terms is None:
        return "as the chain divides it"
    yours, theirs = values.ppb(terms.usual.owner_ppb), values.ppb(terms.usual.contributors_ppb)
    return f"{yours} for you, {theirs} for contributors"
