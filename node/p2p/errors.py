"""Every error of the peer-to-peer network.

NodeError
 `- NetworkError
     |- InvalidAddress               not an address that a node can be reached at
     |- HandshakeError               no encrypted connection came about; `reason` counts them
     |   |- NotOurProtocol           what answers is not an OpenLedger node
     |   |- VersionMismatch          another version of this protocol
     |   |- ChainMismatch            a node of another chain, or of other rules
     |   |- SelfConnection           the node has reached itself
     |   |- WrongIdentity            another node than the one that was to be reached
     |   |- AlreadyConnected         a node that this one is connected with
     |   |- PeerRefused              the other node, or this one, does not want the connection
     |   |- HandshakeForged          a message that whoever holds the keys did not write
     |   `- HandshakeTimeout         it took longer than it may
     |- WireError                    a connection that carries what no honest node sends
     |   |- FrameDamaged             a frame that does not decrypt, or has an impossible length
     |   |- MessageMalformed         a frame whose content is not pieces of messages
     |   `- PeerFloods               far more at once than a lane allows
     |- PeerLost                     the peer is not connected, or went away before it answered
     |- PeerTooSlow                  the peer did not read, answer or finish in time
     |- RequestRefused               the peer does not answer this request
     `- TooManyRequests              the peer has as many requests to answer as one may send
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class NetworkError(NodeError):
    """An error of the peer-to-peer network."""


class InvalidAddress(NetworkError):
    """A text or a pair of host and port is not an address to reach a node at."""


class HandshakeError(NetworkError):
    """No encrypted connection came about; `reason` is the label that metrics count it under."""

    reason: ClassVar[str]


class NotOurProtocol(HandshakeError):
    """What arrived does not begin as a handshake does."""

    reason = "protocol"


class VersionMismatch(HandshakeError):
    """The other node speaks another version of this protocol."""

    reason = "version"


class ChainMismatch(HandshakeError):
    """The other node belongs to another chain, or runs it by other rules."""

    reason = "chain"


class SelfConnection(HandshakeError):
    """The node has connected to itself."""

    reason = "self"


class WrongIdentity(HandshakeError):
    """Another node answers at the address than the one that was to be reached."""

    reason = "identity"


class AlreadyConnected(HandshakeError):
    """There is a connection with the node at this address; `identity` is who it is."""

    reason = "connected"

    def __init__(self, identity: bytes) -> None:
        """Keep the identity, which the node at the address has proved."""
        message = f"The node is connected with {identity.hex()} already."
        super().__init__(message, remedy="Nothing to do: one connection is enough.")
        self.identity = identity


class PeerRefused(HandshakeError):
    """One side does not want the connection: a ban, or no place for it."""

    reason = "refused"


class HandshakeForged(HandshakeError):
    """A message of the handshake was changed, replayed, or written without the keys for it."""

    reason = "forged"


class HandshakeTimeout(HandshakeError):
    """The handshake did not end within its time."""

    reason = "timeout"


class WireError(NetworkError):
    """The connection carries what no honest node sends; it is closed."""


class FrameDamaged(WireError):
    """A frame does not decrypt, or its length is impossible."""


class MessageMalformed(WireError):
    """A frame's content is not a sequence of pieces of messages, or a message is too large."""


class PeerFloods(WireError):
    """The peer has sent so much at once that reading it at its rate would take too long."""


class PeerLost(NetworkError):
    """The peer is not connected, or went away before it answered."""


class PeerTooSlow(NetworkError):
    """The peer did not read, answer or finish within its time."""


class RequestRefused(NetworkError):
    """The peer says that it does not answer this request."""


class TooManyRequests(NetworkError):
    """As many requests wait for the peer's answers as may wait."""
