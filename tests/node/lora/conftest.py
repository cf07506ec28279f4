"""Adapters by name, and the plain server over them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import trio

from ml.serving.texts import TextEngine
from node.http.messages import LOCAL_HOSTS
from node.http.server import bound_port, open_listeners, serve
from node.lora.catalogue import Catalogue
from node.lora.site import LoraApi
from tests.ml.serving.adapters import save_adapter, save_base


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_base(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def adapters(base, tmp_path_factory):
    """A folder of the adapters `red`, `green` and `blue`."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("red", "green", "blue"), 1):
        digest = save_adapter(base, folder, seed)
        (folder / digest.hex()).rename(folder / name)
    return folder


@pytest.fixture
def store(adapters, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(adapters, tmp_path / "store")


@pytest.fixture
def with_server(base, store, tmp_path) -> Iterator[Callable]:
    """`with_server(work, keys=None)`: the result of `work(url)`, run beside a server."""
    links = tmp_path / "by-hash"
    links.mkdir()
    with closing(TextEngine(base, links)) as engine:

        async def run(work, keys):
            api = LoraApi(engine, Catalogue(store, links), base.name, keys)
            listeners = await open_listeners("127.0.0.1", 0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve, listeners, api.site(LOCAL_HOSTS))
                url = f"http://127.0.0.1:{bound_port(listeners)}"
                result = await trio.to_thread.run_sync(work, url)
                nursery.cancel_scope.cancel()
            return result

        yield lambda work, keys=None: trio.run(run, work, keys)
