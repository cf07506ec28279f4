"""The state at older heights: from memory for recent ones, from undo logs for all that are kept.

Path copying shares between versions what did not change, so a recent tree costs its changed paths.
The undo log of height h says what the keys changed by block h held before: applied to the state
of h it gives the state of h - 1.  An older tree is rebuilt from the nearest younger one that is
known, in ONE update over all logs between, where the oldest log that names a key decides.

A value at a recent height is what the first younger block replaced, or else the head's.

Prior art: undo logs of databases (Mohan et al. 1992, "ARIES"); persistent trees by path copying
(Driscoll et al. 1989).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from runtime.errors import StoreError
from runtime.hashing import hash_state_key, hash_state_value
from runtime.state.proof import prove_entry
from runtime.state.tables import UNDO, VALUE, Replaced, at_height, decode_undo
from runtime.state.tree import Tree
from runtime.wire.receipts import StateEntry

RECENT_HEIGHTS_MAX = 256
"""How many heights, the head included, are kept in memory."""
RECENT_CHANGES_MAX = 100_000
"""How many changed keys they may have together: about 150 MB at a million keys."""
REBUILT_MAX = 4
"""How many older versions that somebody asked for are kept in memory."""


class UnknownHeight(StoreError):
    """A height whose state is not kept."""


class Pruned(StoreError):
    """A height whose block or events are not kept any more."""


class Reading(Protocol):
    """A database, or its snapshot."""

    def get(self, key: bytes, /) -> bytes | None:
        """The record of a key."""


@dataclass(frozen=True, slots=True)
class Version:
    """The state at one recent height."""

    height: int
    tree: Tree
    replaced: Replaced
    """What its block replaced; empty for the height that the store was opened at."""


@dataclass(frozen=True, slots=True)
class StateAt:
    """The state at one height: its tree and its values."""

    height: int
    tree: Tree
    get: Callable[[bytes], bytes | None]

    def prove(self, key: bytes) -> StateEntry:
        """Return the proof of a key's value, or of its absence, at this height."""
        return prove_entry(self.tree, key, self.get(key))


@dataclass(frozen=True, slots=True)
class View:
    """The state as of one head with its past; it never changes, whatever is committed later."""

    database: Reading
    """A snapshot at the head."""
    state_from: int
    """The first height that can be read."""
    recent: tuple[Version, ...] = ()
    """Consecutive heights up to the head; empty before genesis."""

    def extended(self, version: Version, database: Reading, state_from: int) -> View:
        """The view after one more block; forgets what exceeds the limits."""
        recent = (*self.recent, version)[-RECENT_HEIGHTS_MAX:]
        changes = sum(len(each.replaced) for each in recent)
        while changes > RECENT_CHANGES_MAX and len(recent) > 1:
            changes -= len(recent[0].replaced)
            recent = recent[1:]
        return View(database, state_from, recent)

    def value(self, key: bytes, height: int) -> bytes | None:
        """The value at a recent height."""
        for version in self.recent[height - self.recent[0].height + 1 :]:
            if key in version.replaced:
                return version.replaced[key]
        return self.database.get(VALUE + key)

    def undo(self, height: int) -> Replaced:
        """The undo log of a height; raises `StoreError` when it is gone."""
        data = self.database.get(at_height(UNDO, height))
        if data is None:
            raise StoreError(
                f"The undo log of height {height} is missing.",
                remedy="Check the directory with `openledger db verify`.",
            )
        return decode_undo(data)

    def check(self, height: int) -> None:
        """Raise `UnknownHeight` unless the state of `height` is kept."""
        if not self.recent:
            raise UnknownHeight(
                "There is no state before genesis.", remedy="Commit block 0, then ask again."
            )
        head = self.recent[-1].height
        first = min(self.state_from, self.recent[0].height)
        if not first <= height <= head:
            raise UnknownHeight(
                f"The state of height {height} is not kept.",
                remedy=f"Ask for a height from {first} to {head}.",
            )


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """An older version."""

    height: int
    tree: Tree
    values: Mapping[bytes, bytes | None]
    """Of the keys that changed between it and `base`."""
    base: int
    """The height, recent when this was rebuilt, that has all other values."""


class OldVersions:
    """The versions rebuilt last.  Not thread-safe: rebuilding takes long, so one at a time."""

    def __init__(self) -> None:
        self._rebuilt: dict[int, _Rebuilt] = {}

    def at(self, view: View, height: int) -> StateAt:
        """The state of a kept height; raises `UnknownHeight`.

        An older height costs reading the undo logs between it and the nearest known version.
        """
        view.check(height)
        oldest = view.recent[0]
        if height >= oldest.height:
            tree = view.recent[height - oldest.height].tree
            return StateAt(height, tree, lambda key: view.value(key, height))
        version = self._version(view, height)

        def get(key: bytes) -> bytes | None:
            if key in version.values:
                return version.values[key]
            return view.value(key, version.base)

        return StateAt(height, version.tree, get)

    def _version(self, view: View, height: int) -> _Rebuilt:
        oldest = view.recent[0]
        younger = [known for known in self._rebuilt if known >= height]
        start = _Rebuilt(oldest.height, oldest.tree, {}, oldest.height)
        if younger:
            start = self._rebuilt[min(younger)]
        if (start.height, start.base) == (height, oldest.height):
            return start
        values: dict[bytes, bytes | None] = {}
        for each in range(oldest.height, start.base, -1):
            values.update(view.undo(each))
        values.update(start.values)
        undone: dict[bytes, bytes | None] = {}
        for each in range(start.height, height, -1):
            undone.update(view.undo(each))
        values.update(undone)
        tree = start.tree.update(
            (hash_state_key(key), None if value is None else hash_state_value(value))
            for key, value in undone.items()
        )
        version = _Rebuilt(height, tree, values, oldest.height)
        self._remember(version)
        return version

    def _remember(self, version: _Rebuilt) -> None:
        self._rebuilt.pop(version.height, None)
        self._rebuilt[version.height] = version
        if len(self._rebuilt) > REBUILT_MAX:
            del self._rebuilt[next(iter(self._rebuilt))]
