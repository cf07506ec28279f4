"""The wallet: this machine's keys, made, imported, unlocked and locked; and sending OPEN."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from markupsafe import Markup
from nicegui import ui

from studio.chain import staking
from studio.context import Studio
from studio.frame import html, notice, page
from studio.live import live
from studio.parts import values
from studio.parts.call_form import call_form, definition_of
from studio.parts.tables import card, columns, table
from studio.parts.tags import tag
from studio.signing import sign, told
from studio.tabs import address
from studio.wallet import WalletKey

LEAD = (
    "Keys are encrypted files on this machine. What is unlocked here is so for this browser, and"
    " for 15 minutes after its last use."
)


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/wallet")
    async def wallet() -> None:
        async with page(studio, "Wallet", "/wallet", lead=LEAD):
            _actions(studio)
            await live(studio, lambda: _keys(studio))
            with ui.element("section").classes("card"):
                html(tag("header", tag("h2", "Send OPEN")))
                form = call_form(studio, definition_of(studio, "Balances.transfer"))

                async def preview() -> None:
                    await told(lambda: sign(studio, form.read()))

                ui.button("Preview and sign", icon="visibility", on_click=preview).props(
                    "unelevated"
                ).classes("q-mt-sm")


def _actions(studio: Studio) -> None:
    session = studio.session()
    keys = studio.wallet.keys(session)
    chosen = studio.wallet.chosen(session)

    def choose(name: str) -> None:
        studio.wallet.choose(session, name)
        ui.notify(f"Acting as {name} from now on.")

    def lock() -> None:
        studio.wallet.lock(session)
        ui.notify("All keys are locked.")

    with ui.row().classes("items-center q-gutter-sm"):
        if chosen is not None:
            ui.select(
                [each.name for each in keys],
                value=chosen.name,
                label="Act as",
                on_change=lambda event: choose(event.value),
            ).props("outlined dense").style("width: 220px")
        ui.button("New key", icon="add", on_click=lambda: _new(studio)).props("unelevated")
        ui.button("Import words", icon="input", on_click=lambda: _import(studio)).props("outline")
        ui.button("Lock all", icon="lock", on_click=lock).props("outline")


async def _keys(studio: Studio) -> Markup:
    keys = studio.wallet.keys(studio.session())
    accounts = [[bytes.fromhex(each.account)] for each in keys]
    balances, bonded = await asyncio.gather(
        studio.chain.state.read_many("Balances", "accounts", accounts),
        staking.staked(studio.chain.state, [each[0] for each in accounts]),
    )
    rows = [
        (
            studio.account(key.account),
            tag("span", key.name, class_="mono"),
            _state(key),
            values.amount(balance.free),
            values.amount(balance.held),
            values.amount(staked),
        )
        for key, balance, staked in zip(keys, balances, bonded, strict=True)
    ]
    heads = columns("Account", "Key", "State", "Free#", "Held#", "Staked#")
    empty = tag("div", tag("strong", "No key yet."), "Make one: it takes a name and a password.")
    return card("Accounts", table(heads, rows, caption="Keys of this machine", empty=empty))


def _state(key: WalletKey) -> Markup:
    if key.is_development:
        return values.badge("development", "info")
    return values.badge("unlocked", "ok") if key.is_unlocked else values.badge("locked")


def _new(studio: Studio) -> None:
    with ui.dialog() as dialog, ui.card().classes("dialog").props("flat"):
        html(tag("h2", "A new key"))
        name, first, second = _name_and_passwords()

        async def make() -> None:
            if first.value != second.value:
                ui.notify("The two passwords differ.", type="negative")
                return
            words = await asyncio.to_thread(studio.wallet.create, name.value, first.value)
            studio.names.load(studio.chain.name, studio.chain.state.pallets)
            dialog.clear()
            with dialog, ui.card().classes("dialog").props("flat"):
                _show_words(words, dialog)

        _buttons(dialog, "Make it", make)
    dialog.open()


def _show_words(words: str, dialog: ui.dialog) -> None:
    html(tag("h2", "Write down these 24 words"))
    text = "Whoever has them has the account; they are shown once, and are the only backup."
    html(notice(text, None, "wait"))
    html(tag("pre", words, class_="code", tabindex="0"))
    with ui.row().classes("justify-end full-width"):
        ui.button("I have written them down", on_click=dialog.close).props("unelevated")


def _import(studio: Studio) -> None:
    with ui.dialog() as dialog, ui.card().classes("dialog").props("flat"):
        html(tag("h2", "Import a key by its words"))
        words = ui.textarea("24 words").props("outlined dense autogrow").classes("full-width")
        name, first, second = _name_and_passwords()

        async def take() -> None:
            if first.value != second.value:
                ui.notify("The two passwords differ.", type="negative")
                return
            await asyncio.to_thread(
                studio.wallet.take_words, name.value, first.value, words.value or ""
            )
            studio.names.load(studio.chain.name, studio.chain.state.pallets)
            dialog.close()
            ui.notify("The key is in the keystore.", type="positive")

        _buttons(dialog, "Import it", take)
    dialog.open()


def _name_and_passwords() -> tuple[ui.input, ui.input, ui.input]:
    name = ui.input("Name", placeholder="a-z, 0-9, dot, dash, underscore")
    first = ui.input("Password", password=True, password_toggle_button=True)
    second = ui.input("The password again", password=True)
    for each in (name, first, second):
        each.props("outlined dense").classes("full-width")
    return name, first, second


def _buttons(dialog: ui.dialog, text: str, act: Callable[[], Awaitable[None]]) -> None:
    with ui.row().classes("justify-end q-gutter-sm full-width"):
        ui.button("Cancel", on_click=dialog.close).props("flat")
        ui.button(text, on_click=lambda: told(act)).props("unelevated")
