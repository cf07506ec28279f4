"""`NodeClient`: what the command line, workers, servers and the demo know of a node.

    with NodeClient("http://127.0.0.1:9944") as client:
        inclusion = client.submit(Balances.transfer.Call(receiver=bob, amount=5), alice)

A submission is safe to interrupt and repeat.  An extrinsic is signed once; while its fate is
unknown only the same bytes are sent again, so that it enters at most one block.  It is signed anew,
with another nonce, only once the node has refused it for good: its nonce belongs to another
extrinsic, and its own hash is in no block.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import httpx

from genesis.compose import Pallets, compose
from genesis.pallet_packages import PalletPackage, load_pallets
from node.errors import (
    CallFailed,
    ClientError,
    ContentDamaged,
    ContentMissing,
    ContentTooLarge,
    InclusionTimeout,
    NodeError,
    NodeUnreachable,
    RpcFailed,
)
from node.transport import PATIENCE_S, Transport
from runtime.block import Header
from runtime.codec import TupleCodec, codec_of
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.extrinsic import sign_extrinsic
from runtime.hashing import hash_content, hash_extrinsic
from runtime.keys import Keypair
from runtime.storage import Map, Value
from runtime.wire.receipts import StateEntry

POLL_INTERVAL_S = 0.05
REQUEST_TIMEOUT_S = 60.0
INCLUSION_TIMEOUT_S = 30.0
SIGNATURES_MAX = 16
"""How often one call is signed anew because its nonce went to another extrinsic."""
IN_FLIGHT_MAX = 256
"""Extrinsics that `submit_many` sends ahead; half of what a node queues for one sender."""
KEYS_PER_PAGE = 500
RECENT_BLOCKS_MAX = 4
"""Blocks whose decoded events a client keeps."""
ENTRIES_MAX = 10_000
"""The most entries that `entries` returns unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """An extrinsic in a finalised block, with the events that it left there."""

    extrinsic_hash: bytes
    height: int
    index: int
    ok: bool
    events: tuple[EventRecord, ...]
    error: str = ""
    error_name: str = ""
    remedy: str = ""

    def fields(self, pallet: str, event: str) -> Mapping[str, Any]:
        """The fields of the extrinsic's first such event; raises `ClientError` without one."""
        for record in self.events:
            if (record.pallet, record.name) == (pallet, event):
                return record.fields
        message = f"The extrinsic left no event {pallet}.{event}."
        raise ClientError(message, remedy="Check the call; its events are in `events`.")


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
class ReadProof:
    """State entries proved under the state root of one finalised header."""

    head: Head
    entries: tuple[StateEntry, ...]


@dataclass(slots=True)
class _Sent:
    """One call on its way into a block, with the bytes it is signed as at present."""

    call: Any
    keypair: Keypair
    tip: int
    nonce: int = 0
    raw: bytes = b""
    signatures: int = 0
    inclusion: Inclusion | None = None

    @property
    def hash(self) -> bytes:
        """What the extrinsic is looked up by."""
        return hash_extrinsic(self.raw)


