"""ModelFactory: the models and jobs of the chain, one model's card, curves side by side."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from markupsafe import Markup
from nicegui import ui

from runtime.errors import OpenLedgerError
from runtime.types import PPB
from studio import curves
from studio.chain import attribution
from studio.chain.state import Entry
from studio.context import Studio
from studio.errors import FieldInvalid, ObjectMissing
from studio.exports import storage_address
from studio.frame import html, page
from studio.live import live
from studio.parts import charts, values
from studio.parts.call_form import filled_call
from studio.parts.tables import card, columns, crumbs, table, tiles
from studio.parts.tags import join, link, tag
from studio.signing import sign, told
from studio.tabs import address

JOB_STATES = {
    "OPEN": "wait",
    "CLAIMED": "info",
    "COMMITTED": "wait",
    "REVEALED": "wait",
    "SETTLED": "ok",
}
KINDS = {"TRAIN": "training", "ATTRIBUTE": "attribution", "EVALUATE": "evaluation"}
JOBS_SHOWN = 50
COMPARED_MAX = 6
SLOW_S = 3.0


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/models")
    async def models() -> None:
        lead = "Adapters, each with its data, its training and its earnings on record."
        async with page(studio, "ModelFactory", "/models", lead=lead):
            with ui.row().classes("q-gutter-sm"):
                ui.button(
                    "Train a model", icon="add", on_click=lambda: ui.navigate.to("/models/new")
                ).props("unelevated")
                ui.button(
                    "Compare runs",
                    icon="stacked_line_chart",
                    on_click=lambda: ui.navigate.to("/models/compare"),
                ).props("outline")
            await live(studio, lambda: _models(studio), SLOW_S)
            await live(studio, lambda: _jobs(studio), SLOW_S)

    @address("/models/compare")
    async def compare(jobs: str = "") -> None:
        back = crumbs(("ModelFactory", "/models"))
        lead = "The same axis, one curve a job."
        async with page(studio, "Compare runs", "/models", lead=lead, crumbs=back):
            await _compare(studio, jobs)

    @address("/models/{digits}")
    async def model(digits: str) -> None:
        back = crumbs(("ModelFactory", "/models"))
        async with page(studio, await _title(studio, digits), "/models", crumbs=back):
            await _card(studio, _parsed(digits))


async def _title(studio: Studio, digits: str) -> str:
    """What a model is called: after its data, and the ends of its hash."""
    title = f"Model {values.short(digits)}"
    with suppress(OpenLedgerError):
        model = await studio.chain.state.read("Models", "models", _parsed(digits))
        datanet = model and await studio.chain.state.read("Datanets", "datanets", model.datanet)
        if datanet:
            return f"{datanet.name} · {values.short(digits)}"
    return title


def job_state(job: Any) -> Markup:
    """How far a job is, as a badge."""
    return values.badge(job.state.name.lower(), JOB_STATES.get(job.state.name, "bad"))


def kind_of(job: Any) -> str:
    """What a job is for, in a word."""
    name = str(job.order.kind.name)
    return KINDS.get(name, name.lower())


def data_of(job: Any) -> Markup:
    """The Datanet versions that a job reads."""
    return join(
        [
            link(f"Datanet #{each.datanet} v{each.version}", f"/datanets/{each.datanet}")
            for each in job.order.sources
        ],
        ", ",
    )


def losses(job: Any) -> str:
    """The held-out loss before and after training."""
    if job.result is None or job.order.parameters is None:
        return "-"
    before = job.result.validation_loss_before_ppb / PPB
    return f"{before:.3f} → {job.result.validation_loss_after_ppb / PPB:.3f}"


def _parsed(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        message = f"{digits[:80]!r} is no model."
        raise FieldInvalid(message, remedy="A model is 64 hexadecimal digits.") from error


async def recent_jobs(studio: Studio) -> list[tuple[int, Any]]:
    """The newest jobs first."""
    count = await studio.chain.state.read("Compute", "next_job") or 0
    numbers = list(range(count - 1, max(-1, count - 1 - JOBS_SHOWN), -1))
    found = await studio.chain.state.read_many("Compute", "jobs", [(each,) for each in numbers])
    return [(number, job) for number, job in zip(numbers, found, strict=True) if job is not None]


async def _models(studio: Studio) -> Markup:
    state = studio.chain.state
    entries = await state.entries("Models", "models", 500)
    jobs = await state.read_many("Compute", "jobs", [(e.value.job,) for e in entries])
    rows = [
        (
            values.digest(entry.key[0].hex(), f"/models/{entry.key[0].hex()}"),
            link(
                f"Datanet #{entry.value.datanet} v{entry.value.version}",
                f"/datanets/{entry.value.datanet}",
            ),
            losses(job) if job else "-",
            studio.account(entry.value.owner.hex()),
            values.badge("public", "ok") if entry.value.public else values.badge("private"),
            link("Ask it", f"/chat?model={entry.key[0].hex()}"),
        )
        for entry, job in zip(entries, jobs, strict=True)
    ]
    heads = columns("Model", "Trained on", "Held-out loss#", "Owner", "Who may ask", "")
    empty = tag("div", tag("strong", "There is no model yet."), "Train the first one.")
    shown = table(heads, rows, caption="Models", empty=empty)
    return card("Models", shown, export=storage_address("Models", "models"))


async def _jobs(studio: Studio) -> Markup:
    rows = [
        (
            link(f"#{number}", f"/jobs/{number}"),
            kind_of(job),
            job_state(job),
            _progress(studio, number, job),
            data_of(job),
            studio.account(job.owner.hex()),
            values.amount(job.fee),
        )
        for number, job in await recent_jobs(studio)
    ]
    heads = columns("Job", "For", "State", "Progress", "Data", "Ordered by", "Fee#")
    empty = tag("div", tag("strong", "No job was ordered yet."), "They appear here as they run.")
    shown = table(heads, rows, caption="Jobs", empty=empty)
    return card("Jobs", shown, export=storage_address("Compute", "jobs"))


def _progress(studio: Studio, number: int, job: Any) -> Markup | str:
    now = studio.curves.now
    if now.get("job") == number and now.get("stage") == "training" and now.get("total"):
        part = 100 * now["done"] / now["total"]
        fill = tag("i", style=f"width:{part:.0f}%")
        return tag("span", fill, class_="bar", title=f"{now['done']} of {now['total']} steps")
    return losses(job)


async def _compare(studio: Studio, jobs: str) -> None:
    finished = {
        number: job
        for number, job in await recent_jobs(studio)
        if job.result and job.order.parameters
    }
    wanted = [int(each) for each in jobs.split(",") if each.isdecimal()] or list(finished)[:2]
    names = {number: f"Job #{number}" for number in finished}

    def choose(chosen: list[int]) -> None:
        ui.navigate.to(f"/models/compare?jobs={','.join(map(str, chosen[:COMPARED_MAX]))}")

    shown = [each for each in wanted if each in finished][:COMPARED_MAX]
    ui.select(
        names,
        value=shown,
        label="Runs",
        multiple=True,
        on_change=lambda event: choose(event.value),
    ).props("outlined dense use-chips").style("min-width: 280px")
    if not shown:
        html(card("Curves", tag("div", "No finished run yet.", class_="empty")))
        return
    both = await asyncio.gather(
        *(curves.complete(studio.contents, finished[each].result.transcript) for each in shown)
    )
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "Training loss"), tag("span", "nats a token", class_="note")))
        series = {f"job {each}": points for each, (points, _ends) in zip(shown, both, strict=True)}
        charts.chart(charts.lines(series, "step", "loss"), "Training loss of each run", 340)
    rows = [_compared(each, finished[each]) for each in shown]
    heads = columns("Job", "Held-out loss#", "Steps#", "Rate#", "Batch#", "Rank#", "Rows of")
    html(card("Side by side", table(heads, rows, caption="Runs")))


def _compared(number: int, job: Any) -> tuple[Any, ...]:
    parameters = job.order.parameters
    return (
        link(f"#{number}", f"/jobs/{number}"),
        losses(job),
        values.number(parameters.steps),
        f"{parameters.learning_rate_ppb / PPB:g}",
        values.number(parameters.batch_rows),
        values.number(parameters.rank),
        data_of(job),
    )


async def _card(studio: Studio, digits: bytes) -> None:
    state = studio.chain.state
    model = await state.read("Models", "models", digits)
    if model is None:
        message = "There is no such model."
        raise ObjectMissing(message, remedy="The ModelFactory page has all of them.")
    job, base, batches = await asyncio.gather(
        state.read("Compute", "jobs", model.job),
        state.read("Models", "base_models", model.base_model),
        attribution.batches_of(state, digits),
    )
    key = studio.wallet.chosen(studio.session())
    is_mine = key is not None and key.account == model.owner.hex()
    with ui.row().classes("q-gutter-sm"):
        ask = f"/chat?model={digits.hex()}"
        ui.button("Ask it", icon="forum", on_click=lambda: ui.navigate.to(ask)).props("unelevated")
        if is_mine and not model.public:
            call = filled_call(studio, "Models.publish", {"model": digits})
            ui.button(
                "Publish it",
                icon="public",
                on_click=lambda: told(lambda: sign(studio, call, lambda _: ui.navigate.reload())),
            ).props("outline")
    answers = sum(each.value.answer_count for each in batches)
    fees = sum(each.value.fees for each in batches)
    html(
        tiles(
            ("Held-out loss", losses(job) if job else "-", "before and after training"),
            ("Answers settled", values.number(answers), None),
            ("Fees", values.amount(fees, 4), "all of them"),
            ("Who may ask", "everybody" if model.public else "its owner", None),
        )
    )
    with ui.element("div").classes("columns"):
        html(_lineage(studio, digits, model, base))
        html(_money(model))
    html(_epochs(studio, digits, batches))


def _lineage(studio: Studio, digits: bytes, model: Any, base: Any) -> Markup:
    data = f"Datanet #{model.datanet}, version {model.version}"
    return card(
        "Where it is from",
        values.facts(
            ("Adapter", values.digest(digits.hex())),
            ("Owner", studio.account(model.owner.hex())),
            ("Base model", base.name if base else values.digest(model.base_model.hex())),
            ("Trained on", link(data, f"/datanets/{model.datanet}")),
            ("By training job", link(f"#{model.job}", f"/jobs/{model.job}")),
            ("Licence", link("that of its data", f"/datanets/{model.datanet}")),
        ),
    )


def _money(model: Any) -> Markup:
    shares = model.shares
    return card(
        "What an answer costs, and who gets it",
        values.facts(
            ("1,000 tokens in", values.amount(model.prices.input_per_1000)),
            ("1,000 tokens out", values.amount(model.prices.output_per_1000)),
            ("Contributors, by influence", values.ppb(shares.contributors_ppb)),
            ("Its owner", values.ppb(shares.owner_ppb)),
            ("The server", values.ppb(shares.worker_ppb)),
            ("Stakers", values.ppb(shares.stakers_ppb)),
        ),
    )


def _epochs(studio: Studio, digits: bytes, batches: list[Entry]) -> Markup:
    newest = sorted(batches, key=lambda entry: (-entry.key[1], -entry.key[2]))[:JOBS_SHOWN]
    rows = [
        (
            link(f"epoch {entry.key[1]}", f"/attribution/{digits.hex()}/{entry.key[1]}"),
            values.number(entry.value.answer_count),
            values.amount(entry.value.fees),
            values.amount(entry.value.contributor_share),
            studio.account(entry.value.server.hex()),
            values.block_link(entry.value.settled_at),
        )
        for entry in newest
    ]
    heads = columns("Epoch", "Answers#", "Fees#", "For contributors#", "Server", "Block#")
    empty = tag("div", tag("strong", "Nobody has asked it yet."), "Be the first: ask it.")
    shown = table(heads, rows, caption="Batches of answers", empty=empty)
    return card("Its answers", shown, export=storage_address("Inference", "batches"))
