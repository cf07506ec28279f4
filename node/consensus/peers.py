"""What consensus asks of the network."""

from __future__ import annotations

from typing import Protocol

from consensus.messages import Message


class Peers(Protocol):
    """The other nodes of the chain; sending never blocks, and may fail unseen."""

    def broadcast(self, message: Message) -> None:
        """Send to every peer."""

    def send(self, peer: bytes, message: Message) -> None:
        """Send to one peer, if it is connected."""

    def penalise(self, peer: bytes, reason: str) -> None:
        """Lower a peer's score: what it sent does not verify."""

    def pass_on(self, raw: bytes) -> None:
        """Send an extrinsic that was just admitted to every peer."""


class NoPeers:
    """The network of a chain with one node."""

    def broadcast(self, message: Message) -> None:
        """Nobody listens."""

    def send(self, peer: bytes, message: Message) -> None:
        """Nobody listens."""

    def penalise(self, peer: bytes, reason: str) -> None:
        """Nobody is there."""

    def pass_on(self, raw: bytes) -> None:
        """Nobody listens."""
