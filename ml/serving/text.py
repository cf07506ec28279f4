"""Turning tokens into text while they arrive: whole characters only, and never a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class TextAssembler:
    """The text of an answer so far, handed out piece by piece.

    A byte-level token may end inside a character, and a stop string may be spread over tokens: what
    could still change is held back until it cannot.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        """Use `decode` for some last tokens of the answer; end before the first of `stops`."""
        self._decode = decode
        self._stops = stops
        self._tokens: list[int] = []
        """Since the last but one place at which the text was whole: one more piece than is needed
        for the bytes, because a tokenizer may treat the first token it is given differently."""
        self._known_count = 0
        """How many of them are in the text."""
        self._held = ""
        """Text that may be the beginning of a stop string."""
        self.stopped = False

    def add(self, token: int) -> str:
        """Take the next token and return the text that is now certain."""
        self._tokens.append(token)
        piece = self._new_text()
        if piece.endswith(REPLACEMENT):
            return ""
        del self._tokens[: self._known_count]
        self._known_count = len(self._tokens)
        self._held += piece
        found = [position for stop in self._stops if (position := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._held[: min(found)]
        return self._release(len(self._held) - _held_back_count(self._held, self._stops))

    def finish(self) -> str:
        """The text that was held back, when no token follows."""
        return "" if self.stopped else self._held + self._new_text()

    def _new_text(self) -> str:
        known = self._decode(self._tokens[: self._known_count])
        return self._decode(self._tokens)[len(known) :]

    def _release(self, count: int) -> str:
        certain, self._held = self._held[:count], self._held[count:]
        return certain


def _held_back_count(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of a stop string."""
    lengths = (
        length
        for stop in stops
        for length in range(min(len(stop) - 1, len(text)), 0, -1)
        if text.endswith(stop[:length])
    )
    return max(lengths, default=0)
