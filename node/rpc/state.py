"""`state_*`: storage values, their proofs, what they mean, and subscriptions to them."""

from __future__ import annotations

from typing import Any, cast

import trio

from node.chain import Chain
from node.errors import InvalidParameters, NotFound
from node.history.stored import stored_metadata
from node.rpc.blocks import BlockMethods
from node.rpc.feeds import RuntimeVersionFeed, StorageFeed
from node.rpc.method import Sends, Subscriber, rpc
from node.rpc.parameters import (
    BlockName,
    Height,
    PageSize,
    StorageKey,
    StorageKeys,
    SubscriptionId,
)
from node.rpc.results import HexText, ReadProof, RuntimeVersion, StorageAt
from runtime.codec import codec_of
from runtime.state.history import UnknownHeight
from runtime.wire.receipts import StateEntry

STORAGE = Sends("state_storage", StorageAt, "state_unsubscribeStorage")
VERSIONS = Sends("state_runtimeVersion", RuntimeVersion, "state_unsubscribeRuntimeVersion")


class StateMethods:
    """Finalised state only; an old height costs reading the undo logs since."""

    def __init__(self, chain: Chain, blocks: BlockMethods) -> None:
        self._chain = chain
        self._blocks = blocks

    @rpc("state_getStorage", UnknownHeight)
    async def get_storage(self, key: StorageKey, height: Height | None = None) -> HexText | None:
        """The encoded value of a storage key at a kept height, or at the head; null: none."""
        store = self._chain.store
        if height is None:
            value = store.get(key)
        else:
            value = await trio.to_thread.run_sync(store.get_at, key, height)
        return None if value is None else value.hex()

    @rpc("state_getKeysPaged")
    def get_keys_paged(
        self, prefix: StorageKey, count: PageSize, after: StorageKey | None = None
    ) -> list[HexText]:
        """Storage keys with a prefix, in order, beginning behind the key `after`."""
        return [key.hex() for key in self._chain.store.keys(prefix, after, count)]

    @rpc("state_queryStorageAt", NotFound, UnknownHeight)
    async def query_storage_at(
        self, keys: StorageKeys, block: BlockName | None = None
    ) -> StorageAt:
        """The values of some keys at one block: all as of the same moment."""
        header = self._blocks.header(self._blocks.height_of(block))
        state = await trio.to_thread.run_sync(self._chain.store.state_at, header.height)
        values = [(key, state.get(key)) for key in keys]
        return {
            "height": header.height,
            "block": header.id().hex(),
            "changes": [
                (key.hex(), None if value is None else value.hex()) for key, value in values
            ],
        }

    @rpc("state_getReadProof", InvalidParameters, NotFound, UnknownHeight)
    async def get_read_proof(
        self, keys: StorageKeys, height: Height | None = None, together: bool = False
    ) -> ReadProof:
        """Proofs of storage values, or of their absence, under one finalised header.

        One entry a key, as receipts carry it; or, `together`, one shorter proof for all keys.
        """
        if together and not keys:
            message = "The parameter keys is not an array of at least 1 key."
            raise InvalidParameters(message, remedy="Name what is to be proved.")
        header = self._blocks.header(self._blocks.height_of(height))
        prove = self._prove_together if together else self._prove_each
        # An old state is rebuilt first, which takes as long as reading the blocks since.
        proof = await trio.to_thread.run_sync(prove, keys, header.height)
        return cast("ReadProof", {**self._blocks.proved(header), **proof})

    @rpc("state_getMetadata", NotFound)
    def get_metadata(self, block: BlockName | None = None) -> dict[str, Any]:
        """The runtime's calls, types, storage, events, errors and constants.

        Of the spec version of a block, by height or id; for null, of the next block's.
        """
        version = self._chain.runtime.spec_version
        if block is not None:
            version = self._blocks.header(self._blocks.height_of(block)).spec_version
        return stored_metadata(self._chain.store, version)

    @rpc("state_getRuntimeVersion", NotFound)
    def get_runtime_version(self, block: BlockName | None = None) -> RuntimeVersion:
        """The runtime that executed a block, by height or id; for null, that of the next one."""
        version = self._chain.runtime.spec_version
        if block is not None:
            version = self._blocks.header(self._blocks.height_of(block)).spec_version
        return {"spec_name": self._chain.runtime.name, "spec_version": version}

    # Subscriptions

    @rpc("state_subscribeStorage", sends=STORAGE)
    def subscribe_storage(self, subscriber: Subscriber, keys: StorageKeys) -> str:
        """The values of some keys, and then those that change; a slow reader gets the newest."""
        return subscriber.begin(STORAGE.notification, StorageFeed(self._chain, keys))

    @rpc("state_unsubscribeStorage")
    def unsubscribe_storage(self, subscriber: Subscriber, subscription: SubscriptionId) -> bool:
        """End a subscription; returns whether there was one."""
        return subscriber.end(subscription)

    @rpc("state_subscribeRuntimeVersion", sends=VERSIONS)
    def subscribe_runtime_version(self, subscriber: Subscriber) -> str:
        """The spec version of the head, and then each that the chain is upgraded to."""
        return subscriber.begin(VERSIONS.notification, RuntimeVersionFeed(self._chain))

    @rpc("state_unsubscribeRuntimeVersion")
    def unsubscribe_runtime_version(
        self, subscriber: Subscriber, subscription: SubscriptionId
    ) -> bool:
        """End a subscription; returns whether there was one."""
        return subscriber.end(subscription)

    def _prove_each(self, keys: list[bytes], height: int) -> dict[str, Any]:
        state = self._chain.store.state_at(height)
        return {"entries": [codec_of(StateEntry).encode(state.prove(key)).hex() for key in keys]}

    def _prove_together(self, keys: list[bytes], height: int) -> dict[str, Any]:
        return {"proof": self._chain.store.prove_many_at(keys, height).encode().hex()}
