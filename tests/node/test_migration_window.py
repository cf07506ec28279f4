"""While an upgrade converts accounts, the node goes on and refuses what it cannot answer yet."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from bench.decisions import decide
from consensus.cryptography import key_scheme
from genesis.chain_spec import dev_spec
from node.chain import Chain
from node.config import DataDirectory
from node.errors import StorageMigrating
from pallets.balances.pallet import Balances
from pallets.balances.types import Account
from pallets.system.pallet import System
from runtime import U64, Amount
from runtime.codec import codec_of
from runtime.definition import MigrationDefinition
from runtime.extrinsic import sign_extrinsic
from tests.node.test_consensus_driver import KEYS, USER, driver_of

STEPS = 8
"""One account each: those that the development chain endows."""


@dataclass(slots=True)
class OldAccount:
    """An account as spec version 1 of this test stores it."""

    free: Amount = 0
    held: Amount = 0
    nonce: U64 = 0
    bonded: Amount = 0
    locked: Amount = 0


def install_old(patch: pytest.MonkeyPatch) -> None:
    """Make Balances store accounts as they were."""
    codec = codec_of(OldAccount)
    patch.setattr(Balances.accounts, "codec", codec)
    patch.setattr(Balances.accounts, "default_plain", codec.to_plain(OldAccount()))


def install_new(patch: pytest.MonkeyPatch) -> None:
    """Make Balances convert what it finds, an account a block."""

    def convert(pallet: Balances, cursor: bytes) -> bytes | None:
        def current(old: OldAccount) -> Account:
            return Account(old.nonce, old.free, old.held)

        return pallet.accounts.translate(OldAccount, current, cursor, limit=1)

    step = MigrationDefinition("Balances", 2, "convert", "Order the fields anew.", convert)
    definition = replace(Balances.definition, version=2, migrations=(step,))
    patch.setattr(Balances, "definition", definition)
    patch.setattr("genesis.compose.SPEC_VERSION", 2)
    patch.setattr("runtime.upgrade.MIGRATION_UNITS_MAX", 1)


def remark(chain: Chain, nonce: int) -> bytes:
    """A signed remark of this runtime's spec version."""
    return sign_extrinsic(
        System.remark.Call(data=b"during"),
        USER,
        genesis_hash=chain.genesis_hash,
        spec_version=chain.runtime.spec_version,
        nonce=nonce,
    )


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """The data directory of a chain whose accounts are stored as they were."""
    directory = DataDirectory(tmp_path / "node")
    directory.begin(dev_spec())
    with pytest.MonkeyPatch.context() as patch:
        install_old(patch)
        run_until(directory, 2)
    return directory


def run_until(directory: DataDirectory, height: int) -> None:
    """Run consensus with an extrinsic in its mempool until the chain is that high."""

    async def main() -> None:
        with closing(Chain.open(directory, dev_spec(), KEYS)) as chain, trio.fail_after(30):
            driver = driver_of(chain, directory)
            if not chain.is_migrating:
                driver.execution.mempool.add(chain.check(remark(chain, 1)), 1, 0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(driver.run)
                while chain.head.height < height:
                    await chain.advanced.wait()
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_submissions_are_refused_for_the_moment(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonce, validity and fee are typed refusals from the start until the last account is read."""
    install_new(monkeypatch)
    with closing(Chain.open(directory, dev_spec(), KEYS)) as chain:
        waiting = chain.check(remark(chain, 2))
        blocks = 0
        while chain.is_migrating:
            for ask in (chain.validate, chain.fee_of):
                with pytest.raises(StorageMigrating, match="few seconds"):
                    ask(waiting)
            with pytest.raises(StorageMigrating):
                chain.nonce_of(USER.account)
            candidate = chain.build([], 0)
            decision = decide(candidate, KEYS, key_scheme(chain.validators, chain.genesis_hash))
            chain.commit(candidate, decision)
            chain.advance(candidate, decision)
            blocks += 1
        assert blocks > STEPS
        chain.validate(waiting)
        assert chain.nonce_of(USER.account) == 2


def test_consensus_goes_on_with_extrinsics_waiting(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It offers nothing until the storage is converted, and does not wait for its heartbeat."""
    install_new(monkeypatch)

    async def main() -> int:
        with closing(Chain.open(directory, dev_spec(), KEYS)) as chain, trio.fail_after(30):
            driver = driver_of(chain, directory)
            driver.heartbeat_s = 1_000
            driver.execution.mempool.add(chain.check(remark(chain, 2)), 2, chain.head.height)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(driver.run)
                while len(driver.execution.mempool):
                    assert chain.is_migrating or chain.nonce_of(USER.account) == 2
                    await chain.advanced.wait()
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            return chain.nonce_of(USER.account)

    assert trio.run(main) == 3
