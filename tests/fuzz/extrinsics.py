"""Extrinsics: nobody but the signer can make one, and no signer can make one that breaks a node.

Three kinds of input: changed bytes of a signed extrinsic, which must be refused (or be the very
bytes that were signed); a changed body under a signature that holds, which must be refused with a
typed error or be an extrinsic; and, of the latter, those executed in a block.
"""

from __future__ import annotations

from random import Random

from genesis.chain_spec import development_keypair
from genesis.scenes import serving
from runtime.block import BlockContext
from runtime.cbor import decode, encode
from runtime.errors import DecodeError, InvalidTransaction
from runtime.extrinsic import CheckedExtrinsic
from runtime.hashing import ZERO_HASH
from runtime.testing import SeededDraws
from runtime.testing.rehearsal import Rehearsal
from runtime.testing.traffic import random_call
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import mutate
from tests.fuzz.openledger import SETUP

SEEDS = 256
FORGED = 0.6
"""The part of the inputs whose bytes are changed after signing."""
EXECUTED = 0.3
"""The part of the valid bodies that is executed, and not only checked."""
KEYPAIR = development_keypair("user")


def make() -> Step:
    """Return the fuzzer's step; making it signs random calls on a chain in use."""
    rehearsal = Rehearsal(SETUP)
    serving(rehearsal)
    draws = SeededDraws(b"fuzz extrinsics")
    calls = rehearsal.calls()
    signed = []
    for number in range(SEEDS):
        call = random_call(rehearsal, draws, calls[number % len(calls)], None)
        signed.append(rehearsal.sign(KEYPAIR, call))
    bodies = [decode(raw)[3] for raw in signed]
    known = dict.fromkeys(signed)

    def step(random: Random) -> bool:
        if random.random() < FORGED:
            return _try_forged(rehearsal, known, mutate(random, signed))
        body = mutate(random, bodies)
        return _try_signed(rehearsal, body, execute=random.random() < EXECUTED)

    return step


def _try_forged(rehearsal: Rehearsal, known: dict[bytes, None], raw: bytes) -> bool:
    try:
        checked = rehearsal.runtime.check_any(raw, rehearsal.genesis_hash)
    except (DecodeError, InvalidTransaction):
        return False
    if isinstance(checked, CheckedExtrinsic) and raw not in known:
        raise Finding("an extrinsic that nobody signed is accepted", raw)
    return True


def _try_signed(rehearsal: Rehearsal, body: bytes, *, execute: bool) -> bool:
    signature = KEYPAIR.sign(rehearsal.genesis_hash + body)
    raw = encode([1, KEYPAIR.account, signature, body])
    try:
        checked = rehearsal.runtime.check(raw, rehearsal.genesis_hash)
        rehearsal.runtime.validate(rehearsal.state, checked, rehearsal.height + 1)
    except (DecodeError, InvalidTransaction):
        return False
    if checked.raw != raw or checked.signer != KEYPAIR.account:
        raise Finding("an extrinsic decodes to something else", raw)
    if execute:
        _execute(rehearsal, checked)
    return True


def _execute(rehearsal: Rehearsal, checked: CheckedExtrinsic) -> None:
    """A block of it: whatever it says, its block is executed, or it is left out."""
    height = rehearsal.height + 1
    context = BlockContext(height, height, ZERO_HASH, ZERO_HASH, ZERO_HASH)
    rehearsal.runtime.execute(
        rehearsal.state, context, rehearsal.genesis_hash, [checked], skip_invalid=True
    )


if __name__ == "__main__":
    main("extrinsics", make)
