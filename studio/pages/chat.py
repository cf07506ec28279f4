"""Chat: ask a model that one may use; the answer streams, and beside it stands where it is from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape
from nicegui import ui

from runtime.errors import OpenLedgerError
from studio.answers import Answer
from studio.context import Studio
from studio.errors import ServerRefused
from studio.frame import html, notice, page
from studio.parts import sources, values
from studio.parts.call_form import filled_call
from studio.parts.tags import link, tag
from studio.serving import Ended, Sampling
from studio.signing import sign, told
from studio.tabs import address, every
from studio.wallet import WalletKey

SHOWN_MAX = 20
DEPOSIT = 10 * values.UNITS_PER_OPEN
QUESTION_CHARACTERS_MAX = 4_000
SUGGESTIONS = 3


@dataclass(slots=True)
class _Choices:
    """The controls beside the conversation."""

    model: ui.select
    tokens: ui.number
    temperature: ui.number
    top_p: ui.number
    disclose: ui.switch

    def sampling(self) -> Sampling:
        """How the next answer is drawn."""
        return Sampling(
            max_tokens=int(self.tokens.value or 64),
            temperature=float(self.temperature.value or 0),
            top_p=float(self.top_p.value or 1),
            disclose=bool(self.disclose.value),
        )


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/chat")
    async def chat(model: str = "", ask: str = "") -> None:
        lead = "Each answer says where it is from, what it cost, and who is paid for it."
        async with page(studio, "Chat", "/chat", lead=lead):
            key = studio.wallet.chosen(studio.session())
            if key is None:
                text = tag("span", "Make one on the page ", link("Wallet", "/wallet"), ".")
                html(notice("You need a key to pay for answers.", text))
                return
            models = await _models(studio, key)
            if not models:
                text = tag("span", "Train one in the ", link("ModelFactory", "/models"), ".")
                html(notice("There is no model that you may ask yet.", text))
                return
            await _ready(studio, key)
            await _conversation(studio, key, models, model, is_asking=bool(ask))


async def _models(studio: Studio, key: WalletKey) -> dict[str, str]:
    """Models that the account may use, by their hash: what they are called."""
    found = {}
    for entry in await studio.chain.state.entries("Models", "models", 500):
        model = entry.value
        if model.public or model.owner.hex() == key.account:
            datanet = await studio.chain.state.read("Datanets", "datanets", model.datanet)
            name = datanet.name if datanet else f"Datanet {model.datanet}"
            digits = entry.key[0].hex()
            found[digits] = f"{name} · {values.short(digits)}"
    return found


async def _ready(studio: Studio, key: WalletKey) -> None:
    """Say what is missing before the account can ask: an API key, escrow, the server's leave."""
    if not studio.server.url:
        raise ServerRefused("Studio knows no server.", remedy="Start it with --server URL.")
    account = bytes.fromhex(key.account)
    server = bytes.fromhex(await studio.server.account())
    left = await studio.chain.state.read("Inference", "authorizations", account, server)
    if not left.remaining:
        await _escrow(studio, server)
    if not studio.server.has_key(key.account):
        with ui.row().classes("items-center"):
            field = ui.input("API key of the server", password=True).props("outlined dense")

            def use() -> None:
                studio.server.take_key(key.account, field.value or "")
                ui.navigate.reload()

            ui.button("Use it", on_click=use).props("outline")


async def _escrow(studio: Studio, server: bytes) -> None:
    """Two signatures: put OPEN aside, and let this server charge it."""
    text = Markup("Put {} aside for answers of this server; what is left comes back.").format(
        values.amount(DEPOSIT)
    )
    html(notice("Answers are paid from an escrow.", text, "wait"))

    async def deposit() -> None:
        call = filled_call(studio, "Inference.deposit", {"amount": DEPOSIT})
        await sign(studio, call, lambda _done: authorize())

    async def authorize() -> None:
        allowed = {"server": server, "limit": DEPOSIT}
        call = filled_call(studio, "Inference.authorize", allowed)
        await sign(studio, call, lambda _done: ui.navigate.reload())

    ui.button("Put it aside", icon="savings", on_click=lambda: told(deposit)).props("unelevated")


