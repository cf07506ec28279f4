"""A pallet that makes calls as the chain itself, until governance does: tests of Root's calls."""

from __future__ import annotations

from typing import Annotated

from runtime import Max, Pallet, RuntimeCall, Signed, Weight, call
from runtime.types import Marker

Held = Annotated[RuntimeCall, Max(200)]


class Governor(Pallet, index=250):
    """Anybody's wish is the chain's."""

    @call(0, weight=Weight(reads=20, writes=20))
    def decree(self, _sender: Signed, wish: Held) -> None:
        """Make a call as Root."""
        self.dispatch(wish, Marker.ROOT)
