"""How fast the state tree is, how large its proofs are, how long a restart takes.

    python -m bench.tree --json

Times are CPU time of the measuring thread, medians of several rounds, so that a busy machine
disturbs them little.  The collector is set as in a node.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.report import report
from node.memory import settle_memory
from runtime.codec import codec_of
from runtime.hashing import hash_state_key, hash_state_value
from runtime.state.multiproof import prove_entries, verify_entries
from runtime.state.proof import prove_entry
from runtime.state.store import BlockRecord, Store
from runtime.state.tree import Tree
from runtime.wire.receipts import StateEntry

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
BATCH_KEYS = 5_000
UPDATE_ROUNDS = 15
PROOF_ROUNDS = 200
MULTIPROOF_KEYS = 100
MULTIPROOF_ROUNDS = 10
RESTART_KEYS = 1_000_000
RESTART_BATCH_KEYS = 50_000
RESTART_ROUNDS = 3
VALUE_BYTES = 24
SEED = 2026


def figures() -> dict[str, float]:
    """The figures of the state tree by their names in the list of bars."""
    settle_memory()
    found: dict[str, float] = {}
    for name, size in SIZES.items():
        source = random.Random(SEED)  # noqa: S311 # repeatable keys, not secrets
        keys = [source.randbytes(32) for _ in range(size)]
        tree = _tree_of(keys)
        found[f"tree_us_{name}"] = update_us(tree, [hash_state_key(key) for key in keys], source)
    found["proof_bytes_1m"] = proof_bytes(tree, keys, source)
    found["multiproof_bytes_per_key"] = multiproof_bytes(tree, keys, source)
    del tree, keys
    found["restart_us_per_key"] = restart_us(RESTART_KEYS)
    return found


def _value_of(key: bytes) -> bytes:
    return key[:VALUE_BYTES]


def _tree_of(keys: Sequence[bytes]) -> Tree:
    pairs = [hash_state_key(key) + hash_state_value(_value_of(key)) for key in keys]
    return Tree.of_pairs(sorted(pairs))


def update_us(tree: Tree, key_hashes: Sequence[bytes], source: random.Random) -> float:
    """Microseconds per updated key of a tree with `key_hashes`, in batches of 5,000."""
    settle_memory()
    rounds = []
    for _ in range(UPDATE_ROUNDS):
        batch = [(key, source.randbytes(32)) for key in source.sample(key_hashes, BATCH_KEYS)]
        started = time.thread_time()
        tree = tree.update(batch)
        rounds.append(time.thread_time() - started)
    return round(statistics.median(rounds) / BATCH_KEYS * 1e6, 2)


def proof_bytes(tree: Tree, keys: Sequence[bytes], source: random.Random) -> float:
    """Mean bytes of an encoded proof beside the key and the value that it is of."""
    sizes = []
    for key in source.sample(keys, PROOF_ROUNDS):
        entry = prove_entry(tree, key, _value_of(key))
        sizes.append(len(codec_of(StateEntry).encode(entry)) - len(key) - len(entry.value))
    return round(statistics.mean(sizes), 1)


def multiproof_bytes(tree: Tree, keys: Sequence[bytes], source: random.Random) -> float:
    """Mean bytes per key of a proof of 100 random keys, beside the keys and the values."""
    sizes = []
    for _ in range(MULTIPROOF_ROUNDS):
        values = {key: _value_of(key) for key in source.sample(keys, MULTIPROOF_KEYS)}
        proof = prove_entries(tree, values)
        if verify_entries(tree.root, proof) != values:
            raise SystemExit("The multiproof does not prove its values.")
        proved = sum(len(entry.key) + len(entry.value) for entry in proof.entries)
        sizes.append((len(proof.encode()) - proved) / MULTIPROOF_KEYS)
    return round(statistics.mean(sizes), 1)


def restart_us(size: int) -> float:
    """Microseconds per key to open a store: load the index, build the tree, check root and CRCs."""
    source = random.Random(SEED)  # noqa: S311 # repeatable keys, not secrets
    with tempfile.TemporaryDirectory(prefix="openledger-bench-") as folder:
        directory = Path(folder) / "state"
        store = Store.open(directory, create=True)
        for height in range(-(-size // RESTART_BATCH_KEYS)):
            keys = [source.randbytes(50) for _ in range(RESTART_BATCH_KEYS)]
            number = height.to_bytes(32, "big")
            record = BlockRecord(height, number, number, number, number, ())
            store.commit(store.prepare({key: _value_of(key) for key in keys}), record)
        store.close()
        Store.open(directory, create=False).close()
        rounds = []
        for _ in range(RESTART_ROUNDS):
            started = time.thread_time()
            store = Store.open(directory, create=False)
            rounds.append(time.thread_time() - started)
            store.close()
    return round(statistics.median(rounds) / size * 1e6, 2)


if __name__ == "__main__":
    report("tree", figures())
