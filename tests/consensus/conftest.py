"""Keys and sets for the consensus tests."""

from __future__ import annotations

import pytest

from runtime.keys import Keypair
from runtime.wire.validators import Validator, ValidatorSet


@pytest.fixture(scope="session")
def keys():
    """Ten keypairs, sorted by account."""
    pairs = [Keypair.from_seed(bytes([number]) * 32) for number in range(10)]
    return sorted(pairs, key=lambda pair: pair.account)


@pytest.fixture(scope="session")
def ten(keys):
    """Ten validators with unequal weights; W = 55, quorum 37."""
    return ValidatorSet(
        tuple(Validator(k.account, n + 1, k.account, bytes(48)) for n, k in enumerate(keys))
    )


@pytest.fixture(scope="session")
def one(keys):
    """The first key alone."""
    return ValidatorSet((Validator(keys[0].account, 7, keys[0].account, bytes(48)),))
