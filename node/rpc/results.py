"""What JSON-RPC methods answer, as types; the OpenRPC document has them as JSON Schemas.

Bytes are hexadecimal digits without `0x`; integers are exact at any size, so that a reader in
JavaScript needs a parser that keeps those above 2**53; amounts are in 10**-18 OPEN.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from node.rpc.parameters import Schema


class Digits:
    """Bytes as hexadecimal digits in lower case; without a length, any number of them."""

    def __init__(self, length: int | None = None) -> None:
        self._length = length

    def schema(self) -> Schema:
        """A string with a pattern."""
        count = "*" if self._length is None else f"{{{self._length}}}"
        return {"type": "string", "pattern": f"^([0-9a-f]{{2}}){count}$"}


HexText = Annotated[str, Digits()]
"""Bytes of any length."""
HashText = Annotated[str, Digits(32)]
"""32 bytes."""


class ProvedHeader(TypedDict):
    """A finalised header, and what proves it final: see `consensus.light`."""

    height: int
    id: HashText
    header: HexText
    """Its canonical bytes; their hash is the id."""
    commit: HexText
    """The certificate that finalised it; empty for block 0."""
    validators: HexText
    """The validators whose certificate it is."""
    fields: dict[str, Any]
    """The header by the names of its fields."""


class ReadProof(ProvedHeader, total=False):
    """Storage values, or their absence, under one finalised header."""

    entries: list[HexText]
    """A proof for each key, as receipts carry it."""
    proof: HexText
    """One shorter proof for all keys, if that was asked for."""


class Outcome(TypedDict):
    """How the call of an included extrinsic ended."""

    ok: bool
    error: str
    """A sentence; empty if `ok`, as the next two."""
    error_name: str
    """For example `Balances.Insufficient`."""
    remedy: str
    events: list[Any]


class ExtrinsicView(Outcome, total=False):
    """An extrinsic of a block; one without a signer is the proposer's."""

    hash: HashText
    call: str
    """`Pallet.name`."""
    arguments: dict[str, Any]
    signer: HashText
    nonce: int
    tip: int


class BlockView(TypedDict):
    """A block with its extrinsics decoded and their results."""

    height: int
    id: HashText
    header: dict[str, Any]
    extrinsics: list[ExtrinsicView]
    encoded: HexText


class EncodedEvents(TypedDict):
    """The events of a block in their canonical encoding."""

    height: int
    spec_version: int
    encoded: HexText


class BlockEventsView(EncodedEvents, total=False):
    """The events of a block, and if wanted as JSON."""

    events: list[Any]


class ExtrinsicStatus(TypedDict):
    """Where an extrinsic is, and once it is included, with what result."""

    state: Literal["included", "pending", "unknown"]
    height: int | None
    index: int | None
    """Its place in its block."""
    ok: bool | None
    error: str
    """Of what was given up lately, why."""
    error_name: str
    remedy: str
    events: list[Any]


class Refusal(TypedDict):
    """Why an extrinsic was given up."""

    type: str
    message: str
    remedy: str


class ExtrinsicUpdate(TypedDict, total=False):
    """The next stage of a watched extrinsic; the last is one of the last four."""

    stage: Literal["future", "ready", "finalized", "usurped", "dropped", "invalid"]
    """Future waits for an earlier nonce, ready for a block."""
    height: int
    """Of the block; with `finalized`, as the next three."""
    block: HashText
    index: int
    outcome: Outcome
    usurper: HashText
    """The hash of what took its place."""
    reason: Refusal
    """With the last three."""


class FeeInfo(TypedDict):
    """What an extrinsic would pay in the next block beside its tip."""

    fee: int
    units: int
    """The weight of its call; see docs/build/weights.md."""
    length_bytes: int


class FeeDetails(TypedDict):
    """The parts of the fee of `payment_queryInfo`."""

    base: int
    length: int
    """Its bytes times the price of a byte."""
    weight: int
    """Its weight units, those of every extrinsic included, times the price of a unit."""
    tip: int


class StorageChange(TypedDict):
    """A storage key whose value differs."""

    key: HexText
    before: HexText | None
    after: HexText | None


class DryRun(TypedDict):
    """What an extrinsic would do in a block on the head."""

    outcome: Outcome
    spec_version: int
    encoded_events: HexText
    """The events of `outcome` as `chain_getEvents` has a block's."""
    fee: int
    tip: int
    units: int
    """Its declared weight, which it pays for."""
    units_used: int
    reads: int
    """Distinct storage keys."""
    writes: int
    storage: list[StorageChange]
    """What the block leaves otherwise than it would without the extrinsic."""


class StorageAt(TypedDict):
    """Values of storage keys at one finalised block."""

    height: int
    block: HashText
    changes: list[tuple[HexText, HexText | None]]
    """Keys with their values; null: none."""


class RuntimeVersion(TypedDict):
    """Which runtime the next block is executed by."""

    spec_name: str
    spec_version: int


class Health(TypedDict):
    """Heights, and what this node is connected to."""

    height: int
    finalized_height: int
    """The same: every block is final."""
    peers: int
    syncing: bool
    migrating: bool
    """Whether an upgrade is not finished: nothing can be submitted meanwhile."""
    pending: int
    """Extrinsics that wait."""
    time_ms: int
    """When the head was made, by its proposer's clock."""


class SyncState(TypedDict):
    """How far this node is, and how far the network."""

    starting_height: int
    """Where this process began."""
    current_height: int
    highest_height: int
    """The highest that a peer has told of, or the own."""


class PeerView(TypedDict):
    """A node that this one is connected to."""

    peer: str
    """Its identity: the public key it proved to have."""
    address: str
    direction: Literal["inbound", "outbound"]
    reserved: bool
    """Whether it is one that this node was told to keep."""
    connected_s: float
    received_bytes: int
    sent_bytes: int
    rtt_s: float | None
    points: float
    """Of misbehaviour, lately; 90 bring a ban."""


class BanView(TypedDict):
    """Who is kept out."""

    who: str
    """`id ` and an identity, or `ip ` and an address or IPv6 network."""
    until_s: float
    """Seconds since 1970."""


class PeersView(TypedDict):
    """What the operator is told of other nodes."""

    peers: list[PeerView]
    bans: list[BanView]


class Properties(TypedDict):
    """What identifies the chain, and what a signature binds."""

    chain: str
    genesis_hash: HashText
    spec_name: str
    spec_version: int
    token: str
    decimals: int
    validators: HexText
    pallets: list[Any]
    """The pallets from packages, with the hashes of their sources."""
