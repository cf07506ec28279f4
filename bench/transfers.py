"""Transfers per second of the whole chain, as multiples of one core's raw signature checks.

The workload: keep-alive transfers between existing funded accounts, everything included: decoding,
signatures, nonces, fees, rollback, events, roots, header, one synced LevelDB batch a block.  It
runs on `node.chain.Chain`, the code that a node runs, with the full runtime and its prices.

Raw checks are of the very signatures of the block, by libsodium alone, just before the block: a
machine that changes its pace changes both.  The node itself verifies with another library, which is
faster; the ratio to that one's raw rate is reported, too.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nacl.bindings import crypto_sign_open

from bench.decisions import decide
from consensus.cryptography import key_scheme
from genesis.chain_spec import dev_spec, development_keypair
from node.chain import Candidate, Chain
from node.config import DataDirectory
from node.consensus.keys import ValidatorKeys
from node.memory import settle_memory
from node.verifier import VerifierProcess
from pallets.balances.pallet import Balances
from runtime import OPEN, RuntimeCall
from runtime.extrinsic import CheckedExtrinsic, OpenedExtrinsic, sign_extrinsic
from runtime.hashing import hash_text
from runtime.keys import Keypair, verify

ACCOUNTS = 20_000
BLOCK_TRANSFERS = 2_500
ROUND_BLOCKS = 8
ROUND_TRANSFERS = ROUND_BLOCKS * BLOCK_TRANSFERS
ROUNDS = 5
KEYS = ValidatorKeys.from_keypair(development_keypair("validator"))

Block = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Workload:
    """Encoded extrinsics in blocks: first those that fund the accounts, then the rounds."""

    funding: Sequence[Block]
    rounds: Sequence[Sequence[Block]]


class UnfitWorkload(Exception):
    """A transfer was left out of its block: what was measured is not what was meant."""


@contextmanager
def fresh_chain() -> Iterator[Chain]:
    """A development chain of its own in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="openledger-bench-") as folder:
        chain = Chain.open(DataDirectory(Path(folder)), dev_spec(), KEYS)
        try:
            yield chain
        finally:
            chain.close()


class Signer:
    """Signs calls with each account's next nonce."""

    def __init__(self, chain: Chain) -> None:
        self._genesis_hash = chain.genesis_hash
        self._spec_version = chain.runtime.spec_version
        self._nonces: dict[bytes, int] = {}

    def sign(self, keypair: Keypair, call: RuntimeCall) -> bytes:
        """The encoded extrinsic."""
        nonce = self._nonces.get(keypair.account, 0)
        self._nonces[keypair.account] = nonce + 1
        return sign_extrinsic(
            call,
            keypair,
            genesis_hash=self._genesis_hash,
            spec_version=self._spec_version,
            nonce=nonce,
        )


def make_workload(chain: Chain) -> Workload:
    """Sign everything beforehand; the same for every run."""
    dice = random.Random(3)  # noqa: S311 # a workload, not a secret
    signer = Signer(chain)
    people = [Keypair.from_seed(hash_text(b"bench %d" % number)) for number in range(ACCOUNTS)]
    faucet = development_keypair("faucet")
    funding = [
        signer.sign(faucet, Balances.transfer.Call(receiver=person.account, amount=10 * OPEN))
        for person in people
    ]

    def transfer() -> bytes:
        sender, receiver = dice.choice(people), dice.choice(people)
        call = Balances.transfer_keep_alive.Call(receiver=receiver.account, amount=5)
        return signer.sign(sender, call)

    rounds = [
        [[transfer() for _ in range(BLOCK_TRANSFERS)] for _ in range(ROUND_BLOCKS)]
        for _ in range(ROUNDS)
    ]
    blocks = [funding[at : at + BLOCK_TRANSFERS] for at in range(0, ACCOUNTS, BLOCK_TRANSFERS)]
    return Workload(blocks, rounds)


def verify_seconds(chain: Chain, block: Block) -> float:
    """Seconds that libsodium needs on one core for the signatures of a block: the yardstick."""
    claims = [chain.open_extrinsic(raw)[1] for raw in block]
    prepared = [(signature + payload, account) for account, payload, signature in claims]
    start = time.perf_counter()
    for signed, account in prepared:
        crypto_sign_open(signed, account)
    return time.perf_counter() - start


