"""Who sends a request, and whether it may send one more."""

from __future__ import annotations

import trio

from node.api.errors import OperatorsOnly
from node.api.keys import ApiKey, ApiKeys, key_of_request
from node.api.meter import Meter
from node.http.messages import Request

ANYBODY = ApiKey(bytes(32), bytes(32), "anybody", operator=True)
"""Who asks a server without keys: whoever reaches it."""


class Callers:
    """The callers of one server."""

    def __init__(self, keys: ApiKeys | None, meter: Meter) -> None:
        """Without `keys` anybody may ask; `meter` counts what they do."""
        self._keys = keys
        self.meter = meter

    async def admit(self, request: Request) -> ApiKey:
        """The key of a request, which is counted; raises `InvalidApiKey`, `RateLimited`."""
        if self._keys is None:
            return ANYBODY
        key = await trio.to_thread.run_sync(key_of_request, self._keys, request)
        self.meter.admit(key)
        return key

    async def admit_operator(self, request: Request) -> ApiKey:
        """The same; raises `OperatorsOnly` for a key that may not change what is served."""
        key = await self.admit(request)
        if not key.operator:
            raise OperatorsOnly(
                f"The key {key.label!r} may not change what is served.",
                remedy="Use one that was made with `openledger serve keys add --operator`.",
            )
        return key
