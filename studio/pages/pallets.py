"""Every pallet out of the metadata: its calls as forms, its storage, events and errors.

A pallet that somebody wrote yesterday appears here without an edit.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from nicegui import ui

from node.history.decoder import StoredItem
from runtime.errors import OpenLedgerError
from studio.context import Studio
from studio.errors import FieldInvalid, ObjectMissing
from studio.exports import storage_address
from studio.frame import html, notice, page
from studio.parts import values
from studio.parts.call_form import CallForm, call_form, definition_of
from studio.parts.fields import Fields
from studio.parts.tables import PAGE_ROWS, card, columns, crumbs, table
from studio.parts.tags import link, tag
from studio.signing import sign
from studio.tabs import address

SENTENCE_CHARACTERS_MAX = 160


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/pallets")
    async def pallets() -> None:
        lead = "What this chain is made of. Each has calls to sign and storage to read."
        async with page(studio, "Pallets", "/pallets", lead=lead):
            html(_list(studio))

    @address("/pallets/{name}")
    async def pallet(name: str, call: str = "") -> None:
        back = crumbs(("Pallets", "/pallets"))
        async with page(studio, name, "/pallets", crumbs=back):
            described = _described(studio, name)
            html(tag("p", described["documentation"].split("\n\n")[0], class_="muted"))
            for each in described["calls"]:
                _call(studio, f"{name}.{each['name']}", each, is_open=each["name"] == call)
            if described["storage"]:
                html(_storage(name, described["storage"]))
            html(_events(described))

    @address("/pallets/{name}/{item}")
    async def item(name: str, item: str, after: str = "") -> None:
        back = crumbs(("Pallets", "/pallets"), (name, f"/pallets/{name}"))
        async with page(studio, f"{name}.{item}", "/pallets", crumbs=back):
            stored = studio.chain.state.decoder.item(name, item)
            html(await _values(studio, stored, after))


def _described(studio: Studio, name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = studio.chain.state.pallets.get(name)
    if found is None:
        message = f"The chain has no pallet {name[:80]!r}."
        raise ObjectMissing(message, remedy="The Pallets page has all of them.")
    return found


def _list(studio: Studio) -> Markup:
    rows = [
        (
            link(name, f"/pallets/{name}"),
            each["documentation"].split("\n\n")[0][:SENTENCE_CHARACTERS_MAX],
            values.number(len(each["calls"])),
            values.number(len(each["storage"])),
            values.number(len(each["events"])),
        )
        for name, each in studio.chain.state.pallets.items()
    ]
    heads = columns("Pallet", "What it is for", "Calls#", "Storage#", "Events#")
    return card("In the order of the runtime", table(heads, rows, caption="Pallets"))


def _call(studio: Studio, name: str, described: dict[str, Any], *, is_open: bool) -> None:
    sentence = described["documentation"].split("\n\n")[0].replace("\n", " ")
    held: list[CallForm] = []
    with (
        ui.expansion(value=is_open)
        .classes("card expander")
        .props(f'id="{described["name"]}"') as expansion
    ):
        with expansion.add_slot("header"):
            title = tag("div", tag("strong", described["name"], class_="mono"))
            # The space parts them for a screen reader, too.
            html(tag("div", title, " ", tag("div", sentence, class_="muted small")))
        expansion.props["toggle-aria-label"] = f"{described['name']} {sentence}"
        inside = ui.element("div").classes("stack")

    def show() -> None:
        # Made when it is opened: a pallet may have dozens of calls with dozens of fields.
        if held or not expansion.value:
            return
        with inside:
            if described["origin"] != "signed":
                text = f"This is for the origin “{described['origin']}”."
                html(notice(text, "Propose it on the page Governance.", "wait"))
            held.append(call_form(studio, definition_of(studio, name)))
            ui.button("Preview and sign", icon="visibility", on_click=preview).props("unelevated")

    async def preview() -> None:
        try:
            await sign(studio, held[0].read())
        except OpenLedgerError as error:
            ui.notify(str(error), type="negative", multi_line=True)

    expansion.on_value_change(show)
    show()


def _storage(name: str, items: list[dict[str, Any]]) -> Markup:
    rows = [
        (
            link(each["name"], f"/pallets/{name}/{each['name']}"),
            tag("span", each.get("key", "one value"), class_="mono small"),
            tag("span", each["type"][:SENTENCE_CHARACTERS_MAX], class_="mono small"),
        )
        for each in items
    ]
    return card("Storage", table(columns("Item", "Key", "Type"), rows, caption="Storage"))


def _events(described: dict[str, Any]) -> Markup:
    rows = [
        (tag("span", each["name"], class_="mono"), each["documentation"].split("\n\n")[0])
        for each in described["events"]
    ]
    errors = [
        (tag("span", each["name"], class_="mono"), each["documentation"], each["remedy"])
        for each in described["errors"]
    ]
    return tag(
        "div",
        card("Events", table(columns("Event", "When"), rows, caption="Events")) if rows else None,
        card("Errors", table(columns("Error", "When", "Remedy"), errors, caption="Errors"))
        if errors
        else None,
        class_="stack",
    )


async def _values(studio: Studio, stored: StoredItem, after: str) -> Markup:
    state, fields = studio.chain.state, Fields(studio)
    kind = stored.codec.describe()
    note = tag("span", kind[:SENTENCE_CHARACTERS_MAX], class_="mono")
    if stored.key_codec is None:
        value = state.decoder.to_json(await state.read(stored.pallet, stored.name))
        shown = fields.value(stored.name, value, kind)
        return card("Its value", tag("div", shown), note=note)
    entries = await state.page(stored.pallet, stored.name, PAGE_ROWS, _key(after))
    rows = [
        (
            fields.value("key", state.decoder.to_json(_single(entry.key))),
            fields.value(stored.name, state.decoder.to_json(entry.value), kind),
        )
        for entry in entries
    ]
    here = f"/pallets/{stored.pallet}/{stored.name}"
    first = link("First", here) if after else None
    last = entries[-1].storage_key.hex() if entries else ""
    following = link("Next", f"{here}?after={last}") if len(entries) == PAGE_ROWS else None
    return card(
        "Its entries, in the order of their keys",
        table(columns("Key", "Value"), rows, caption="Entries"),
        tag(
            "nav",
            first,
            tag("span", class_="grow"),
            following,
            class_="pager",
            aria_label="Pages",
        ),
        note=note,
        export=storage_address(stored.pallet, stored.name),
    )


def _single(key: tuple[Any, ...]) -> Any:
    return key[0] if len(key) == 1 else key


def _key(after: str) -> bytes | None:
    try:
        return bytes.fromhex(after) or None
    except ValueError as error:
        raise FieldInvalid(
            "This is no storage key.", remedy="Go back to the first page."
        ) from error
