"""The beacon: every header carries 32 bytes that nobody knew two heights before.

beacon(h) = H(beacon(h - 1), proof(h)) with proof(h) = the proposer's signature over (chain, h,
beacon(h - 1)).  With ed25519 a proposer can try several signatures of one payload, so it can bias
its own beacon; the consumers use it for the order of training data, not for money.  BLS signatures,
which are unique, replace it together with multi-validator consensus.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import InvalidBlock
from runtime.hashing import hash_beacon
from runtime.keys import Keypair, verify

_HEIGHT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Beacon:
    """A beacon's value and the proof that its proposer made it."""

    value: bytes
    proof: bytes


def make_beacon(keypair: Keypair, genesis_hash: bytes, height: int, parent: bytes) -> Beacon:
    """The beacon of `height`, after the `parent` beacon."""
    proof = keypair.sign(_payload(genesis_hash, height, parent))
    return Beacon(hash_beacon(parent + proof), proof)


def check_beacon(
    beacon: Beacon, proposer: bytes, genesis_hash: bytes, height: int, parent: bytes
) -> None:
    """Raise `InvalidBlock` unless `proposer` made this beacon after `parent`."""
    signed = verify(proposer, _payload(genesis_hash, height, parent), beacon.proof)
    if not signed or hash_beacon(parent + beacon.proof) != beacon.value:
        message = f"The beacon of block {height} is not its proposer's."
        raise InvalidBlock(message, remedy="Do not accept blocks from where this one came.")


def _payload(genesis_hash: bytes, height: int, parent: bytes) -> bytes:
    return hash_beacon(genesis_hash + height.to_bytes(_HEIGHT_BYTES, "big") + parent)
