"""What kinds of messages there are, by how urgent they are; what they mean is their users' matter.

A kind has one payload in each `Form` it is used in: `STATUS` is sent and `BLOCKS` is asked for.
"""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """Priorities: what is in a lane waits for nothing in the lanes after it."""

    CONTROL = 0
    """The connection's own messages."""
    CONSENSUS = 1
    """Votes, certificates, proposals: never dropped; a peer that cannot keep up is let go."""
    SYNC = 2
    """Status, blocks, snapshots: refused when too much waits."""
    GOSSIP = 3
    """Extrinsics: the oldest are dropped when too many wait."""


class Form(IntEnum):
    """What a message is within its kind."""

    MESSAGE = 0
    """Sent without being asked for, and not answered."""
    REQUEST = 1
    """Answered by a response or a refusal with the same number."""
    RESPONSE = 2
    REFUSAL = 3
    """Instead of a response; it has no payload."""


class Kind(IntEnum):
    """Kinds of messages; the numbers are part of the protocol."""

    PING = 0
    """The network's own: a request with an empty payload, and its response."""
    GOODBYE = 1
    """The network's own: why the sender closes the connection."""
    PEERS = 2
    """The network's own: a request for addresses of other nodes, and its response."""
    CONSENSUS = 16
    """Proposals, votes and certificates of the heights in progress."""
    STATUS = 32
    """The sender's height, sent every few seconds."""
    BLOCKS = 33
    """Finalised blocks: asked for by height."""
    SNAPSHOT = 34
    """Manifests and chunks of state snapshots: asked for."""
    EXTRINSICS = 48
    """Extrinsics that wait for a block; the same bytes are delivered once."""


class Farewell(IntEnum):
    """Why a connection is closed: the payload of `GOODBYE`, one byte."""

    STOPPING = 0
    """The node stops."""
    FULL = 1
    """There is no place for the peer, or another one has taken it."""
    DUPLICATE = 2
    """There is another connection between the two."""
    BANNED = 3
    """The peer has misbehaved."""
    TOO_SLOW = 4
    """The peer does not read, answer or finish in time."""


LANES = {
    Kind.PING: Lane.CONTROL,
    Kind.GOODBYE: Lane.CONTROL,
    Kind.PEERS: Lane.CONTROL,
    Kind.CONSENSUS: Lane.CONSENSUS,
    Kind.STATUS: Lane.SYNC,
    Kind.BLOCKS: Lane.SYNC,
    Kind.SNAPSHOT: Lane.SYNC,
    Kind.EXTRINSICS: Lane.GOSSIP,
}
"""The lane of every kind."""

OWN_KINDS = frozenset({Kind.PING, Kind.GOODBYE, Kind.PEERS})
"""The kinds that the network itself sends and answers."""

GOSSIP_KINDS = frozenset({Kind.EXTRINSICS})
"""What peers pass on to each other: a message that was seen lately is not delivered again.

Not `CONSENSUS`: rule R4 repeats votes on purpose, for who could not use them the first time.
"""
