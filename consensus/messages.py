"""What validators and nodes send each other about one height.

On the wire a message is one byte, its `MessageKind`, and the canonical CBOR of its fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, TypeAlias

from consensus.votes import Certificate, Vote
from runtime.block import BLOCK_BYTES_MAX
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.types import U32, BlockNumber, Hash, Max

ROUNDS_MAX = 1_024
"""The last round of a height; time-outs that double keep every height from it (R1)."""
ENCODED_BLOCK_BYTES_MAX = BLOCK_BYTES_MAX + 256 * 1024
"""The largest encoded block: its extrinsics, their headings, the header and the parent's commit."""
BlockBytes = Annotated[bytes, Max(ENCODED_BLOCK_BYTES_MAX)]


@dataclass(frozen=True, slots=True)
class Entry:
    """Why a round may start, and what may be proposed in it.

    With rp the round of `notarized`, or 0: `nullified` has exactly the rounds rp + 1 up to the one
    before, in order.  With rp > 0 the notarized block must be proposed again.
    """

    notarized: Certificate | None
    nullified: Annotated[tuple[Certificate, ...], Max(ROUNDS_MAX)]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A leader's block for a round; `block` is left out where it was sent before."""

    vote: Vote
    """Its statement is of the kind `PROPOSE`."""
    entry: Entry
    block: BlockBytes | None


@dataclass(frozen=True, slots=True)
class Status:
    """Where a node is: the height and round it decides, and why it is there."""

    height: BlockNumber
    round: U32
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Decided:
    """A decided block for those who are behind."""

    height: BlockNumber
    block: BlockBytes
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """Ask for a block that is proposed or decided and has not arrived."""

    height: BlockNumber
    block_id: Hash


@dataclass(frozen=True, slots=True)
class BlockReply:
    """The block asked for."""

    height: BlockNumber
    block: BlockBytes


Message: TypeAlias = Vote | Certificate | Proposal | Status | Decided | BlockRequest | BlockReply


class MessageKind(IntEnum):
    """The number of a message's type on the wire."""

    VOTE = 0
    CERTIFICATE = 1
    PROPOSAL = 2
    STATUS = 3
    DECIDED = 4
    BLOCK_REQUEST = 5
    BLOCK_REPLY = 6


_TYPES: dict[int, type[Message]] = {
    MessageKind.VOTE: Vote,
    MessageKind.CERTIFICATE: Certificate,
    MessageKind.PROPOSAL: Proposal,
    MessageKind.STATUS: Status,
    MessageKind.DECIDED: Decided,
    MessageKind.BLOCK_REQUEST: BlockRequest,
    MessageKind.BLOCK_REPLY: BlockReply,
}
_KINDS = {body: kind for kind, body in _TYPES.items()}


def encode_message(message: Message) -> bytes:
    """The bytes of a message on the wire."""
    body = type(message)
    return bytes([_KINDS[body]]) + codec_of(body).encode(message)


def decode_message(data: bytes) -> Message:
    """Return the message of these bytes, not verified; raises `DecodeError`."""
    body = _TYPES.get(data[0]) if data else None
    if body is None:
        message = f"{len(data)} bytes are not a message of consensus."
        raise DecodeError(message, remedy="Drop it; the peer is faulty or of another version.")
    decoded: Message = codec_of(body).decode(data[1:])
    return decoded


def height_of(message: Message) -> int:
    """The height that a message is about."""
    match message:
        case Vote() | Certificate():
            return message.statement.height
        case Proposal():
            return message.vote.statement.height
        case _:
            return message.height
