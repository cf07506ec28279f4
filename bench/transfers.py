"""Transfers per second of the whole chain, as a multiple of one core's raw signature checks.

The workload: keep-alive transfers between existing funded accounts, everything included: decoding,
signatures, nonces, fees, rollback, events, roots, header, one synced LevelDB batch a block.  It runs
on `node.chain.Chain`, the code that a node runs, with the full runtime.
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from genesis.chain_spec import dev_spec, development_keypair
from node.chain import Chain
from node.config import DataDirectory
from pallets.balances.pallet import Balances
from runtime import OPEN, RuntimeCall
from runtime.extrinsic import sign_extrinsic
from runtime.hashing import hash_text
from runtime.keys import Keypair

ACCOUNTS = 20_000
BLOCK_TRANSFERS = 2_500
ROUND_BLOCKS = 8
ROUNDS = 5
VERIFY_COUNT = 1_000
COMMIT = bytes(200)
"""Stands for a validator's certificate, which is one signature a block."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Signed extrinsics in blocks: first those that fund the accounts, then the rounds."""

    funding: Sequence[Sequence[bytes]]
    rounds: Sequence[Sequence[Sequence[bytes]]]


@contextmanager
def fresh_chain() -> Iterator[Chain]:
    """A development chain of its own in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="openledger-bench-") as folder:
        chain = Chain.open(
            DataDirectory(Path(folder)), dev_spec(), development_keypair("validator")
        )
        try:
            yield chain
        finally:
            chain.close()


def make_workload(genesis_hash: bytes, spec_version: int) -> Workload:
    """Sign everything beforehand; the same for every run."""
    dice = random.Random(3)
    people = [Keypair.from_seed(hash_text(b"bench %d" % number)) for number in range(ACCOUNTS)]
    nonces: dict[bytes, int] = {}

    def sign(keypair: Keypair, call: RuntimeCall) -> bytes:
        nonce = nonces.get(keypair.account, 0)
        nonces[keypair.account] = nonce + 1
        return sign_extrinsic(
            call, keypair, genesis_hash=genesis_hash, spec_version=spec_version, nonce=nonce
        )

    faucet = development_keypair("faucet")
    funding = [
        sign(faucet, Balances.transfer.Call(receiver=person.account, amount=10 * OPEN))
        for person in people
    ]
    rounds = [
        [
            [
                sign(
                    dice.choice(people),
                    Balances.transfer_keep_alive.Call(
                        receiver=dice.choice(people).account, amount=5
                    ),
                )
                for _ in range(BLOCK_TRANSFERS)
            ]
            for _ in range(ROUND_BLOCKS)
        ]
        for _ in range(ROUNDS)
    ]
    blocks = [funding[at : at + BLOCK_TRANSFERS] for at in range(0, ACCOUNTS, BLOCK_TRANSFERS)]
    return Workload(blocks, rounds)


def raw_verify_seconds(clock: Callable[[], float]) -> float:
    """Seconds of one bare libsodium signature check of a transfer's size."""
    public, secret = crypto_sign_seed_keypair(bytes(32))
    signed = crypto_sign(bytes(150), secret)
    start = clock()
    for _ in range(VERIFY_COUNT):
        crypto_sign_open(signed, public)
    return (clock() - start) / VERIFY_COUNT


def commit_block(chain: Chain, raws: Sequence[bytes]) -> bytes:
    """Check, execute and commit one block; returns it encoded."""
    checked = [chain.check(raw) for raw in raws]
    candidate = chain.build(checked, 0)
    if len(candidate.extrinsic_hashes) != len(raws):
        raise SystemExit("A transfer of the benchmark was left out of its block.")
    chain.commit(candidate, COMMIT)
    chain.advance(candidate)
    return candidate.encoded


def main() -> None:
    clock = time.process_time
    with fresh_chain() as chain:
        work = make_workload(chain.genesis_hash, chain.runtime.spec_version)
        for raws in work.funding:
            commit_block(chain, raws)
        gc.collect()
        gc.freeze()
        ratios = []
        blocks = []
        for round_ in work.rounds:
            verify = raw_verify_seconds(clock)
            start = clock()
            for raws in round_:
                blocks.append(commit_block(chain, raws))
            each = (clock() - start) / ROUND_BLOCKS / BLOCK_TRANSFERS
            ratios.append(verify / each)
            print(
                f"verify {verify * 1e6:.1f} us, transfer {each * 1e6:.1f} us, ratio {verify / each:.3f}"
            )
        print("median", statistics.median(ratios))


if __name__ == "__main__":
    main()
