"""The interface between consensus and the node: events in, effects out, no I/O inside.

The node calls `on(event)` with one event at a time and carries out the returned effects strictly
in their order; an effect is finished before the next one starts.  What an effect leads to comes
back as a later event; the answer to `Sign` alone (`Signed` or `SignRefused`) comes before any
other event.

    HeightBegan -> BuildBlock ........ BlockBuilt -> Append, Flush, Sign
    Sign ............................. Signed     -> Append, Flush, Broadcast
    MessageReceived(Proposal) -> CheckBlock ...... BlockChecked -> Append, Flush, Sign
    MessageReceived(...) -> Append, Broadcast, Sign, StartTimer, Finalize, ...
    Finalize ......................... HeightBegan
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from consensus.evidence import Evidence
from consensus.log import Record
from consensus.messages import Message
from consensus.votes import Certificate, Statement, Vote
from runtime.wire.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class HeightBegan:
    """The block before is committed, or the node has started: decide this height."""

    height: int
    parent_id: bytes
    validators: ValidatorSet
    """Those of this height."""
    seed: bytes
    """From which the leaders follow: the beacon of the parent (R0)."""
    records: tuple[Record, ...] = ()
    """After a start: the log's records of this height."""
    signed: tuple[Vote, ...] = ()
    """After a start: what the signer remembers of this height."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message has arrived from a peer; `peer` is its identity, 32 bytes."""

    peer: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """The block asked for by `BuildBlock` is executed; `block_id` is its header's hash."""

    height: int
    block_id: bytes
    block: bytes


@dataclass(frozen=True, slots=True)
class BlockChecked:
    """The block of `CheckBlock` was executed: whether it leads to what its header claims."""

    height: int
    block_id: bytes
    valid: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """The signer has signed, durably (W5)."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class SignRefused:
    """The signer does not sign this: it has signed something else (W5), or only observes (W6)."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time of `StartTimer` is over."""

    height: int
    round: int


Event: TypeAlias = (
    HeightBegan | MessageReceived | BlockBuilt | BlockChecked | Signed | SignRefused | TimerFired
)


@dataclass(frozen=True, slots=True)
class BuildBlock:
    """Build a block on `parent_id` when there is a reason to, and send `BlockBuilt`."""

    height: int
    parent_id: bytes


@dataclass(frozen=True, slots=True)
class CheckBlock:
    """Execute a block on its parent, and send `BlockChecked`."""

    height: int
    block_id: bytes
    block: bytes


@dataclass(frozen=True, slots=True)
class Append:
    """Append a record to the write-ahead log; it need not be on disk before the next `Flush`."""

    record: Record


@dataclass(frozen=True, slots=True)
class Flush:
    """Fsync the log before any later effect (W1, W2)."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Have the statement signed, and send `Signed` or `SignRefused` before any other event."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every validator, and not to ourselves."""

    message: Message


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one peer."""

    peer: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class SendDecided:
    """Send a peer the decided block of a height, if the node still has it, and its certificate."""

    peer: bytes
    height: int


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Send `TimerFired` after this long; a timer of another round or height may be forgotten."""

    height: int
    round: int
    after_ms: int


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """Lower the peer's score: what it sent does not verify."""

    peer: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ReportEvidence:
    """Keep proof that validators broke the rules, to be put into a block."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Finalize:
    """Commit the block and what decided it in one synced batch (W4), and send `HeightBegan`."""

    height: int
    block_id: bytes
    block: bytes
    certificate: Certificate
    justification: tuple[Certificate, ...]
    """Every other certificate seen at the height; kept as long as faults can be punished."""


Effect: TypeAlias = (
    BuildBlock
    | CheckBlock
    | Append
    | Flush
    | Sign
    | Broadcast
    | Send
    | SendDecided
    | StartTimer
    | Misbehaved
    | ReportEvidence
    | Finalize
)


class Engine(Protocol):
    """A consensus engine; the node knows no more of it."""

    def on(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and return what to do, in order."""
