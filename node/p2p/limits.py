"""A bound on everything that other nodes can make this one hold, do or wait for: the one table.

What a peer can make the node hold: one unfinished frame (1 MiB), in each lane one unfinished
message (8 MiB for a proposal or for an answer that was asked for, otherwise less), an inbox, and an
outbox of what it does not read.  All unfinished messages of all peers have a bound of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from node.p2p.kinds import Form, Kind, Lane

KIB = 1024
MIB = 1024 * KIB

# The wire: two nodes have to agree on these.
FRAME_BYTES_MAX = MIB
"""Of one frame's plaintext."""
MESSAGE_BYTES_MAX = 8 * MIB
"""Of one message: a block of at most 4 MiB with what belongs to it."""
REQUEST_BYTES_MAX = 16 * KIB
"""A request says what is asked for."""
PAYLOAD_BYTES_MAX: Mapping[tuple[Kind, Form], int] = {
    (Kind.PING, Form.REQUEST): 0,
    (Kind.PING, Form.RESPONSE): 0,
    (Kind.GOODBYE, Form.MESSAGE): 1,
    (Kind.PEERS, Form.REQUEST): 0,
    (Kind.PEERS, Form.RESPONSE): 8 * KIB,
    (Kind.CONSENSUS, Form.MESSAGE): MESSAGE_BYTES_MAX,
    (Kind.STATUS, Form.MESSAGE): 4 * KIB,
    (Kind.BLOCKS, Form.REQUEST): REQUEST_BYTES_MAX,
    (Kind.BLOCKS, Form.RESPONSE): MESSAGE_BYTES_MAX,
    (Kind.SNAPSHOT, Form.REQUEST): REQUEST_BYTES_MAX,
    (Kind.SNAPSHOT, Form.RESPONSE): MESSAGE_BYTES_MAX,
    (Kind.EXTRINSICS, Form.MESSAGE): MIB,
}
"""The largest payload of each kind in each form; a form that is not here is malformed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: `per_second` in the long run, `burst` at once."""

    per_second: float
    burst: float

    def times(self, factor: float) -> Rate:
        """A rate that is larger or smaller."""
        return Rate(self.per_second * factor, self.burst * factor)


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What one peer may send, and what may wait for it, in one lane."""

    messages: Rate
    bytes: Rate
    outbox_messages_max: int
    outbox_bytes_max: int
    """One message that is larger may be there alone."""


LANE_LIMITS: Mapping[Lane, LaneLimits] = {
    Lane.CONTROL: LaneLimits(Rate(20, 100), Rate(16 * KIB, 64 * KIB), 64, 64 * KIB),
    Lane.CONSENSUS: LaneLimits(Rate(3_000, 6_000), Rate(16 * MIB, 32 * MIB), 8_192, 32 * MIB),
    Lane.SYNC: LaneLimits(Rate(200, 1_000), Rate(64 * MIB, 128 * MIB), 64, 16 * MIB),
    Lane.GOSSIP: LaneLimits(Rate(5_000, 20_000), Rate(4 * MIB, 16 * MIB), 4_096, 4 * MIB),
}

GOSSIP_SENT = 0.5
"""The part of a peer's gossip limits that is used: its bucket must not overflow where delays bunch
what was sent evenly, or an honest node would be banned for passing on what its users send."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one node allows; two nodes need not agree on it."""

    # Connections
    inbound_max: int = 40
    outbound_max: int = 10
    outbound_per_neighbourhood_max: int = 2
    """Outbound connections to one /16 of public addresses."""
    per_ip_max: int = 4
    """Inbound connections from one IP address, handshakes included; loopback is exempt."""
    handshakes_max: int = 32
    """Inbound connections whose handshake is not over."""
    arrivals: Rate = field(default=Rate(10, 100))
    """Inbound connections from one IP address, also loopback: each costs a signature."""
    arrivals_remembered_max: int = 4_096
    """IP addresses whose rate is known."""
    dials_max: int = 4
    """Outbound connections that are being made."""
    connect_timeout_s: float = 5.0
    """For TCP, and as long again for the handshake."""

    # Time
    ping_interval_s: float = 10.0
    pong_timeout_s: float = 20.0
    """A peer that answers no ping for so long is gone."""
    write_timeout_s: float = 20.0
    """For one frame to leave."""
    message_timeout_s: float = 60.0
    """From the first piece of a message to its last."""
    goodbye_timeout_s: float = 1.0
    """For a last word to leave."""

    # Memory
    lanes: Mapping[Lane, LaneLimits] = field(default_factory=lambda: LANE_LIMITS)
    inbox_messages_max: int = 1_024
    """Of each lane of each peer, while they wait for who handles them."""
    inbox_bytes_max: int = 2 * MIB
    """The same; one message that is larger may be there alone."""
    unfinished_bytes_max: int = 128 * MIB
    """Messages of which pieces are missing, of all peers."""
    requests_max: int = 16
    """Requests that wait for the answers of one peer."""
    seen_messages_max: int = 32_768
    """Hashes of gossip that are remembered, twice: of this period and of the last."""
    seen_period_s: float = 60.0

    # Other nodes
    addresses_max: int = 1_000
    """In the address book."""
    addresses_per_source_max: int = 64
    """Of those, what one peer has told."""
    exchange_interval_s: float = 10.0
    """Between two requests for addresses to one peer; an earlier one is refused."""
    dial_interval_s: float = 1.0
    """Between two looks at whether another peer is needed."""
    save_interval_s: float = 60.0
    """Between two writes of the address book."""
    bans_max: int = 4_096
