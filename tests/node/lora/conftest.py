"""Adapters by name, and the plain server over them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import trio

from ml.serving.texts import TextEngine
from node.api.callers import Callers
from node.api.meter import USAGE_FILE, Meter
from node.lora.catalogue import Catalogue
from node.lora.site import LoraApi
from tests.ml.serving.adapters import save_adapter, save_base
from tests.node.lora.servers import beside_server


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

        def run(work, keys=None):
            callers = Callers(keys, Meter(tmp_path / USAGE_FILE))
            api = LoraApi(engine, Catalogue(store, links), base.name, callers)
            return trio.run(beside_server, api, work)

        yield run
