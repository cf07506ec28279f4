"""One tiny base model and some adapters for all tests of the serving engine."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from ml.serving.engine import Engine, EngineSettings
from tests.ml.serving.adapters import save_adapter, save_base

RANKS = (4, 8, 16, 32, 64, 8)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def adapters(tmp_path_factory):
    return tmp_path_factory.mktemp("adapters")


@pytest.fixture(scope="session")
def hashes(base, adapters):
    """Adapters of all ranks."""
    return [save_adapter(base, adapters, seed, rank) for seed, rank in enumerate(RANKS, 1)]


@pytest.fixture
def make_engine(base, adapters, hashes) -> Iterator:
    """`make_engine(slots=4)`: an engine that steps when told to, closed after the test."""
    with ExitStack() as stack:

        def make(directory=adapters, **changes) -> Engine:
            limits = {"slots": 8, "cache_tokens": 1_024} | changes
            engine = Engine(base, directory, EngineSettings(**limits))
            return stack.enter_context(closing(engine))

        yield make
