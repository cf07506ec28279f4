"""`chain_*`: finalised blocks, headers with their proofs, events, and subscriptions to them."""

from __future__ import annotations

import trio

from node.chain import Chain
from node.errors import InvalidParameters, NotFound
from node.light_blocks import light_block
from node.rpc.feeds import BlockFeed
from node.rpc.method import Sends, Subscriber, rpc
from node.rpc.parameters import BlockName, Height, SubscriptionId
from node.rpc.results import BlockEventsView, BlockView, EncodedEvents, HexText, ProvedHeader
from node.rpc.views import block_view, events_view, header_view
from runtime.block import Block, Header
from runtime.codec import codec_of
from runtime.state.history import Pruned

HEADS = Sends("chain_finalizedHead", ProvedHeader, "chain_unsubscribeFinalizedHeads")
NEW_HEADS = Sends("chain_newHead", ProvedHeader, "chain_unsubscribeNewHeads")
EVENTS = Sends("chain_events", EncodedEvents, "chain_unsubscribeEvents")


class BlockMethods:
    """Every block is final: there are no others to tell of."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    @rpc("chain_getBlock", NotFound, Pruned)
    async def get_block(self, block: BlockName | None = None) -> BlockView:
        """A block by height or id, or the head for null, with its extrinsics decoded."""
        height = self.height_of(block)
        encoded = self._chain.store.block(height)
        if encoded is None:
            raise self._no_block(str(height))
        decoded = codec_of(Block).decode(encoded)
        # A full block takes longer to decode than other requests should wait.
        return await trio.to_thread.run_sync(block_view, self._chain, height, decoded)

    @rpc("chain_getBlockHash", NotFound, Pruned)
    def get_block_hash(self, height: Height | None = None) -> str:
        """The id of the block of a height, or of the head for null: the hash of its header."""
        return self.header(self.height_of(height)).id().hex()

    @rpc("chain_getHeader", NotFound, Pruned)
    def get_header(self, block: BlockName | None = None) -> ProvedHeader:
        """A header by height or id, or the head's for null, with what proves it final."""
        return self.proved(self.header(self.height_of(block)))

    @rpc("chain_getFinalizedHead")
    def get_finalized_head(self) -> ProvedHeader:
        """The last finalised header with commit and validators, for `consensus.light`."""
        return self.proved(self._chain.head)

    @rpc("chain_getLightBlock", NotFound, Pruned)
    async def get_light_block(self, height: Height) -> HexText:
        """A light block, encoded: what `node.light` verifies without trusting this node."""
        block = await trio.to_thread.run_sync(light_block, self._chain.store, height)
        if block is None:
            raise self._no_block(str(height))
        return block.encode().hex()

    @rpc("chain_getDecision", NotFound)
    def get_decision(self, height: Height) -> HexText:
        """Every certificate seen at a height, encoded: what proves who made a fork."""
        decision = self._chain.store.commit_certificate(height)
        if not decision:
            raise self._no_block(str(height))
        return decision.hex()

    @rpc("chain_getEvents", NotFound, Pruned)
    async def get_events(self, height: Height, decoded: bool = True) -> BlockEventsView:
        """The events of a block in their canonical encoding and, if wanted, as JSON."""
        found = self._encoded_events(height)
        answer = BlockEventsView(
            height=height, spec_version=found["spec_version"], encoded=found["encoded"]
        )
        if decoded:
            decoder = self._chain.decoder_of(answer["spec_version"])
            encoded = bytes.fromhex(answer["encoded"])
            answer["events"] = await trio.to_thread.run_sync(events_view, decoder, encoded)
        return answer

    # Subscriptions

    @rpc("chain_subscribeFinalizedHeads", InvalidParameters, sends=HEADS)
    def subscribe_finalized_heads(self, subscriber: Subscriber, since: Height | None = None) -> str:
        """Every finalised header, once and in order, from a height on; null: from the head on.

        Nothing is skipped, however slow the reader; who comes back names the next height.
        """
        return self._follow(subscriber, HEADS, since)

    @rpc("chain_unsubscribeFinalizedHeads")
    def unsubscribe_finalized_heads(
        self, subscriber: Subscriber, subscription: SubscriptionId
    ) -> bool:
        """End a subscription; returns whether there was one."""
        return subscriber.end(subscription)

    @rpc("chain_subscribeNewHeads", InvalidParameters, sends=NEW_HEADS)
    def subscribe_new_heads(self, subscriber: Subscriber, since: Height | None = None) -> str:
        """The same as `chain_subscribeFinalizedHeads`: every head is final."""
        return self._follow(subscriber, NEW_HEADS, since)

    @rpc("chain_unsubscribeNewHeads")
    def unsubscribe_new_heads(self, subscriber: Subscriber, subscription: SubscriptionId) -> bool:
        """End a subscription; returns whether there was one."""
        return subscriber.end(subscription)

    @rpc("chain_subscribeEvents", InvalidParameters, sends=EVENTS)
    def subscribe_events(self, subscriber: Subscriber, since: Height | None = None) -> str:
        """The events of every finalised block from a height on, encoded; null: from the head on."""
        first = self._first(since)
        feed = BlockFeed(self._chain, first, self._encoded_events)
        return subscriber.begin(EVENTS.notification, feed)

    @rpc("chain_unsubscribeEvents")
    def unsubscribe_events(self, subscriber: Subscriber, subscription: SubscriptionId) -> bool:
        """End a subscription; returns whether there was one."""
        return subscriber.end(subscription)

    def _follow(self, subscriber: Subscriber, sends: Sends, since: int | None) -> str:
        feed = BlockFeed(self._chain, self._first(since), self._head_at)
        return subscriber.begin(sends.notification, feed)

    def _first(self, since: int | None) -> int:
        height = self._chain.head.height
        if since is not None and since > height + 1:
            message = f"The parameter since is not an integer from 0 to {height + 1}."
            raise InvalidParameters(message, remedy="Begin with a block that is or comes next.")
        return height if since is None else since

    # Helpers, for other families too

    def height_of(self, block: int | bytes | None) -> int:
        """The height that a block's name means; raises `NotFound`."""
        if block is None:
            return self._chain.head.height
        if isinstance(block, int):
            return block
        height = self._chain.store.height_of(block)
        if height is None:
            raise self._no_block(block.hex())
        return height

    def header(self, height: int) -> Header:
        """The header of a height; raises `NotFound`, `Pruned`."""
        head = self._chain.head
        header = head if height == head.height else self._chain.store.header(height)
        if header is None:
            raise self._no_block(str(height))
        return header

    def proved(self, header: Header) -> ProvedHeader:
        """A header with what proves it final."""
        commit, validators = self._decision(header)
        return {
            "height": header.height,
            "id": header.id().hex(),
            "header": codec_of(Header).encode(header).hex(),
            "commit": commit.hex(),
            "validators": validators.hex(),
            "fields": header_view(header),
        }

    def _decision(self, header: Header) -> tuple[bytes, bytes]:
        """The commit of a block and who made it; both empty where that is not known any more."""
        chain = self._chain
        if header.height == chain.head.height:
            return chain.head_commit, chain.head_validators.encode()
        block = light_block(chain.store, header.height)
        return (b"", b"") if block is None else (block.commit.encode(), block.validators.encode())

    def _head_at(self, height: int) -> ProvedHeader:
        return self.proved(self.header(height))

    def _encoded_events(self, height: int) -> EncodedEvents:
        encoded = self._chain.store.events(height)
        if encoded is None:
            raise self._no_block(str(height))
        version = self._chain.spec_version_at(height)
        return {"height": height, "spec_version": version, "encoded": encoded.hex()}

    def _no_block(self, name: str) -> NotFound:
        remedy = f"Ask for a height from 0 to {self._chain.head.height}, or for null, the head."
        return NotFound(f"There is no block {name}.", remedy=remedy)
