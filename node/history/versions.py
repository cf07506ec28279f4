"""The decoders of the spec versions that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from node.history.decoder import SpecDecoder

DECODERS_MAX = 8
"""How many spec versions are kept ready."""


class SpecDecoders:
    """Decoders by spec version, made when they are first needed; for any thread."""

    def __init__(self) -> None:
        self._known: dict[int, SpecDecoder] = {}
        self._lock = Lock()

    def of(self, spec_version: int, load: Callable[[], Mapping[str, Any]]) -> SpecDecoder:
        """The decoder of a spec version, whose metadata `load` gets; raises what that raises."""
        with self._lock:
            known = self._known.get(spec_version)
            if known is None:
                known = SpecDecoder(load())
                self._known[spec_version] = known
                if len(self._known) > DECODERS_MAX:
                    self._known.pop(next(iter(self._known)))
            return known
