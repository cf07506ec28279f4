"""A pallet that makes calls as the chain itself, without a referendum: tests of Root's calls."""

from __future__ import annotations

from typing import Annotated

from runtime import Max, Pallet, RuntimeCall, Signed, Weight, call
from runtime.types import Marker

Held = Annotated[RuntimeCall, Max(2_000)]


class Governor(Pallet, index=250):
    """Anybody's wish is the chain's."""

    @call(0, weight=Weight(reads=99, writes=99, hashes=9, bytes=9_999))
    def decree(self, _sender: Signed, wish: Held) -> None:
        """Make a call as Root."""
        self.dispatch(wish, Marker.ROOT)
