"""The same random chain in several processes, each with its own hash seed.

Within one process a set of equal contents mostly has one order, so a second instance agrees with
the first although another node would not.  Processes with different hash seeds do what nodes do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

from runtime.testing.rehearsal import RuntimeFault, Setup
from runtime.testing.traffic import random_chain

HASH_SEEDS = ("1", "2", "31337")
PROCESS_SECONDS_MAX = 300


def agree_across_processes(setup: str, seed: bytes, blocks: int) -> bytes:
    """Return the state root of `random_chain`; raises `RuntimeFault` if two processes differ.

    `setup` names a `Setup` as "package.module:NAME".
    """
    roots: dict[str, str] = {}
    for hash_seed in HASH_SEEDS:
        command = [sys.executable, "-m", __name__, setup, seed.hex(), str(blocks)]
        ran = subprocess.run(  # our own module
            command,
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=PROCESS_SECONDS_MAX,
            check=False,
        )
        if ran.returncode:
            message = f"With the hash seed {hash_seed} the chain failed: {ran.stderr[-2000:]}"
            raise RuntimeFault(message, remedy="Repeat it with random_chain and the same seed.")
        roots[hash_seed] = ran.stdout.strip()
    if len(dict.fromkeys(roots.values())) != 1:
        message = f"The state root depends on the hash seed: {roots}."
        raise RuntimeFault(message, remedy="Look for a set or an address that reaches the state.")
    return bytes.fromhex(roots[HASH_SEEDS[0]])


def main(arguments: list[str]) -> None:
    """Print the state root of a random chain: MODULE:SETUP SEED_HEX BLOCKS."""
    place, seed, blocks = arguments
    module, _, name = place.partition(":")
    setup: Setup = getattr(import_module(module), name)
    rehearsal = random_chain(setup, bytes.fromhex(seed), int(blocks))
    sys.stdout.write(f"{rehearsal.tree.root.hex()}\n")


if __name__ == "__main__":  # pragma: no cover # in the processes that this module starts
    main(sys.argv[1:])