async def _conversation(
    studio: Studio, key: WalletKey, models: dict[str, str], wanted: str, *, is_asking: bool
) -> None:
    with ui.element("div").classes("chat"):
        talk = ui.element("section").classes("talk").props('aria-label="Conversation"')
        with ui.element("aside").classes("card"):
            choices = _controls(models, wanted if wanted in models else next(iter(models)))
    with talk:
        thread = ui.element("div").classes("stack thread").props("aria-live=polite")
        with thread:
            for each in studio.answers.of(key.account)[-SHOWN_MAX:]:
                await _answered(studio, each)
            suggestions = ui.row().classes("q-gutter-sm")
        field = (
            ui.textarea(placeholder="Ask something that is in the data")
            .props(f"outlined autogrow dense maxlength={QUESTION_CHARACTERS_MAX}")
            .props('aria-label="Your question"')
            .classes("ask")
        )
        with field.add_slot("append"):
            button = ui.button(icon="send").props('round flat dense aria-label="Ask"')

    async def ask(question: str) -> None:
        if not question.strip():
            return
        field.value = ""
        suggestions.clear()
        button.disable()
        try:
            with thread:
                await _ask(studio, key, question.strip(), choices)
        finally:
            button.enable()

    button.on_click(lambda: told(lambda: ask(field.value or "")))
    field.on(
        "keydown.enter",
        lambda: told(lambda: ask(field.value or "")),
        js_handler="(e) => { if (!e.shiftKey) { e.preventDefault(); emit(); } }",
    )
    suggested = await _suggest(studio, choices, suggestions, ask)
    if is_asking and suggested and not studio.answers.of(key.account):
        # The third of the first steps: the answer is on its way when the page is there.
        ui.timer(0.1, lambda: told(lambda: ask(suggested[0])), once=True)


def _controls(models: dict[str, str], model: str) -> _Choices:
    html(tag("header", tag("h2", "How it answers")))
    with ui.element("div").classes("stack"):
        chosen = ui.select(models, value=model, label="Model").props("outlined dense")
        tokens = ui.number("Longest answer, in tokens", value=64, min=8, max=2_048, precision=0)
        temperature = ui.number("Temperature", value=0, min=0, max=1.5, step=0.05)
        top_p = ui.number("Top-p", value=1, min=0.01, max=1, step=0.05)
        for each in (tokens, temperature, top_p):
            each.props("outlined dense")
        disclose = ui.switch("Let workers read it, so that it is attributed by itself", value=True)
    return _Choices(chosen, tokens, temperature, top_p, disclose)


async def _suggest(studio: Studio, choices: _Choices, row: ui.row, ask: Any) -> list[str]:
    """Questions that the model's data answer, for who does not know what to ask."""
    state = studio.chain.state
    model = await state.read("Models", "models", bytes.fromhex(choices.model.value))
    version = await state.read("Datanets", "versions", model.datanet, model.version)
    try:
        library = await studio.library(model.datanet, version)
    except OpenLedgerError:
        return []
    step = max(1, len(library.rows) // (SUGGESTIONS + 1))
    questions = [each.row.prompt[:160] for each in library.rows[step::step][:SUGGESTIONS]]
    with row:
        for question in questions:
            ui.button(
                question, on_click=lambda question=question: told(lambda: ask(question))
            ).props("outline no-caps").classes("suggestion")
    return questions


async def _ask(studio: Studio, key: WalletKey, question: str, choices: _Choices) -> None:
    html(tag("div", question, class_="question"))
    shown = html(tag("div", tag("span", class_="caret"), class_="answer"))
    text = ""
    ended: Ended | None = None
    model = str(choices.model.value)
    async for piece in studio.server.ask(key.account, model, question, choices.sampling()):
        if isinstance(piece, Ended):
            ended = piece
        else:
            text += piece
            caret = tag("span", class_="caret")
            shown.content = str(tag("div", escape(text), caret, class_="answer"))
    shown.delete()
    if ended is None:
        raise ServerRefused("The answer broke off.", remedy="Ask again; it was not charged.")
    answer = Answer(question, text, ended.receipt.hex(), int(time.time() * 1_000))
    studio.answers.add(answer)
    await _sourced(studio, answer, is_open=True)


async def _answered(studio: Studio, answer: Answer) -> None:
    html(tag("div", answer.question, class_="question"))
    await _sourced(studio, answer, is_open=False)


async def _sourced(studio: Studio, answer: Answer, *, is_open: bool) -> None:
    """An answer with everything beside it; what is slow is made when it is opened."""
    library = await sources.library_of(studio, answer.signed)
    spans = library.spans(answer.text) if library else []
    said = sources.marked(answer.text or "(an empty answer)", spans)
    html(tag("div", said, class_="answer"))
    price = values.amount_text(answer.signed.fee)
    title = f"Sources · {price} OPEN"
    with ui.expansion(title, value=is_open, icon="account_tree").classes("full-width sources-box"):
        filled = ui.element("div").classes("stack")

    async def fill() -> None:
        with filled:
            if library:
                html(sources.citations(studio, library, answer.question, spans))
            await _moved(studio, answer)
            html(sources.price(studio, answer.signed))
            sources.verification(studio, answer)

    if is_open:
        await fill()
    else:
        box = filled.parent_slot.parent if filled.parent_slot else None
        if isinstance(box, ui.expansion):
            box.on_value_change(
                lambda event: told(fill) if event.value and not list(filled) else None
            )


async def _moved(studio: Studio, answer: Answer) -> None:
    """What moved an answer, looked at until it is measured."""
    shown, is_measured = await sources.influence(studio, answer)
    moved = html(shown)
    if is_measured:
        return

    async def look() -> None:
        found, is_measured = await sources.influence(studio, answer)
        moved.content = str(found)
        if is_measured:
            timer.deactivate()

    timer = every(sources.POLL_S, lambda: told(look))
