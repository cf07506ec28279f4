"""Consensus in one process: what a crash between two effects leaves, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from consensus.engine import BlockChecked, CheckBlock, Effect, Event, HeightBegan
from consensus.errors import LogError, SignerStateError
from consensus.log import KeptBlock, LogWriter
from consensus.signer import SignerState
from consensus.votes import Statement, Vote
from genesis.chain_spec import ChainSpec, dev_spec, development_keypair
from node.chain import Chain
from node.config import DataDirectory
from node.consensus.driver import Driver
from node.consensus.execution import Execution
from node.consensus.keys import ValidatorKeys
from node.consensus.peers import NoPeers
from node.consensus.signer_file import FileSigner
from node.consensus.start import open_driver
from node.errors import ConfigError
from node.mempool import Mempool
from node.metrics import Metrics
from node.signer_backup import rebuild_signed
from pallets.system.pallet import System
from runtime.block import Block
from runtime.codec import codec_of
from runtime.errors import (
    DefinitionError,
    InvalidBlock,
    InvariantViolation,
    OpenLedgerError,
    StoreError,
)
from runtime.extrinsic import sign_extrinsic
from runtime.state.store import Store

KEYS = ValidatorKeys.from_keypair(development_keypair("validator"))
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
    return Chain.open(directory, spec or dev_spec(), KEYS)


def driver_of(chain: Chain, directory: DataDirectory) -> Driver:
    """Consensus with one remark in its mempool."""
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
    driver = open_driver(chain, directory, KEYS, Execution(chain, mempool, Metrics()), NoPeers())
    driver.heartbeat_s = 0.1
    return driver


def produce(directory: DataDirectory, until_height: int) -> None:
    """Run consensus until the chain is that high."""

    async def main() -> None:
        with closing(open_chain(directory)) as chain, trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(driver_of(chain, directory).run)
                while chain.head.height < until_height:  # noqa: ASYNC110 -- it tells nobody
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()

    trio.run(main)


def cut_power(directory: DataDirectory) -> None:
    """Run consensus that a patch stops in the middle."""

    async def main() -> None:
        with closing(open_chain(directory)) as chain, trio.fail_after(30):
            await driver_of(chain, directory).run()

    with pytest.RaisesGroup(PowerCut, flatten_subgroups=True):
        trio.run(main)


def stop(*_arguments: object) -> None:
    """The power is gone."""
    raise PowerCut


@pytest.mark.parametrize("method", ["before signing", "after signing"])
@pytest.mark.parametrize("votes", [0, 1, 2])
def test_a_signed_block_is_kept_over_a_crash(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch, votes: int, method: str
) -> None:
    """However many statements were signed when the power went, none is ever contradicted."""
    signed: list[Vote] = []
    with monkeypatch.context() as patch:
        sign = FileSigner.sign

        def sign_some(
            self: FileSigner, statement: Statement, genesis: bytes, validators: bytes
        ) -> Vote | None:
            if len(signed) == votes and method == "before signing":
                raise PowerCut
            vote = sign(self, statement, genesis, validators)
            assert vote is not None
            signed.append(vote)
            if len(signed) > votes:
                raise PowerCut
            return vote

        patch.setattr(FileSigner, "sign", sign_some)
        cut_power(directory)
    produce(directory, until_height=3)
    with closing(open_chain(directory)) as chain:
        first = chain.store.header(1)
        assert first is not None
        assert all(vote.statement.block_id == first.id() for vote in signed)
        assert chain.nonce_of(USER.account) == 1
        block = chain.store.block(1)
        assert block is not None
        assert len(codec_of(Block).decode(block).extrinsics) == 1


def test_a_decided_block_that_was_not_committed_is_decided_again(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the block and its votes: the same block is committed after a crash."""
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "commit", stop)
        cut_power(directory)
    stored = directory.read_signer()
    assert stored is not None
    voted = SignerState.decode(stored).votes[-1].statement.block_id
    produce(directory, until_height=2)
    with closing(open_chain(directory)) as chain:
        first = chain.store.header(1)
        assert first is not None
        assert first.id() == voted


def test_a_lost_signer_file_stops_a_lone_validator(directory: DataDirectory) -> None:
    """Nobody can tell what its keys have signed (W6)."""
    produce(directory, until_height=2)
    directory.signer.unlink()
    with closing(open_chain(directory)) as chain, pytest.raises(SignerStateError, match="missing"):
        driver_of(chain, directory)


def test_a_lost_signer_file_is_made_again_of_the_log(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has every vote that left: the block that was voted for is the one that is decided."""
    produce(directory, until_height=2)
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "commit", stop)
        cut_power(directory)
    lost = SignerState.decode(directory.signer.read_bytes())
    with pytest.raises(ConfigError, match="is there"):
        rebuild_signed(directory, 3)
    directory.signer.unlink()
    assert rebuild_signed(directory, 3)["height"] == 3
    rebuilt = SignerState.decode(directory.signer.read_bytes())
    assert rebuilt.votes == lost.at_height(3)
    produce(directory, until_height=4)
    with closing(open_chain(directory)) as chain:
        third = chain.store.header(3)
        assert third is not None
        assert third.id() == rebuilt.votes[-1].statement.block_id


def test_a_signer_file_is_not_made_of_a_log_that_does_not_say_enough(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another height than the network's, no own vote, a damaged log, none."""
    produce(directory, until_height=2)
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "commit", stop)
        cut_power(directory)
    directory.signer.unlink()
    for height in (2, 4):
        with pytest.raises(SignerStateError, match="does not stand at"):
            rebuild_signed(directory, height)
    data = directory.log.read_bytes()
    directory.log.write_bytes(data[:60] + bytes(8) + data[68:])
    with pytest.raises(LogError, match="damaged"):
        rebuild_signed(directory, 3)
    block = KeptBlock(bytes(32), b"block")
    directory.log.write_bytes(LogWriter(3).frame(block).encode())
    with pytest.raises(SignerStateError, match="no own vote"):
        rebuild_signed(directory, 3)
    directory.log.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        rebuild_signed(directory, 3)
    assert not directory.signer.exists()


