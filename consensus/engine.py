"""The interface between consensus and the node: events in, effects out, no I/O inside.

The node calls `on(event)` with one event at a time and carries out the returned effects strictly
in their order; an effect is finished before the next one starts (W1: `PersistSigner` is on disk
before the `BroadcastVote` behind it leaves).  What an effect leads to comes back as a later event.

    Start ->  BuildBlock ............ BlockBuilt ->  PersistSigner, BroadcastVote (notarize)
              BroadcastVote ......... VoteReceived   (a broadcast reaches the sender, too)
    VoteReceived ->  PersistSigner, BroadcastVote (finalize)
    VoteReceived ->  FinalizeBlock, BuildBlock (of the next height)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from consensus.votes import Certificate, Vote


@dataclass(frozen=True, slots=True)
class Start:
    """The node has started: its last committed block, and the bytes of its signer file if any."""

    head_height: int
    head_id: bytes
    signer_state: bytes | None


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """The block asked for by `BuildBlock` is executed; `block_id` is its header's hash."""

    height: int
    round: int
    block_id: bytes
    block: bytes


@dataclass(frozen=True, slots=True)
class VoteReceived:
    """A vote has arrived, or one of our own has been broadcast."""

    vote: Vote


Event: TypeAlias = Start | BlockBuilt | VoteReceived


@dataclass(frozen=True, slots=True)
class BuildBlock:
    """Build a block on `parent_id` when there is a reason to, and send `BlockBuilt`."""

    height: int
    round: int
    parent_id: bytes


@dataclass(frozen=True, slots=True)
class PersistSigner:
    """Replace the signer file by these bytes and fsync, before any later effect (W1, W5)."""

    signer_state: bytes


@dataclass(frozen=True, slots=True)
class BroadcastVote:
    """Send the vote to every validator; our own node gets it as `VoteReceived`."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class FinalizeBlock:
    """Commit this block and its certificate to the store in one synced batch (W4)."""

    height: int
    block_id: bytes
    block: bytes
    commit: Certificate


Effect: TypeAlias = BuildBlock | PersistSigner | BroadcastVote | FinalizeBlock


class Engine(Protocol):
    """A consensus engine; the node knows no more of it."""

    def on(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and return what to do, in order."""
