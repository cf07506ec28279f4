"""`NodeConnection`: all that can be asked of a node without knowing its pallets.

`NodeClient` adds the runtime that this installation has; a typed client (`node/chain_client`) adds
the one it was generated for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from consensus.light import check_commit
from node.closing import Closing
from node.errors import (
    ClientError,
    ContentDamaged,
    ContentMissing,
    ContentTooLarge,
    NodeError,
)
from node.transport import PATIENCE_S, Transport
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import InvalidProof
from runtime.events import EventRecord
from runtime.hashing import hash_content
from runtime.state.multiproof import verify_entries
from runtime.wire.receipts import StateEntry
from runtime.wire.state_proof import StateProof

POLL_INTERVAL_S = 0.05
REQUEST_TIMEOUT_S = 60.0
INCLUSION_TIMEOUT_S = 30.0
KEYS_PER_PAGE = 500
RECENT_BLOCKS_MAX = 4
"""Blocks whose decoded events a connection keeps."""
ENTRIES_MAX = 10_000
"""The most entries of a map that are listed unless told otherwise."""


@dataclass(frozen=True, slots=True)
class EncodedEvents:
    """The events of a block, and what their bytes mean: the spec version of the block."""

    height: int
    spec_version: int
    encoded: bytes


DecodeEvents = Callable[[EncodedEvents], tuple[EventRecord, ...]]
"""From the events of a block to records; it knows the pallets of each spec version."""


@dataclass(frozen=True, slots=True)
class Head:
    """A finalised header with what proves it: the validators' commit and who they are."""

    header: Header
    header_bytes: bytes
    commit: bytes
    validators: bytes

    @property
    def height(self) -> int:
        """The header's height."""
        return self.header.height


@dataclass(frozen=True, slots=True)
class ProvedState:
    """Storage values, verified under the state root of one finalised header."""

    head: Head
    values: Mapping[bytes, bytes | None]
    """`None`: the key has no value."""


@dataclass(frozen=True, slots=True)
class ReadProof:
    """State entries proved under the state root of one finalised header."""

    head: Head
    entries: tuple[StateEntry, ...]


