"""What a node acknowledged survives its end: the journal, and what is admitted again from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.decisions import decide
from consensus.cryptography import key_scheme
from genesis.chain_spec import dev_spec, development_keypair
from node import mempool_journal
from node.admission import Admission, readmit
from node.chain import Chain
from node.config import DataDirectory
from node.consensus.keys import ValidatorKeys
from node.errors import Banned
from node.mempool import BLOCKS_MISSED_MAX, TIP_RAISE_MIN, Mempool
from node.mempool_journal import MempoolJournal, read_journal
from node.verifier import Verifier, VerifierProcess
from pallets.system.pallet import System
from runtime.errors import InvalidTransaction, StoreError
from runtime.extrinsic import sign_extrinsic
from runtime.hashing import hash_extrinsic
from tests.node.conftest import RunningNode

KEYS = ValidatorKeys.from_keypair(development_keypair("validator"))
ALICE, BOB = map(development_keypair, ("alice", "bob"))


def append_all(journal: MempoolJournal, batches: list[list[bytes]]) -> None:
    """Append, each batch at once, and wait until all is on disk."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.run)
            for batch in batches:
                async with trio.open_nursery() as senders:
                    for each in batch:
                        senders.start_soon(journal.append, each)
            nursery.cancel_scope.cancel()

    trio.run(main)


@settings(deadline=None, max_examples=30)
@given(
    batches=st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=4), max_size=4),
    cut=st.integers(0, 200),
)
def test_every_prefix_of_the_file_is_read(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[bytes]], cut: int
) -> None:
    """Whole records before the cut come back, and nothing else does."""
    path = tmp_path_factory.mktemp("journal") / "mempool"
    with MempoolJournal(path, lambda: [b"first"]) as journal:
        append_all(journal, batches)
    expected = read_journal(path)
    sent = [each for batch in batches for each in batch]
    assert expected[0] == b"first"
    assert sorted(expected[1:]) == sorted(sent)
    path.write_bytes(path.read_bytes()[: -cut or None])
    kept = read_journal(path)
    assert kept == expected[: len(kept)]
    assert sum(8 + len(each) for each in kept) <= path.stat().st_size


@pytest.mark.parametrize("at", [0, 4, 8, 20])
def test_a_damaged_record_ends_the_file(tmp_path: Path, at: int) -> None:
    """Length, checksum and bytes are each noticed."""
    path = tmp_path / "mempool"
    MempoolJournal(path, lambda: [b"x" * 20, b"y" * 20]).close()
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)
    assert read_journal(path) == []
    assert read_journal(tmp_path / "none") == []


