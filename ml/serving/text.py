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
        """Use `decode` for all tokens of the answer; end before the first of `stops`."""
        self._decode = decode
        self._stops = stops
        self._tokens: list[int] = []
        self._sent_count = 0
        self.stopped = False

    def add(self, token: int) -> str:
        """Take the next token and return the text that is now certain."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        found = [position for stop in self._stops if (position := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._advance(text[: min(found)])
        certain = text.rstrip(REPLACEMENT)
        return self._advance(certain[: len(certain) - _held_back_count(certain, self._stops)])

    def finish(self) -> str:
        """The text that was held back, when no token follows."""
        return "" if self.stopped else self._advance(self._decode(self._tokens))

    def _advance(self, text: str) -> str:
        piece = text[self._sent_count :]
        self._sent_count += len(piece)
        return piece


def _held_back_count(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of a stop string."""
    lengths = (
        length
        for stop in stops
        for length in range(min(len(stop) - 1, len(text)), 0, -1)
        if text.endswith(stop[:length])
    )
    return max(lengths, default=0)