def test_a_signer_file_that_was_rolled_back_is_noticed(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log with later votes than the file says that an old file was restored (W6)."""
    produce(directory, until_height=2)
    old = directory.signer.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "commit", stop)
        cut_power(directory)
    directory.signer.write_bytes(old)
    with closing(open_chain(directory)) as chain, pytest.raises(SignerStateError, match="older"):
        driver_of(chain, directory)


def test_a_damaged_log_is_moved_aside(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that had been on disk does not change: the keys sign nothing (W3)."""
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "commit", stop)
        cut_power(directory)
    data = bytearray(directory.log.read_bytes())
    data[100] ^= 1
    directory.log.write_bytes(data)
    with closing(open_chain(directory)) as chain, pytest.raises(SignerStateError, match="damaged"):
        driver_of(chain, directory)
    assert directory.log.with_suffix(".damaged").read_bytes() == data


@pytest.mark.parametrize("part", ["signer_file.write_atomically", "log_file.os.fdatasync"])
def test_a_disk_that_is_full_stops_the_node(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """What cannot be written is a typed error, and nothing was decided."""

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"node.consensus.{part}", full)
    with pytest.RaisesGroup(
        pytest.RaisesExc(StoreError, match="No space left"), flatten_subgroups=True
    ):
        produce_once(directory)
    with closing(open_chain(directory)) as chain:
        assert chain.head.height == 0


def produce_once(directory: DataDirectory) -> None:
    """Run consensus without a nursery around it."""

    async def main() -> None:
        with closing(open_chain(directory)) as chain, trio.fail_after(30):
            await driver_of(chain, directory).run()

    trio.run(main)


class AsksForChecks:
    """An engine that wants some blocks of height 1 executed, and remembers what came of it."""

    def __init__(self, blocks: Sequence[bytes]) -> None:
        self._checks = tuple(CheckBlock(1, bytes([n]) * 32, each) for n, each in enumerate(blocks))
        self.checked: list[bool] = []

    def on(self, event: Event) -> tuple[Effect, ...]:
        """Ask when the height begins, then listen."""
        if isinstance(event, BlockChecked):
            self.checked.append(event.valid)
        return self._checks if isinstance(event, HeightBegan) else ()


def check_blocks(directory: DataDirectory, engine: AsksForChecks, count: int) -> None:
    """Run the driver until as many blocks were checked."""

    async def main() -> None:
        with closing(open_chain(directory)) as chain, trio.fail_after(30):
            driver = driver_of(chain, directory)
            driver.engine = engine
            async with trio.open_nursery() as nursery:
                nursery.start_soon(driver.run)
                while len(engine.checked) < count:  # noqa: ASYNC110 -- it tells nobody
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()

    trio.run(main)


def a_block(directory: DataDirectory) -> bytes:
    """A valid block 1, which is not committed."""
    with closing(open_chain(directory)) as chain:
        return chain.build((), time.time_ns() // 1_000_000).encoded


@pytest.mark.parametrize(
    "error",
    [
        StoreError("The disk is full."),
        InvariantViolation("A bug."),
        DefinitionError("A pallet is wrong."),
    ],
)
def test_what_is_wrong_with_this_machine_stops_the_node(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch, error: OpenLedgerError
) -> None:
    """A disk or a bug does not make a block invalid: the node stops instead of nullifying."""
    block = a_block(directory)

    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(Store, "prepare", fail)
    engine = AsksForChecks([block])
    with pytest.RaisesGroup(
        pytest.RaisesExc(type(error), match=error.message), flatten_subgroups=True
    ):
        check_blocks(directory, engine, count=1)
    assert engine.checked == []


def test_what_is_wrong_with_a_block_is_a_verdict(directory: DataDirectory) -> None:
    """A header that claims too much, an extrinsic that is none, bytes that are no block."""
    block = codec_of(Block).decode(a_block(directory))
    wrong = [
        Block(replace(block.header, state_root=bytes(32)), (), b"").encode(),
        Block(block.header, (b"nonsense",), b"").encode(),
        b"no block",
    ]
    engine = AsksForChecks(wrong)
    check_blocks(directory, engine, count=len(wrong))
    assert engine.checked == [False] * len(wrong)


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
            replace(header, beacon_proof=bytes(96)),
            replace(header, last_commit_hash=bytes([1]) * 32),
            replace(header, parent_hash=bytes(32)),
            replace(header, height=9),
            replace(header, proposer=USER.account),
        ]
        for claimed in wrong:
            with pytest.raises(InvalidBlock):
                chain.execute(Block(claimed, (), b"").encode())
        with pytest.raises(OpenLedgerError):
            chain.execute(Block(header, (b"nonsense",), b"").encode())
        with pytest.raises(InvalidBlock, match="parent was decided"):
            chain.execute(Block(header, (), b"commit").encode())


def test_time_moves_forward_whatever_the_clock_says(directory: DataDirectory) -> None:
    """A clock that was set back does not stop the chain: a block is later than its parent."""
    with closing(open_chain(directory)) as chain:
        assert chain.build((), 0).header.time_ms == chain.head.time_ms + 1


def test_a_directory_of_another_chain_is_refused(directory: DataDirectory) -> None:
    """A chain spec that leads to another block 0 does not open the store."""
    open_chain(directory).close()
    with pytest.raises(ConfigError, match="another block"):
        open_chain(directory, replace(dev_spec(), name="another"))
