"""Microseconds of one plain transfer in the Ethereum execution specs, Cancun, state in memory.

    python3 -m venv peer && peer/bin/pip install ethereum-execution coincurve
    peer/bin/python bench/peers/execution_specs.py

It imports nothing of ours and prints one number: CPU time of the thread, with signatures,
execution and one state root.
"""

from __future__ import annotations

import hashlib
import sys
import time

import coincurve
from ethereum.crypto.hash import Hash32, keccak256
from ethereum.forks.cancun import fork, state, transactions, vm
from ethereum.forks.cancun.fork_types import Account, Address
from ethereum_types.bytes import Bytes, Bytes32
from ethereum_types.numeric import U64, U256, Uint

TRANSFERS = 400
ACCOUNTS = 50
GAS_LIMIT = 300_000_000


def main() -> None:
    """Process one block's transfers and print the microseconds of each."""
    secrets = [
        coincurve.PrivateKey(hashlib.sha256(b"%d" % each).digest()) for each in range(ACCOUNTS)
    ]
    addresses = [
        Address(keccak256(secret.public_key.format(compressed=False)[1:])[12:])
        for secret in secrets
    ]
    accounts = state.State()
    for address in addresses:
        empty = keccak256(b"") if "code_hash" in Account.__dataclass_fields__ else b""
        state.set_account(accounts, address, Account(Uint(0), U256(10**22), empty))
    signed = [_signed(number, secrets, addresses) for number in range(TRANSFERS)]
    environment = vm.BlockEnvironment(
        chain_id=U64(1),
        state=accounts,
        block_gas_limit=Uint(GAS_LIMIT),
        block_hashes=[],
        coinbase=Address(bytes(20)),
        number=Uint(1),
        base_fee_per_gas=Uint(10),
        time=U256(1),
        prev_randao=Bytes32(bytes(32)),
        excess_blob_gas=U64(0),
        parent_beacon_block_root=Hash32(bytes(32)),
    )
    output = vm.BlockOutput()
    start = time.thread_time()
    for number, transaction in enumerate(signed):
        fork.process_transaction(environment, output, transaction, Uint(number))
    state.state_root(accounts)
    seconds = time.thread_time() - start
    sys.stdout.write(f"{seconds / TRANSFERS * 1e6:.1f}\n")


def _signed(
    number: int, secrets: list[coincurve.PrivateKey], addresses: list[Address]
) -> transactions.LegacyTransaction:
    fields = {
        "nonce": U256(number // ACCOUNTS),
        "gas_price": Uint(10**10),
        "gas": Uint(21_000),
        "to": addresses[(number * 7 + 3) % ACCOUNTS],
        "value": U256(1),
        "data": Bytes(b""),
    }
    unsigned = transactions.LegacyTransaction(**fields, v=U256(0), r=U256(0), s=U256(0))
    digest = transactions.signing_hash_155(unsigned, U64(1))
    signature = secrets[number % ACCOUNTS].sign_recoverable(digest, hasher=None)
    return transactions.LegacyTransaction(
        **fields,
        v=U256(37 + signature[64]),
        r=U256(int.from_bytes(signature[:32], "big")),
        s=U256(int.from_bytes(signature[32:64], "big")),
    )


if __name__ == "__main__":
    main()
