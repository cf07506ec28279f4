"""Block production in one process: what a crash between two effects leaves, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from consensus.signer import SignerState
from consensus.solo import SoloEngine
from genesis.chain_spec import ChainSpec, dev_spec, development_keypair
from node.chain import Chain
from node.config import DataDirectory
from node.errors import ConfigError
from node.mempool import Mempool
from node.metrics import Metrics
from node.production import Producer
from pallets.system.pallet import System
from runtime.block import Block
from runtime.codec import codec_of
from runtime.errors import InvalidBlock, OpenLedgerError, StoreError
from runtime.extrinsic import sign_extrinsic

VALIDATOR = development_keypair("validator")
USER = development_keypair("user")


class PowerCut(Exception):
    """What the tests raise where a machine would stop."""


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """An empty data directory of the development chain."""
    directory = DataDirectory(tmp_path / "node")
    directory.begin(dev_spec())
    return directory


def open_chain(directory: DataDirectory, spec: ChainSpec | None = None) -> Chain:
    """The chain of the directory."""
    return Chain.open(directory, spec or dev_spec(), VALIDATOR)


def producer_of(chain: Chain, directory: DataDirectory) -> Producer:
    """A producer with one remark in its mempool."""
    mempool = Mempool()
    raw = sign_extrinsic(
        System.remark.Call(data=b"once"),
        USER,
        genesis_hash=chain.genesis_hash,
        spec_version=1,
        nonce=0,
    )
    if not chain.is_migrating and chain.nonce_of(USER.account) == 0:
        mempool.add(chain.check(raw), 0, 0)
    return Producer(
        chain=chain,
        engine=SoloEngine(chain.genesis_hash, chain.validators, VALIDATOR.account, VALIDATOR.sign),
        mempool=mempool,
        directory=directory,
        metrics=Metrics(),
        heartbeat_s=0.1,
    )


def produce(directory: DataDirectory, until_height: int) -> None:
    """Run a producer until the chain is that high."""

    async def main() -> None:
        with closing(open_chain(directory)) as chain, trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(producer_of(chain, directory).run)
                while chain.head.height < until_height:  # noqa: ASYNC110 -- it tells nobody
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()

    trio.run(main)


def cut_power(directory: DataDirectory, fail: Callable[[Producer], None]) -> None:
    """Run a producer that `fail` has prepared to stop in the middle."""

    async def main() -> None:
        with closing(open_chain(directory)) as chain, trio.fail_after(30):
            producer = producer_of(chain, directory)
            fail(producer)
            await producer.run()

    with pytest.raises(PowerCut):
        trio.run(main)


def stop(*_arguments: object) -> None:
    """The power is gone."""
    raise PowerCut


@pytest.mark.parametrize("votes", [0, 1, 2])
def test_a_signed_block_is_kept_over_a_crash(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch, votes: int
) -> None:
    """However many votes were on disk when the power went, no height is ever signed twice."""
    with monkeypatch.context() as patch:
        if votes == 2:
            patch.setattr(Chain, "commit", stop)
        else:
            persist = Producer._persist
            persisted: list[bytes] = []

            def persist_some(self: Producer, signer_state: bytes) -> None:
                if len(persisted) == votes:
                    raise PowerCut
                persisted.append(signer_state)
                persist(self, signer_state)

            patch.setattr(Producer, "_persist", persist_some)
        cut_power(directory, lambda _producer: None)
    signed = directory.read_signer()
    assert (signed is None) == (votes == 0)
    produce(directory, until_height=3)
    with closing(open_chain(directory)) as chain:
        first = chain.store.block(1)
        assert first is not None
        if signed is not None:
            proposal = SignerState.decode(signed).proposal
            assert proposal is not None
            assert proposal.block == first
        assert chain.nonce_of(USER.account) == 1
        assert len(codec_of(Block).decode(first).extrinsics) == 1


def test_a_disk_that_is_full_stops_the_node(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signer file that cannot be written is a typed error, and nothing was broadcast."""

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("node.production.write_atomically", full)
    with pytest.raises(StoreError, match="No space left"):
        produce_once(directory)
    with closing(open_chain(directory)) as chain:
        assert chain.head.height == 0


def produce_once(directory: DataDirectory) -> None:
    """Run a producer without a nursery around it."""

    async def main() -> None:
        with closing(open_chain(directory)) as chain, trio.fail_after(30):
            await producer_of(chain, directory).run()

    trio.run(main)


def test_a_tampered_block_is_not_executed(directory: DataDirectory) -> None:
    """Header, beacon and extrinsics of a block on disk are checked before it counts."""
    with closing(open_chain(directory)) as chain:
        candidate = chain.build((), time.time_ns() // 1_000_000)
        block = codec_of(Block).decode(candidate.encoded)
        assert chain.execute(candidate.encoded).block_id == candidate.block_id
        header = block.header
        wrong = [
            replace(header, state_root=bytes(32)),
            replace(header, beacon=bytes(32)),
            replace(header, beacon_proof=bytes(64)),
            replace(header, parent_hash=bytes(32)),
            replace(header, height=9),
            replace(header, proposer=USER.account),
        ]
        for claimed in wrong:
            with pytest.raises(InvalidBlock):
                chain.execute(Block(claimed, ()).encode())
        with pytest.raises(OpenLedgerError):
            chain.execute(Block(header, (b"nonsense",)).encode())


def test_time_moves_forward_whatever_the_clock_says(directory: DataDirectory) -> None:
    """A clock that was set back does not stop the chain: a block is later than its parent."""
    with closing(open_chain(directory)) as chain:
        assert chain.build((), 0).header.time_ms == chain.head.time_ms + 1


def test_a_directory_of_another_chain_is_refused(directory: DataDirectory) -> None:
    """A chain spec that leads to another block 0 does not open the store."""
    open_chain(directory).close()
    with pytest.raises(ConfigError, match="another block"):
        open_chain(directory, replace(dev_spec(), name="another"))