def own_verify_seconds(
    chain: Chain, block: Block, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds that the node's own library needs for the same."""
    claims = [chain.open_extrinsic(raw)[1] for raw in block]
    start = clock()
    for claim in claims:
        verify(*claim)
    return clock() - start


def commit(chain: Chain, candidate: Candidate) -> None:
    """Commit an executed block as if its one validator had decided it."""
    decision = decide(candidate, KEYS, key_scheme(chain.validators, chain.genesis_hash))
    chain.commit(candidate, decision)
    chain.advance(candidate, decision)


def commit_block(chain: Chain, checked: Sequence[CheckedExtrinsic]) -> bytes:
    """Execute and commit one block; returns it encoded."""
    candidate = chain.build(checked, 0)
    if len(candidate.extrinsic_hashes) != len(checked):
        raise UnfitWorkload
    commit(chain, candidate)
    return candidate.encoded


def fund(chain: Chain, work: Workload) -> list[bytes]:
    """Give every account its OPEN; returns the blocks."""
    blocks = [commit_block(chain, [chain.check(raw) for raw in raws]) for raws in work.funding]
    settle_memory()
    return blocks


@dataclass(frozen=True, slots=True)
class OneProcess:
    """What one process measured; medians over the rounds."""

    blocks: Sequence[bytes]
    over_verify: float
    over_own_verify: float
    transfer_us: float
    verify_us: float
    own_verify_us: float


def one_process(chain: Chain, work: Workload) -> OneProcess:
    """Check, execute and commit all rounds."""
    rounds, blocks = [], []
    for blocks_of_round in work.rounds:
        raw = own = spent = 0.0
        for raws in blocks_of_round:
            raw += verify_seconds(chain, raws)
            own += own_verify_seconds(chain, raws)
            start = time.perf_counter()
            blocks.append(commit_block(chain, [chain.check(each) for each in raws]))
            spent += time.perf_counter() - start
        each_us = [seconds / ROUND_TRANSFERS * 1e6 for seconds in (spent, raw, own)]
        rounds.append((raw / spent, own / spent, *each_us))
    return OneProcess(blocks, *[statistics.median(each) for each in zip(*rounds, strict=True)])


def replay(chain: Chain, work: Workload, blocks: Sequence[bytes]) -> float:
    """Median of the rounds' replayed transfers over raw checks: all were admitted before."""
    ratios = []
    position = 0
    for blocks_of_round in work.rounds:
        raw = spent = 0.0
        for raws in blocks_of_round:
            raw += verify_seconds(chain, raws)
            checked = [chain.check(each) for each in raws]
            admitted = {each.raw: each for each in checked}
            start = time.perf_counter()
            candidate = chain.execute(blocks[position], admitted.get)
            commit(chain, candidate)
            spent += time.perf_counter() - start
            position += 1
        ratios.append(raw / spent)
    return statistics.median(ratios)


def two_processes(chain: Chain, work: Workload) -> float:
    """Median of the rounds' transfers over raw checks, with the verifier process."""
    ratios = []
    with VerifierProcess() as process:
        process.start([]).result()
        for blocks_of_round in work.rounds:
            raw = sum(verify_seconds(chain, raws) for raws in blocks_of_round)
            start = time.perf_counter()
            following = _open_block(chain, process, blocks_of_round[0])
            for raws in [*blocks_of_round[1:], ()]:
                opened, verdicts = following
                following = _open_block(chain, process, raws)
                commit_block(chain, _checked(opened, verdicts))
            ratios.append(raw / (time.perf_counter() - start))
    return statistics.median(ratios)


def _open_block(
    chain: Chain, process: VerifierProcess, raws: Block
) -> tuple[list[OpenedExtrinsic], Future[list[bool]]]:
    opened = [chain.open_extrinsic(raw) for raw in raws]
    return opened, process.start([claim for _, claim in opened])


def _checked(
    opened: Sequence[OpenedExtrinsic], verdicts: Future[list[bool]]
) -> list[CheckedExtrinsic]:
    if not all(verdicts.result()):
        raise UnfitWorkload
    return [claimed for claimed, _ in opened]


def figures() -> dict[str, float]:
    """The figures of the bars by their names, medians over the rounds."""
    with fresh_chain() as chain:
        work = make_workload(chain)
        funded = fund(chain, work)
        alone = one_process(chain, work)
    with fresh_chain() as chain:
        for encoded in funded:
            candidate = chain.execute(encoded)
            commit(chain, candidate)
        settle_memory()
        replayed = replay(chain, work, alone.blocks)
    with fresh_chain() as chain:
        fund(chain, work)
        together = two_processes(chain, work)
    return {
        "verify_us": alone.verify_us,
        "own_verify_us": alone.own_verify_us,
        "transfer_us": alone.transfer_us,
        "transfers_over_verify": alone.over_verify,
        "transfers_over_own_verify": alone.over_own_verify,
        "transfers_over_verify_2p": together,
        "replay_over_verify": replayed,
    }
