"""Two spec versions of a runtime: ours with a ledger, which changes in everything that can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any

import pytest

from runtime import (
    U32,
    Error,
    Event,
    Inherent,
    Map,
    Max,
    Pallet,
    RuntimeCall,
    ShortText,
    Signed,
    Value,
    Weight,
    call,
    inherent,
    migration,
)

WEIGHT = Weight(reads=4, writes=4)


@dataclass(frozen=True, slots=True)
class OldNote:
    """As version 1 stored it."""

    text: ShortText


class Mood(IntEnum):
    """How a note is meant."""

    PLAIN = 0
    GLAD = 1


@dataclass(frozen=True, slots=True)
class Note:
    """As version 2 stores it."""

    mood: Mood
    text: ShortText


def first_ledger() -> type[Pallet]:
    """The pallet as it was."""

    class Ledger(Pallet, index=40):
        """Notes by number."""

        notes = Map[U32, OldNote]()
        held = Value[Annotated[RuntimeCall, Max(256)] | None](None)
        ticks = Value[U32](0)

        class Forgotten(Event):
            """A note is gone."""

            number: U32

        class Noted(Event):
            """There is a new note."""

            number: U32
            note: OldNote

        class Held(Event):
            """A call waits."""

            held: Annotated[RuntimeCall, Max(256)]

        class Missing(Error):
            """There is no such note."""

        @call(0, weight=WEIGHT)
        def note(self, sender: Signed, number: U32, text: ShortText) -> None:
            """Keep a note."""
            self.notes[number] = OldNote(text)
            self.emit(self.Noted(number, OldNote(text)))

        @call(1, weight=WEIGHT)
        def forget(self, sender: Signed, number: U32) -> None:
            """Remove a note."""
            if number not in self.notes:
                raise self.Missing
            del self.notes[number]
            self.emit(self.Forgotten(number))

        @call(2, weight=WEIGHT)
        def hold(self, sender: Signed, held: Annotated[RuntimeCall, Max(256)]) -> None:
            """Keep a call."""
            self.held.put(held)
            self.emit(self.Held(held))

        @call(3, weight=WEIGHT)
        def tick(self, origin: Inherent, count: U32) -> None:
            """Count."""
            self.ticks.put(count)

        @inherent
        def count(self, offered: Mapping[str, bytes]) -> RuntimeCall:
            """Once a block."""
            made: RuntimeCall = type(self).tick.Call(count=self.ticks.get() + 1)
            return made

    return Ledger


def second_ledger() -> type[Pallet]:
    """The pallet as it is: other numbers of calls and events, other fields, other storage."""

    class Ledger(Pallet, index=40, version=2):
        """Notes with a mood by number."""

        notes = Map[U32, Note]()
        moods = Map[U32, Mood]()

        class Noted(Event):
            """There is a new note."""

            number: U32
            author: Annotated[bytes, Max(32)]
            note: Note

        class Forgotten(Event):
            """A note is gone."""

            number: U32

        @call(0, weight=WEIGHT)
        def forget(self, sender: Signed, number: U32) -> None:
            """Remove a note."""
            del self.notes[number]
            self.emit(self.Forgotten(number))

        @call(1, weight=WEIGHT)
        def note(self, sender: Signed, mood: Mood, number: U32, text: ShortText) -> None:
            """Keep a note."""
            self.notes[number] = Note(mood, text)
            self.emit(self.Noted(number, sender, Note(mood, text)))

        @migration(to=2)
        def add_moods(self, cursor: bytes) -> bytes | None:
            """Every old note is plain; what is held, and the count, stay where they are."""
            return self.notes.translate(
                OldNote, lambda old: Note(Mood.PLAIN, old.text), cursor, limit=100
            )

    return Ledger


def newcomer() -> type[Pallet]:
    """A pallet that only version 2 has."""

    class Newcomer(Pallet, index=41):
        """Says hello."""

        class Greeted(Event):
            """Hello."""

            who: ShortText

        @call(0, weight=WEIGHT)
        def greet(self, sender: Signed, who: ShortText) -> None:
            """Say hello."""
            self.emit(self.Greeted(who))

    return Newcomer


def install(monkeypatch: pytest.MonkeyPatch, spec_version: int) -> dict[str, Any]:
    """Make this process an installation of a spec version; returns the pallets beside ours."""
    pallets = (first_ledger(),) if spec_version == 1 else (second_ledger(), newcomer())
    monkeypatch.setattr("genesis.compose.SPEC_VERSION", spec_version)
    for module in ("genesis.chain_spec", "node.client"):
        monkeypatch.setattr(f"{module}.load_pallets", lambda _packages: pallets)
    return {pallet.__name__: pallet for pallet in pallets}