class _RemoteState:
    """The node's state as the runtime reads it: one key, one request."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, key: bytes) -> bytes | None:
        value = self._transport.call("state_getStorage", key.hex())
        return None if value is None else bytes.fromhex(value)


class NodeClient:
    """A synchronous client of one node; threads may share it, processes may not."""

    def __init__(
        self, url: str, *, timeout_s: float = REQUEST_TIMEOUT_S, patience_s: float = PATIENCE_S
    ) -> None:
        """Prepare to talk to the node at `url`; nothing is sent yet.

        `patience_s` is how long a request is repeated while nothing answers.
        """
        self.url = url.rstrip("/")
        self._transport = Transport(self.url, timeout_s=timeout_s, patience_s=patience_s)
        self._state = _RemoteState(self._transport)
        self._reading = threading.Lock()
        self._lock = threading.Lock()
        self._recent_events: dict[int, tuple[EventRecord, ...]] = {}

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def call(self, method: str, *parameters: Any) -> Any:
        """Any JSON-RPC method, its result as JSON; raises `RpcFailed`, `NodeUnreachable`."""
        return self._transport.call(method, *parameters)

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

    def head(self) -> Head:
        """The last finalised header with its commit."""
        return _head_of(self.call("chain_getFinalizedHead"))

    def height(self) -> int:
        """The last finalised height."""
        return int(self.call("system_health")["finalized_height"])

    def wait_ready(self, timeout_s: float = INCLUSION_TIMEOUT_S) -> None:
        """Wait until the node answers; raises `NodeUnreachable`."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.call("system_health")
            except NodeUnreachable:
                if time.monotonic() > deadline:
                    raise
            else:
                return

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
            encoded = bytes.fromhex(self.call("chain_getEvents", height, False)["encoded"])
            known = self.runtime.decode_events(encoded)
            # A finalised block never changes, and the calls of a batch share a few blocks.
            with self._lock:
                self._recent_events[height] = known
                if len(self._recent_events) > RECENT_BLOCKS_MAX:
                    self._recent_events.pop(next(iter(self._recent_events)))
        return known

    # Reading the state

    @cached_property
    def _composed(self) -> tuple[Runtime, Pallets]:
        return compose(load_pallets([_package_of(each) for each in self.properties["pallets"]]))

    @property
    def runtime(self) -> Runtime:
        """This client's own copy of the node's runtime; it decodes what the node answers.

        Raises `PalletPackageError` where a package that the chain runs is not installed here.
        """
        return self._composed[0]

    @contextmanager
    def reading(self) -> Iterator[Pallets]:
        """The pallets bound to the node's state: any item can be read as inside a call.

        Within one context each key is asked for once; other threads wait.  It cannot be nested.
        """
        runtime, pallets = self._composed
        with self._reading, runtime.reading(self._state):
            yield pallets

    def item(self, pallet: str, item: str) -> Value[Any] | Map[Any, Any]:
        """What a storage item is; raises `ClientError` for a name that the runtime lacks."""
        known = self.runtime.pallets.get(pallet)
        storage = {} if known is None else known.definition.storage
        if item not in storage:
            names = ", ".join(storage) or ", ".join(self.runtime.pallets)
            message = f"The runtime has no storage item {pallet}.{item}."
            raise ClientError(message, remedy=f"Choose one of {names}.")
        declared: Value[Any] | Map[Any, Any] = storage[item]
        return declared

    def read(self, pallet: str, item: str, *key: Any) -> Any:
        """One storage value, decoded; a map's missing key gives its default, or None."""
        declared = self.item(pallet, item)
        if isinstance(declared, Value):
            encoded = self._state.get(declared.prefix)
            return declared.default if encoded is None else declared.codec.decode(encoded)
        encoded = self._state.get(declared.storage_key(key[0] if len(key) == 1 else key))
        if encoded is None:
            return declared.default[0] if declared.default else None
        return declared.codec.decode(encoded)

    def entries(
        self, pallet: str, item: str, count_max: int = ENTRIES_MAX
    ) -> list[tuple[Any, Any]]:
        """The (key, value) pairs of a map, in the order of their storage keys."""
        declared = self.item(pallet, item)
        if isinstance(declared, Value):
            message = f"{pallet}.{item} is one value, not a map."
            raise ClientError(message, remedy="Read it without a key.")
        keys = self._storage_keys(declared.prefix, count_max)
        values = self._transport.call_many("state_getStorage", [[key.hex()] for key in keys])
        # A value can be gone between the two requests: the chain goes on meanwhile.
        return [
            (_map_key(declared, key), declared.codec.decode(bytes.fromhex(value)))
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
        """Proofs of storage keys under one finalised header; recent heights only."""
        answer = self.call("state_getReadProof", [key.hex() for key in keys], height)
        codec = codec_of(StateEntry)
        entries = tuple(codec.decode(bytes.fromhex(entry)) for entry in answer["entries"])
        return ReadProof(_head_of(answer), entries)

    # Submitting

    def next_nonce(self, account: bytes) -> int:
        """The nonce after all extrinsics of `account` that are in blocks or waiting."""
        return int(self.call("system_accountNextIndex", account.hex()))

    def submit(
        self,
        call: Any,
        keypair: Keypair,
        *,
        tip: int = 0,
        timeout_s: float = INCLUSION_TIMEOUT_S,
    ) -> Inclusion:
        """Sign, send and wait for a block; raises `CallFailed`, `InclusionTimeout`, `RpcFailed`.

        `NodeUnreachable` means that nothing was sent: a node that goes away later is waited for.
        """
        return self._submit_part((call,), keypair, tip, timeout_s)[0]

    def submit_many(
        self,
        calls: Sequence[Any],
        keypair: Keypair,
        *,
        timeout_s: float = INCLUSION_TIMEOUT_S,
    ) -> tuple[Inclusion, ...]:
        """Submit in order without waiting between; `timeout_s` is for each `IN_FLIGHT_MAX` calls.

        Raises `CallFailed` for the first call that failed, after all of its part are in blocks.
        The order is kept as long as nobody else uses the key at the same time.
        """
        inclusions: list[Inclusion] = []
        for start in range(0, len(calls), IN_FLIGHT_MAX):
            part = calls[start : start + IN_FLIGHT_MAX]
            inclusions.extend(self._submit_part(part, keypair, 0, timeout_s))
        return tuple(inclusions)

    def status(self, extrinsic_hash: bytes) -> Mapping[str, Any]:
        """`state` (unknown, pending, included) and, once included, where and with what result."""
        result: Mapping[str, Any] = self.call("author_extrinsicStatus", extrinsic_hash.hex())
        return result

    def _submit_part(
        self, calls: Sequence[Any], keypair: Keypair, tip: int, timeout_s: float
    ) -> list[Inclusion]:
        deadline = time.monotonic() + timeout_s
        nonce = self.next_nonce(keypair.account)
        sent = [_Sent(call, keypair, tip) for call in calls]
        for offset, each in enumerate(sent):
            self._sign(each, nonce + offset)
        waiting = sent
        while waiting:
            # A node that is gone may be starting again, and finds in its blocks what was sent.
            with suppress(NodeUnreachable):
                waiting = self._advance(waiting)
            if waiting and time.monotonic() > deadline:
                raise _not_included(waiting)
            if waiting:
                time.sleep(POLL_INTERVAL_S)
        return [_successful(each.inclusion) for each in sent if each.inclusion is not None]

    def _sign(self, sent: _Sent, nonce: int) -> None:
        """Sign, for the first time or anew; raises `ClientError` when that happened too often."""
        if sent.signatures == SIGNATURES_MAX:
            message = f"{SIGNATURES_MAX} nonces in a row went to other extrinsics of the same key."
            raise ClientError(message, remedy="Use one key from one process at a time.")
        sent.raw = sign_extrinsic(
            sent.call,
            sent.keypair,
            genesis_hash=self.genesis_hash,
            spec_version=self.properties["spec_version"],
            nonce=nonce,
            tip=sent.tip,
        )
        sent.nonce = nonce
        sent.signatures += 1

    def _advance(self, waiting: Sequence[_Sent]) -> list[_Sent]:
        """Look every extrinsic up, send what the node does not know; return what is in no block."""
        unknown: list[_Sent] = []
        for each, status in zip(waiting, self._statuses(waiting), strict=True):
            if status["state"] == "included":
                each.inclusion = self._inclusion(each.hash, status)
            elif status["state"] == "unknown":
                unknown.append(each)
        if unknown:
            self._send(unknown)
        return [each for each in waiting if each.inclusion is None]

    def _send(self, unknown: Sequence[_Sent]) -> None:
        """Send extrinsics in order; those whose nonce is gone are signed anew for the next time."""
        answers = self._transport.try_many(
            "author_submitExtrinsic", [[each.raw.hex()] for each in unknown]
        )
        refused: list[_Sent] = []
        for each, answer in zip(unknown, answers, strict=True):
            if not isinstance(answer, RpcFailed) or answer.kind in _PASSING_REFUSALS:
                continue
            if answer.kind not in _NONCE_REFUSALS:
                raise answer
            if answer.kind != "NonceTaken" and self.next_nonce(each.keypair.account) == each.nonce:
                raise answer
            refused.append(each)
        if refused:
            self._sign_anew(refused)

    def _sign_anew(self, refused: Sequence[_Sent]) -> None:
        # A block may have taken the extrinsic, and with it the nonce, since it was looked up.  Now
        # that the nonce is used for good, what is still in no block never will be.
        statuses = self._statuses(refused)
        lost = [
            each
            for each, status in zip(refused, statuses, strict=True)
            if status["state"] == "unknown"
        ]
        if not lost:
            return
        nonce = self.next_nonce(lost[0].keypair.account)
        for offset, each in enumerate(lost):
            self._sign(each, nonce + offset)

    def _statuses(self, extrinsics: Sequence[_Sent]) -> list[Any]:
        hashes = [[each.hash.hex()] for each in extrinsics]
        return self._transport.call_many("author_extrinsicStatus", hashes)

    def _inclusion(self, extrinsic_hash: bytes, status: Mapping[str, Any]) -> Inclusion:
        height, index = int(status["height"]), int(status["index"])
        events = tuple(each for each in self.events(height) if each.extrinsic_index == index)
        return Inclusion(
            extrinsic_hash,
            height,
            index,
            bool(status["ok"]),
            events,
            error=status["error"],
            error_name=status["error_name"],
            remedy=status["remedy"],
        )

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


_CBOR_ARRAY = 0x80
"""The head of a CBOR array, plus its length if below 24 (RFC 8949, section 3.1)."""
_NONCE_REFUSALS = frozenset({"NonceTaken", "InvalidTransaction"})
"""What the node says of a nonce that belongs to another extrinsic, waiting or in a block."""
_PASSING_REFUSALS = frozenset({"MempoolFull", "NonceTooHigh"})
"""What the node says while it is busy: sending again later is all it takes."""


def _package_of(answer: Mapping[str, Any]) -> PalletPackage:
    source_hash = bytes.fromhex(answer["source_hash"])
    return PalletPackage(answer["name"], answer["index"], answer["package"], source_hash)


def _head_of(answer: Mapping[str, Any]) -> Head:
    header_bytes = bytes.fromhex(answer["header"])
    return Head(
        codec_of(Header).decode(header_bytes),
        header_bytes,
        bytes.fromhex(answer["commit"]),
        bytes.fromhex(answer["validators"]),
    )


def _map_key(declared: Map[Any, Any], storage_key: bytes) -> Any:
    parts = storage_key[len(declared.prefix) :]
    if isinstance(declared.key_codec, TupleCodec):
        # The parts of a tuple follow each other; with an array's head in front they are its CBOR.
        parts = bytes([_CBOR_ARRAY + len(declared.key_codec.items)]) + parts
    return declared.key_codec.decode(parts)


def _successful(inclusion: Inclusion) -> Inclusion:
    if not inclusion.ok:
        raise CallFailed(inclusion.error, inclusion.remedy, name=inclusion.error_name)
    return inclusion


def _not_included(waiting: Sequence[_Sent]) -> InclusionTimeout:
    missing = next((each for each in waiting if each.inclusion is None), waiting[0])
    extrinsic_hash, name = missing.hash, missing.hash.hex()
    return InclusionTimeout(
        f"No block took the extrinsic {name} in time.",
        remedy=f"It may still enter one: see `openledger status {name}` before sending again.",
        extrinsic_hash=extrinsic_hash,
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