def test_what_is_over_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is half of it, the file is written anew with what waits."""
    monkeypatch.setattr(mempool_journal, "COMPACT_BYTES_MIN", 200)
    path = tmp_path / "mempool"
    with MempoolJournal(path, lambda: [b"waiting"]) as journal:
        append_all(journal, [[bytes([number]) * 50] for number in range(20)])
        assert path.stat().st_size <= 200 + 58
    assert read_journal(path)[0] == b"waiting"


def test_a_full_disk_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged that is not on disk: the node stops."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with MempoolJournal(tmp_path / "mempool", list) as journal:
        monkeypatch.setattr(os, "fdatasync", full)
        with pytest.raises(BaseExceptionGroup) as caught:
            append_all(journal, [[b"one"]])
    assert caught.group_contains(StoreError, match="No space left")
    with pytest.raises(StoreError, match="cannot be written"):
        MempoolJournal(tmp_path / "no" / "folder", list)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """An empty data directory of the development chain."""
    directory = DataDirectory(tmp_path / "node")
    directory.begin(dev_spec())
    return directory


def remark(chain: Chain, nonce: int, tip: int = 0) -> bytes:
    """A remark of Alice."""
    return sign_extrinsic(
        System.remark.Call(data=b"kept"),
        ALICE,
        genesis_hash=chain.genesis_hash,
        spec_version=1,
        nonce=nonce,
        tip=tip,
    )


def commit(chain: Chain, raws: list[bytes]) -> None:
    """A block of some extrinsics."""
    candidate = chain.build([chain.check(raw) for raw in raws], 0)
    decision = decide(candidate, KEYS, key_scheme(chain.validators, chain.genesis_hash))
    chain.commit(candidate, decision)
    chain.advance(candidate, decision)


def test_only_what_still_may_enter_is_admitted_again(directory: DataDirectory) -> None:
    """Not what is in a block, what was replaced, what is damaged; the replacement stays."""
    with closing(Chain.open(directory, dev_spec(), KEYS)) as chain:
        old, new = remark(chain, 0), remark(chain, 1)
        dearer = remark(chain, 1, TIP_RAISE_MIN)
        forged = dearer[:-1] + bytes([dearer[-1] ^ 1])
        commit(chain, [old])
        mempool = Mempool()
        readmit(chain, mempool, [old, new, dearer, forged, b"nonsense", dearer])
        assert mempool.encoded() == [dearer]


def test_admission_checks_once_and_waits_for_the_disk(directory: DataDirectory) -> None:
    """Known bytes are no error, forged ones and banned ones are; all acknowledged are on disk."""

    async def main() -> None:
        mempool = Mempool()
        woken: list[bool] = []
        passed_on: list[bytes] = []
        with (
            closing(Chain.open(directory, dev_spec(), KEYS)) as chain,
            VerifierProcess() as process,
            MempoolJournal(directory.mempool, mempool.encoded) as journal,
        ):
            verifier = Verifier(process)
            admission = Admission(
                chain, mempool, journal, verifier, lambda: woken.append(True), passed_on.append
            )
            first, second = remark(chain, 0), remark(chain, 1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal.run)
                nursery.start_soon(verifier.run)
                async with trio.open_nursery() as senders:
                    for raw in (first, second, first, second):
                        senders.start_soon(admission.submit, raw)
                assert sorted(read_journal(directory.mempool)) == sorted([first, second])
                assert await admission.submit(first) == hash_extrinsic(first)
                with pytest.raises(InvalidTransaction, match="signature"):
                    await admission.submit(first[:-1] + bytes([first[-1] ^ 1]))
                refused = InvalidTransaction("No.", remedy="Never.")
                for height in range(BLOCKS_MISSED_MAX):
                    mempool.settle([], {hash_extrinsic(second): refused}, height)
                with pytest.raises(Banned):
                    await admission.submit(second)
                commit(chain, [first])
                mempool.settle([hash_extrinsic(first)], {}, 1)
                assert await admission.submit(first) == hash_extrinsic(first)
                nursery.cancel_scope.cancel()
            assert len(woken) == 2
            assert sorted(passed_on) == sorted([first, second])

    trio.run(main)


def test_acknowledged_extrinsics_survive_a_kill(start_node: Callable[..., RunningNode]) -> None:
    """What waits behind a gap is there after kill -9, and enters when the gap is closed."""
    node = start_node()
    with node.client() as client:
        raws = [
            sign_extrinsic(
                System.remark.Call(data=b"kept"),
                BOB,
                genesis_hash=client.genesis_hash,
                spec_version=1,
                nonce=nonce,
            )
            for nonce in range(4)
        ]
        for raw in raws[1:]:
            client.call("author_submitExtrinsic", raw.hex())
    node.kill()
    node = start_node(port=node.port)
    with node.client() as client:
        assert client.call("author_pendingExtrinsics") == [raw.hex() for raw in raws[1:]]
        client.call("author_submitExtrinsic", raws[0].hex())
        while client.next_nonce(BOB.account) < 4 or client.call("author_pendingCount"):
            client.wait_height(client.height() + 1)
        places = [client.status(hash_extrinsic(raw)) for raw in raws]
    assert [place["state"] for place in places] == ["included"] * 4
