"""Microseconds of one plain transfer in py-evm, Cancun rules, state in memory.

    python3 -m venv peer && peer/bin/pip install --pre py-evm coincurve
    peer/bin/python bench/peers/py_evm.py

It imports nothing of ours and prints one number: CPU time of the thread, decoding left out,
signatures, execution and the block's state root included.
"""

from __future__ import annotations

import hashlib
import sys
import time

from eth import constants
from eth.chains.base import MiningChain
from eth.consensus import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.vm.forks import CancunVM
from eth_keys import keys

TRANSFERS = 400
ACCOUNTS = 50
GAS_LIMIT = 300_000_000
CHAIN_ID = 1_337


def main() -> None:
    """Mine one block of transfers and print the microseconds of each."""
    vm = CancunVM.configure(consensus_class=NoProofConsensus)
    chain_class = MiningChain.configure(
        "Bench", vm_configuration=((constants.GENESIS_BLOCK_NUMBER, vm),), chain_id=CHAIN_ID
    )
    secrets = [keys.PrivateKey(hashlib.sha256(b"%d" % each).digest()) for each in range(ACCOUNTS)]
    addresses = [secret.public_key.to_canonical_address() for secret in secrets]
    header = {
        "coinbase": constants.ZERO_ADDRESS,
        "difficulty": 0,
        "extra_data": b"",
        "gas_limit": GAS_LIMIT,
        "mix_hash": constants.ZERO_HASH32,
        "nonce": bytes(8),
        "timestamp": 0,
        "base_fee_per_gas": 10,
    }
    state = {
        address: {"balance": 10**22, "nonce": 0, "code": b"", "storage": {}}
        for address in addresses
    }
    chain = chain_class.from_genesis(AtomicDB(), header, state)
    transactions = [
        chain.create_unsigned_transaction(
            nonce=number // ACCOUNTS,
            gas_price=10**10,
            gas=21_000,
            to=addresses[(number * 7 + 3) % ACCOUNTS],
            value=1,
            data=b"",
        ).as_signed_transaction(secrets[number % ACCOUNTS], CHAIN_ID)
        for number in range(TRANSFERS)
    ]
    start = time.thread_time()
    chain.mine_all(transactions)
    seconds = time.thread_time() - start
    sys.stdout.write(f"{seconds / TRANSFERS * 1e6:.1f}\n")


if __name__ == "__main__":
    main()
