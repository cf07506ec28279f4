"""The beacon: every header carries 32 bytes that nobody knew two heights before.

beacon(h) = H(beacon(h - 1), proof(h)) with proof(h) = the proposer's BLS signature over (chain, h,
beacon(h - 1)).  A key has one signature of a payload, so all a proposer can do is to withhold its
block: then another leader's proof decides.  The bias is at most one choice between two beacons for
each round in a row that it leads; consumers use the beacon of a height at least 2 after the
commitment that it must not influence.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.bls import BLS
from node.consensus.signing import BlockKeys
from runtime.errors import InvalidBlock
from runtime.hashing import hash_beacon

_HEIGHT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Beacon:
    """A beacon's value and the proof that its proposer made it."""

    value: bytes
    proof: bytes


def make_beacon(keys: BlockKeys, genesis_hash: bytes, height: int, parent: bytes) -> Beacon:
    """The beacon of `height`, after the `parent` beacon."""
    proof = keys.sign_beacon(genesis_hash, height, parent)
    return Beacon(hash_beacon(parent + proof), proof)


def check_beacon(
    beacon: Beacon, bls_key: bytes, genesis_hash: bytes, height: int, parent: bytes
) -> None:
    """Raise `InvalidBlock` unless the owner of `bls_key` made this beacon after `parent`."""
    signed = BLS.verify(bls_key, beacon_payload(genesis_hash, height, parent), beacon.proof)
    if not signed or hash_beacon(parent + beacon.proof) != beacon.value:
        message = f"The beacon of block {height} is not its proposer's."
        raise InvalidBlock(message, remedy="Do not accept blocks from where this one came.")


def beacon_payload(genesis_hash: bytes, height: int, parent: bytes) -> bytes:
    """What a proposer signs; no vote or share has a payload of this domain."""
    return hash_beacon(genesis_hash + height.to_bytes(_HEIGHT_BYTES, "big") + parent)
