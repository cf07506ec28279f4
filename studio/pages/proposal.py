"""A new proposal: a parameter's value or any call, tried on a fork and then asked of everybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from markupsafe import Markup
from nicegui import ui

from node.submission import Inclusion
from runtime.calls import RuntimeCall
from runtime.cbor import encode_plain
from runtime.hashing import hash_call
from runtime.types import Track
from studio.chain.parameters import SETTERS, Parameter, parameters_of
from studio.context import Studio
from studio.errors import ObjectMissing
from studio.frame import html, page
from studio.parts import simulation, values
from studio.parts.call_form import CallForm, FilledCall, call_form, definition_of, filled_call
from studio.parts.fields import Fields
from studio.parts.parameters import ParameterForm
from studio.parts.tables import card, columns, crumbs, table
from studio.parts.tags import Child, link, tag
from studio.signing import sign, told
from studio.tabs import address

TRACKS = ("ROOT", "PARAMETERS", "SMALL_SPENDER", "LARGE_SPENDER", "CANCELLER", "KILLER")


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/governance/new")
    async def new(parameter: str = "") -> None:
        back = crumbs(("Governance", "/governance"))
        lead = "Choose what shall change, see what it would do, and sign twice: for it, and to ask."
        async with page(studio, "A new proposal", "/governance", lead=lead, crumbs=back):
            _proposal(studio, parameter)

    @address("/governance/parameters")
    async def parameters() -> None:
        back = crumbs(("Governance", "/governance"))
        lead = "What a referendum can change, and what it is now."
        async with page(studio, "Parameters", "/governance", lead=lead, crumbs=back):
            html(await _parameters(studio))


async def _parameters(studio: Studio) -> Markup:
    """All parameters by pallet, each with its value and a link that proposes another."""
    state, fields = studio.chain.state, Fields(studio)
    by_pallet: dict[str, list[Sequence[Child]]] = {}
    for name, each in parameters_of(state).items():
        stored = each.stored
        value = state.decoder.to_json(await state.read(stored.pallet, stored.name))
        by_pallet.setdefault(stored.pallet, []).append(
            (
                tag("strong", values.words(stored.name.removesuffix("_ppb"))),
                fields.value(stored.name, value, each.kind),
                each.documentation,
                link("Change it", f"/governance/new?parameter={name}"),
            )
        )
    heads = columns("Parameter", "Now", "What it is", "")
    cards = [
        card(pallet, table(heads, rows, caption=f"Parameters of {pallet}"))
        for pallet, rows in by_pallet.items()
    ]
    return tag("div", *cards, class_="stack")


class _Subject:
    """What a proposal is about: another value of a parameter, or any call."""

    def __init__(self, studio: Studio, track: ui.select) -> None:
        self._studio = studio
        self._track = track
        self._held: CallForm | ParameterForm | None = None

    def show(self, parameter: str) -> None:
        """Put the choice on the page, perhaps with a parameter that is chosen already."""
        with ui.tabs().props("align=left") as tabs:
            ui.tab("parameter", "A parameter's value")
            ui.tab("call", "Any other call")
        with ui.tab_panels(tabs, value="parameter"):
            with ui.tab_panel("parameter"):
                self._choice("Parameter", list(self._parameters), self._show_parameter, parameter)
            with ui.tab_panel("call"):
                self._choice("Call", self._calls(), self._show_call)
        tabs.on_value_change(self._forget)

    def read(self) -> FilledCall:
        """The call that is proposed; raises `FieldInvalid`, `ObjectMissing`."""
        return self._chosen().read()

    def words(self) -> list[str]:
        """The proposal as the command line has it; raises as `read`."""
        held = self._chosen()
        words = held.words() if isinstance(held, ParameterForm) else _words(held.read())
        return [*words, "--track", str(self._track.value).lower()]

    @property
    def _parameters(self) -> dict[str, Parameter]:
        return parameters_of(self._studio.chain.state)

    def _calls(self) -> list[str]:
        return sorted(set(self._studio.chain.state.decoder.call_definitions) - SETTERS)

    def _choice(
        self,
        label: str,
        names: list[str],
        show: Callable[[str], Awaitable[None]],
        chosen: str = "",
    ) -> None:
        """A field that completes names, and below it the form of what is chosen."""
        chooser = ui.select(names, label=label, with_input=True).props("outlined dense")
        chooser.style("max-width: 420px")
        inside = ui.element("div").classes("q-pt-md")

        async def choose() -> None:
            inside.clear()
            if chooser.value:
                with inside:
                    await show(str(chooser.value))

        chooser.on_value_change(choose)
        if chosen in names:
            chooser.value = chosen

    async def _show_parameter(self, name: str) -> None:
        parameter = self._parameters[name]
        form = ParameterForm(self._studio, name, parameter)
        await form.show()
        self._held, self._track.value = form, parameter.track

    async def _show_call(self, name: str) -> None:
        definition = definition_of(self._studio, name)
        self._held = call_form(self._studio, definition)
        if isinstance(definition.origin, Track):
            self._track.value = definition.origin.name.upper()

    def _chosen(self) -> CallForm | ParameterForm:
        if self._held is None:
            raise ObjectMissing("Nothing is chosen.", remedy="Choose what shall happen.")
        return self._held

    def _forget(self) -> None:
        self._held = None


def _proposal(studio: Studio, parameter: str) -> None:
    """What shall happen, the track, and two signatures."""
    what = ui.element("section").classes("card")
    with ui.element("section").classes("card"):
        html(tag("header", tag("h2", "2. How it is decided")))
        with ui.element("div").classes("form"):
            tracks = {each: each.lower().replace("_", " ") for each in TRACKS}
            track = ui.select(tracks, value=TRACKS[1], label="Track")
            delay = ui.number("Blocks from the approval to the call", value=10, min=1, precision=0)
        for each in (track, delay):
            each.props("outlined dense")
    subject = _Subject(studio, track)
    shown = ui.element("div").classes("full-width")
    with what:
        html(tag("header", tag("h2", "1. What shall happen")))
        subject.show(parameter)

    async def propose() -> None:
        await _propose(studio, subject.read().call, str(track.value), int(delay.value or 1))

    with ui.row().classes("q-gutter-sm"):
        ui.button("Preview and sign", icon="campaign", on_click=lambda: told(propose)).props(
            "unelevated"
        )
        simulation.try_out(studio, subject.words, shown)


async def _propose(studio: Studio, call: RuntimeCall, track: str, delay_blocks: int) -> None:
    """Two signatures: one brings the call to the chain, one asks."""
    call_hash = hash_call(encode_plain(call.to_plain()))
    asked = {"track": track, "call_hash": call_hash, "enactment_blocks": delay_blocks}
    ask = filled_call(studio, "Governance.submit", asked)

    async def noted(_inclusion: Inclusion) -> None:
        await sign(studio, ask, lambda _done: ui.navigate.to("/governance"))

    if await studio.chain.state.read("Preimage", "calls", call_hash):
        await sign(studio, ask, lambda _done: ui.navigate.to("/governance"))
        return
    await sign(studio, _note_call(studio, call), noted)


def _words(filled: FilledCall) -> list[str]:
    """A call as the command line has it; raises `ObjectMissing` for one that holds calls."""
    words = [filled.definition.pallet, filled.definition.name]
    for name, word in filled.words.items():
        if word is None:
            message = "The command line cannot write calls inside calls."
            raise ObjectMissing(message, remedy="Propose it, and try the referendum.")
        words += [f"--{name}", word]
    return words


def _note_call(studio: Studio, call: RuntimeCall) -> FilledCall:
    """The call that puts another one on the chain, for a referendum to name."""
    definition = definition_of(studio, "Preimage.note")
    return FilledCall(definition, definition.arguments.record(call=call), {"call": None})