class NodeConnection(Closing):
    """One node over HTTP; threads may share it, processes may not."""

    def __init__(
        self,
        url: str,
        *,
        decode_events: DecodeEvents,
        timeout_s: float = REQUEST_TIMEOUT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Prepare to talk to the node at `url`; nothing is sent yet.

        `patience_s` is how long a request is repeated while nothing answers.
        """
        self.url = url.rstrip("/")
        self.decode_events = decode_events
        self._transport = Transport(self.url, timeout_s=timeout_s, patience_s=patience_s)
        self._lock = threading.Lock()
        self._recent_events: dict[int, tuple[EventRecord, ...]] = {}

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def call(self, method: str, *parameters: Any) -> Any:
        """Any JSON-RPC method, its result as JSON; raises `RpcFailed`, `NodeUnreachable`."""
        return self._transport.call(method, *parameters)

    def call_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """The results of one method for several parameter lists; raises the first failure."""
        return self._transport.call_many(method, parameters)

    def try_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """The result, or the `RpcFailed`, for each of several parameter lists, in their order."""
        return self._transport.try_many(method, parameters)

    # The chain

    @cached_property
    def properties(self) -> Mapping[str, Any]:
        """The chain's constants: `genesis_hash` (hex), `spec_version`, `token`, `decimals`."""
        result: Mapping[str, Any] = self.call("system_properties")
        return result

    @property
    def genesis_hash(self) -> bytes:
        """The id of block 0: which chain this is."""
        return bytes.fromhex(self.properties["genesis_hash"])

    @property
    def spec_version(self) -> int:
        """The version of the node's runtime: what the calls of an extrinsic mean."""
        return int(self.properties["spec_version"])

    def head(self) -> Head:
        """The last finalised header with its commit."""
        return head_of(self.call("chain_getFinalizedHead"))

    def height(self) -> int:
        """The last finalised height."""
        return int(self.call("system_health")["finalized_height"])

    def wait_height(self, height: int, timeout_s: float = INCLUSION_TIMEOUT_S) -> int:
        """Wait for a finalised height of at least `height`, and return it."""
        deadline = time.monotonic() + timeout_s
        while (reached := self.height()) < height:
            if time.monotonic() > deadline:
                message = f"The chain is at height {reached} after {timeout_s:g} s, not {height}."
                raise ClientError(message, remedy="Check the node's log; blocks may have stopped.")
            time.sleep(POLL_INTERVAL_S)
        return reached

    def events(self, height: int) -> tuple[EventRecord, ...]:
        """All events of a block, decoded; raises `RpcFailed` for a height that is not there."""
        known = self._recent_events.get(height)
        if known is None:
            known = self.decode_events(events_of(self.call("chain_getEvents", height, False)))
            # A finalised block never changes, and the calls of a batch share a few blocks.
            with self._lock:
                self._recent_events[height] = known
                if len(self._recent_events) > RECENT_BLOCKS_MAX:
                    self._recent_events.pop(next(iter(self._recent_events)))
        return known

    # The state, as bytes

    def get(self, key: bytes) -> bytes | None:
        """The encoded value of a storage key at the head, or None: one key, one request."""
        value = self.call("state_getStorage", key.hex())
        return None if value is None else bytes.fromhex(value)

    def entries_of(self, prefix: bytes, count_max: int) -> list[tuple[bytes, bytes]]:
        """The first storage keys with a prefix, in order, and their encoded values."""
        keys = self._storage_keys(prefix, count_max)
        values = self.call_many("state_getStorage", [[key.hex()] for key in keys])
        # A value can be gone between the two requests: the chain goes on meanwhile.
        return [
            (key, bytes.fromhex(value))
            for key, value in zip(keys, values, strict=True)
            if value is not None
        ]

    def _storage_keys(self, prefix: bytes, count_max: int) -> list[bytes]:
        found: list[bytes] = []
        after: str | None = None
        while len(found) < count_max:
            count = min(KEYS_PER_PAGE, count_max - len(found))
            page = self.call("state_getKeysPaged", prefix.hex(), count, after)
            found.extend(bytes.fromhex(key) for key in page)
            if len(page) < count:
                break
            after = page[-1]
        return found

    def proof(self, keys: Sequence[bytes], height: int | None = None) -> ReadProof:
        """Proofs of storage keys, one each, under one finalised header of any kept height."""
        answer = self.call("state_getReadProof", [key.hex() for key in keys], height)
        codec = codec_of(StateEntry)
        entries = tuple(codec.decode(bytes.fromhex(entry)) for entry in answer["entries"])
        return ReadProof(head_of(answer), entries)

    def proved(self, keys: Sequence[bytes], height: int | None = None) -> ProvedState:
        """Values of storage keys, which need not be believed: they and their header are verified.

        Raises `InvalidProof` or `InvalidCertificate` when the node proves something else.
        """
        answer = self.call("state_getReadProof", [key.hex() for key in keys], height, True)
        head = head_of(answer)
        # Block 0 needs no votes: its id is the chain's.
        if head.header.id() != self.genesis_hash:
            check_commit(head.header, head.commit, head.validators, self.genesis_hash)
        proof = StateProof.decode(bytes.fromhex(answer["proof"]))
        values = verify_entries(head.header.state_root, proof)
        if values.keys() != frozenset(keys):
            message = "The node proves other keys than it was asked for."
            raise InvalidProof(message, remedy="Ask another node.")
        return ProvedState(head, values)

    # Extrinsics

    def next_nonce(self, account: bytes) -> int:
        """The nonce after all extrinsics of `account` that are in blocks or waiting."""
        return int(self.call("system_accountNextIndex", account.hex()))

    def status(self, extrinsic_hash: bytes) -> Mapping[str, Any]:
        """`state` (unknown, pending, included) and, once included, where and with what result."""
        result: Mapping[str, Any] = self.call("author_extrinsicStatus", extrinsic_hash.hex())
        return result

    # Content

    def put_content(self, data: bytes) -> bytes:
        """Store bytes beside the chain; returns their hash, checked against our own."""
        response = self._transport.request("PUT", "/content", data)
        if response.status_code != 200:
            raise _refused(response)
        content_hash = hash_content(data)
        if response.json().get("hash") != content_hash.hex():
            message = "The node stored the content under another hash than it has."
            raise ContentDamaged(message, remedy="Upload it again.")
        return content_hash

    def get_content(self, content_hash: bytes) -> bytes:
        """The bytes with this hash, checked; raises `ContentMissing`, `ContentDamaged`."""
        response = self._transport.request("GET", f"/content/{content_hash.hex()}")
        if response.status_code == 404:
            message = f"The node at {self.url} does not have the content {content_hash.hex()}."
            raise ContentMissing(message, remedy="Upload it, or ask the node of its uploader.")
        if response.status_code != 200:
            raise _refused(response)
        if hash_content(response.content) != content_hash:
            message = f"The node's bytes for {content_hash.hex()} have another hash."
            raise ContentDamaged(message, remedy="Do not use them; ask another node.")
        return response.content

    def has_content(self, hashes: Sequence[bytes]) -> tuple[bool, ...]:
        """Which of the hashes the node has."""
        return tuple(self.call("content_has", [each.hex() for each in hashes]))


def events_of(answer: Mapping[str, Any]) -> EncodedEvents:
    """The events of a block out of the answer of an RPC method."""
    return EncodedEvents(
        int(answer["height"]), int(answer["spec_version"]), bytes.fromhex(answer["encoded"])
    )


def head_of(answer: Mapping[str, Any]) -> Head:
    """A header with its proof out of the answer of an RPC method."""
    header_bytes = bytes.fromhex(answer["header"])
    return Head(
        codec_of(Header).decode(header_bytes),
        header_bytes,
        bytes.fromhex(answer["commit"]),
        bytes.fromhex(answer["validators"]),
    )


def _refused(response: httpx.Response) -> NodeError:
    try:
        error = response.json()["error"]
        message, remedy = str(error["message"]), str(error["data"]["remedy"])
    except (ValueError, KeyError, TypeError):
        message = f"The node answered with status {response.status_code}."
        remedy = "Check that the URL is that of an OpenLedger node."
    if response.status_code == 413:
        return ContentTooLarge(message, remedy=remedy)
    return ClientError(message, remedy=remedy)
