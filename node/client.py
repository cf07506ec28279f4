"""`NodeClient`: what the command line, workers, servers and the demo know of a node.

    with NodeClient("http://127.0.0.1:9944") as client:
        inclusion = client.submit(Balances.transfer.Call(receiver=bob, amount=5), alice)

It reads and signs with the runtime of this installation; `node/submission.py` says why a
submission may be interrupted and repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from genesis.compose import Pallets, compose
from genesis.pallet_packages import PalletPackage, load_pallets
from node.connection import (
    ENTRIES_MAX,
    INCLUSION_TIMEOUT_S,
    REQUEST_TIMEOUT_S,
    EncodedEvents,
    NodeConnection,
)
from node.errors import ClientError
from node.history.decoder import SpecDecoder
from node.history.versions import SpecDecoders
from node.map_keys import decode_map_key
from node.storage_items import find_item, storage_key_of
from node.submission import (
    ERA_BLOCKS,
    Inclusion,
    Rehearsal,
    Submitter,
    Terms,
    check_success,
)
from node.transport import PATIENCE_S
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.keys import Keypair
from runtime.storage import PREFIX_BYTES, Map, Value


class NodeClient(NodeConnection):
    """A synchronous client of one node; threads may share it, processes may not."""

    def __init__(
        self, url: str, *, timeout_s: float = REQUEST_TIMEOUT_S, patience_s: float = PATIENCE_S
    ) -> None:
        """Prepare to talk to the node at `url`; nothing is sent yet.

        `patience_s` is how long a request is repeated while nothing answers.
        """
        super().__init__(
            url,
            decode_events=self._decode,
            timeout_s=timeout_s,
            patience_s=patience_s,
        )
        self._decoders = SpecDecoders()
        self._submitter = Submitter(self)
        self._reading = threading.Lock()

    def _decode(self, events: EncodedEvents) -> tuple[EventRecord, ...]:
        # Not before the first events come: composing takes longer than most commands.
        if events.spec_version == self.runtime.spec_version:
            return self.runtime.decode_events(events.encoded)
        decoder = self._decoders.of(
            events.spec_version, lambda: self.call("state_getMetadata", events.height)
        )
        return decoder.decode_events(events.encoded)

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
        with self._reading, runtime.reading(self):
            yield pallets

    def item(self, pallet: str, item: str) -> Value[Any] | Map[Any, Any]:
        """What a storage item is; raises `ClientError` for a name that the runtime lacks."""
        return find_item(self.runtime, pallet, item)

    def decoder_at(self, height: int | None) -> SpecDecoder:
        """What decodes the state of a height, whose spec version may be an older one."""
        return SpecDecoder(self.call("state_getMetadata", height))

    def read(self, pallet: str, item: str, *key: Any) -> Any:
        """One storage value, decoded; a map's missing key gives its default, or None."""
        declared = self.item(pallet, item)
        if isinstance(declared, Value):
            encoded = self.get(declared.prefix)
            return declared.default if encoded is None else declared.codec.decode(encoded)
        encoded = self.get(storage_key_of(declared, key))
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
        return [
            (decode_map_key(declared.key_codec, key[PREFIX_BYTES:]), declared.codec.decode(value))
            for key, value in self.entries_of(declared.prefix, count_max)
        ]

    # Submitting

    def submit(
        self,
        call: Any,
        keypair: Keypair,
        *,
        tip: int = 0,
        era_blocks: int | None = ERA_BLOCKS,
        timeout_s: float = INCLUSION_TIMEOUT_S,
    ) -> Inclusion:
        """Sign, send and wait for a block; raises `CallFailed`, `InclusionTimeout`, `RpcFailed`.

        The extrinsic may enter a block within `era_blocks` from now; None: for ever.
        `NodeUnreachable` means that nothing was sent: a node that goes away later is waited for.
        """
        terms = Terms(tip=tip, era_blocks=era_blocks)
        return check_success(self._submitter.submit((call,), keypair, terms, timeout_s)[0])

    def fee(self, call: Any, account: bytes) -> int:
        """What a call would cost an account now, in units of 10**-18 OPEN; nothing is sent."""
        return self._submitter.fee(call, account, Terms())

    def rehearse(self, call: Any, account: bytes, *, tip: int = 0) -> Rehearsal:
        """What a call of an account would do in the next block; nothing is sent.

        Raises `RpcFailed` for what no block would take.
        """
        return self._submitter.rehearse(call, account, Terms(tip=tip))

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
        inclusions = self._submitter.submit(calls, keypair, Terms(), timeout_s)
        return tuple(check_success(each) for each in inclusions)


def _package_of(answer: Mapping[str, Any]) -> PalletPackage:
    source_hash = bytes.fromhex(answer["source_hash"])
    return PalletPackage(answer["name"], answer["index"], answer["package"], source_hash)
