"""The plain server in this process, over real TCP."""

from collections.abc import Callable
from typing import TypeVar

import trio

from node.http.messages import LOCAL_HOSTS
from node.http.server import bound_port, open_listeners, serve
from node.lora.site import LoraApi

T = TypeVar("T")


async def beside_server(api: LoraApi, work: Callable[[str], T]) -> T:
    """The result of `work(url)`, run in a thread beside the server."""
    listeners = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, listeners, api.site(LOCAL_HOSTS))
        url = f"http://127.0.0.1:{bound_port(listeners)}"
        result = await trio.to_thread.run_sync(work, url)
        nursery.cancel_scope.cancel()
    return result
