"""The dialog before every signature: who signs what, its fee, what changes, and its command.

Nothing is signed before all of that was on the screen; the dry run is the node's, on the head.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from markupsafe import Markup
from nicegui import ui

from node.submission import Inclusion, Rehearsal
from runtime.errors import OpenLedgerError
from studio.context import Studio
from studio.errors import WalletLocked
from studio.frame import html, notice
from studio.parts import values
from studio.parts.call_form import FilledCall, command_of
from studio.parts.fields import Fields
from studio.parts.tables import columns, table
from studio.parts.tags import link, tag
from studio.wallet import WalletKey

CHANGES_SHOWN_MAX = 40
Done = Callable[[Inclusion], Awaitable[None] | None]


async def told(act: Callable[[], Awaitable[None]]) -> None:
    """Do something; what is wrong with it is told in the page."""
    try:
        await act()
    except OpenLedgerError as error:
        ui.notify(str(error), type="negative", multi_line=True)


async def sign(studio: Studio, filled: FilledCall, done: Done | None = None) -> None:
    """Show the dialog for a call; `done` hears of the block that it entered."""
    session = studio.session()
    key = studio.wallet.chosen(session)
    # On the page itself, and not inside the dialog that asked for it, which may close.
    client = ui.context.client
    with client, ui.dialog() as dialog, ui.card().classes("dialog").props("flat"):
        html(tag("h2", f"Sign {filled.definition}"))
        if key is None:
            text = "There is no key on this machine yet."
            html(notice(text, tag("span", "Make one on the page ", link("Wallet", "/wallet"), ".")))
        else:
            body = ui.element("div").classes("stack")
            await _fill(studio, filled, key, body, dialog, done)
    # Not before it has faded out: its backdrop would stay.
    dialog.on("hide", dialog.delete)
    dialog.open()


async def _fill(
    studio: Studio,
    filled: FilledCall,
    key: WalletKey,
    body: ui.element,
    dialog: ui.dialog,
    done: Done | None,
) -> None:
    body.clear()
    with body:
        _signer(studio, filled, key, body, dialog, done)
        rehearsal = await _rehearse(studio, filled, key)
        password = None
        if not key.is_unlocked:
            password = ui.input(f"Password of {key.name}", password=True).props("outlined dense")
    client = ui.context.client

    async def send() -> None:
        button.props("loading")
        try:
            inclusion = await _send(studio, filled, key, password)
        except OpenLedgerError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return
        finally:
            button.props(remove="loading")
        dialog.close()
        # The dialog and this handler's place in it are gone now; the page is still there.
        with client:
            ui.notify(f"In block {inclusion.height:,}.", type="positive")
            if done is not None and (waiting := done(inclusion)) is not None:
                await waiting

    with body, ui.row().classes("justify-end q-gutter-sm full-width"):
        ui.button("Cancel", on_click=dialog.close).props("flat")
        button = ui.button("Sign and send", icon="draw", on_click=send).props("unelevated")
        button.set_enabled(rehearsal is not None)


def _signer(
    studio: Studio,
    filled: FilledCall,
    key: WalletKey,
    body: ui.element,
    dialog: ui.dialog,
    done: Done | None,
) -> None:
    session = studio.session()
    keys = {each.name: each for each in studio.wallet.keys(session)}

    async def choose(name: str) -> None:
        studio.wallet.choose(session, name)
        await _fill(studio, filled, keys[name], body, dialog, done)

    ui.select(
        list(keys), value=key.name, label="Signed by", on_change=lambda event: choose(event.value)
    ).props("outlined dense").classes("full-width")
    fields = Fields(studio)
    shown = studio.chain.state.decoder.to_json(filled.call)["arguments"]
    html(fields.arguments(str(filled.definition), shown))


async def _rehearse(studio: Studio, filled: FilledCall, key: WalletKey) -> Rehearsal | None:
    try:
        rehearsal = await studio.sender.rehearse(filled.call, bytes.fromhex(key.account))
    except OpenLedgerError as error:
        html(notice(error.message, error.remedy, "bad"))
        return None
    html(_outcome(studio, rehearsal))
    command = command_of(studio, filled, key.name)
    with ui.expansion("Bytes and command").classes("full-width"):
        plain = studio.chain.state.decoder.calls.encode(filled.call).hex()
        html(tag("pre", plain, class_="code", tabindex="0"))
        if command:
            html(tag("pre", command, class_="code q-mt-sm", tabindex="0"))
            html(values.copy_button(command))
    return rehearsal


async def _send(
    studio: Studio, filled: FilledCall, key: WalletKey, password: ui.input | None
) -> Inclusion:
    session = studio.session()
    if password is not None:
        await studio.unlock(session, key.name, password.value or "")
    try:
        keypair = studio.wallet.keypair(session, key.name)
    except WalletLocked as error:
        raise WalletLocked(error.message, remedy="Give its password above.") from error
    return (await studio.sender.submit([filled.call], keypair))[0]


def _outcome(studio: Studio, rehearsal: Rehearsal) -> Markup:
    """What the dry run found: whether it succeeds, the fee, and what differs afterwards."""
    if not rehearsal.ok:
        said = notice(f"It would fail: {rehearsal.error}", rehearsal.remedy, "bad")
    else:
        said = notice("It would succeed.", "The node tried it on the newest block.", "ok")
    state = studio.chain.state
    rows = []
    for key, (before, after) in list(rehearsal.storage.items())[:CHANGES_SHOWN_MAX]:
        item, place = state.describe(key)
        rows.append((_where(studio, item, place), *_difference(studio, key, before, after)))
    heads = columns("Storage", "Before", "After")
    changes = table(heads, rows, caption="What changes", empty="It changes nothing.")
    fee = values.facts(("Fee", values.amount(rehearsal.fee, 9)))
    return tag(
        "div", said, fee, tag("h3", "What changes, its fee included"), changes, class_="stack"
    )


def _where(studio: Studio, item: str, place: object) -> Markup:
    if place is None:
        return tag("span", item, class_="call")
    shown = Fields(studio).value("key", place)
    return tag("div", tag("span", item, class_="call"), tag("div", shown, class_="small"))


def _difference(
    studio: Studio, key: bytes, before: bytes | None, after: bytes | None
) -> tuple[Markup, Markup]:
    """Two values; of records only the fields that differ."""
    state, fields = studio.chain.state, Fields(studio)
    old, new = state.decode(key, before), state.decode(key, after)
    kind = state.type_of(key)
    if isinstance(old, dict) and isinstance(new, dict):
        differs = [name for name in new if old.get(name) != new[name]]
        old, new = {name: old.get(name) for name in differs}, {name: new[name] for name in differs}
    return tuple(tag("div", fields.value("value", each, kind)) for each in (old, new))  # type: ignore[return-value] # two values in, two out
