"""The node's JSON-RPC methods, by family: author, chain, state, system, content.

Parameters are given by position or by the names below.  Bytes are hexadecimal digits both ways.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import trio

from node.chain import Chain
from node.content import HASH_BYTES, ContentStore
from node.errors import NotFound, RequestError
from node.history.stored import stored_metadata
from node.json_values import to_json
from node.light_blocks import commit_at, light_block, validators_of
from node.mempool import Mempool
from node.rpc.dispatch import Method, signature_text
from node.rpc.parameters import hex_bytes, hex_list, whole_number
from node.rpc.views import block_view, events_view, header_view, outcome_view
from node.verifier import Verifier
from runtime.block import EXTRINSIC_BYTES_MAX, Block, Header
from runtime.codec import codec_of
from runtime.extrinsic import not_signed
from runtime.types import Between
from runtime.wire.receipts import StateEntry

KEY_BYTES_MAX = 512
KEYS_PER_PAGE_MAX = 1_000
PROOF_KEYS_MAX = 64
HASHES_MAX = 1_000
ACCOUNT_BYTES = 32
NODE_NAME = "openledger"
NODE_VERSION = "0.1.0"
TOKEN, DECIMALS = "OPEN", 18
_HEIGHTS = Between(0, 2**63)


@dataclass(frozen=True, slots=True)
class NodeMethods:
    """What the methods read and, for submissions, the one thing they change."""

    chain: Chain
    mempool: Mempool
    content: ContentStore
    wake: Callable[[], None]
    """Tell the block producer that an extrinsic waits."""
    verifier: Verifier
    pass_on: Callable[[bytes], None]
    """Tell other nodes of an extrinsic that was just admitted."""

    def by_name(self) -> Mapping[str, Method]:
        """Every method under its JSON-RPC name."""
        methods: dict[str, Method] = {
            "author_submitExtrinsic": self.submit_extrinsic,
            "author_extrinsicStatus": self.extrinsic_status,
            "author_pendingCount": self.pending_count,
            "payment_queryInfo": self.query_fee,
            "chain_getBlock": self.get_block,
            "chain_getHeader": self.get_header,
            "chain_getFinalizedHead": self.get_finalized_head,
            "chain_getLightBlock": self.get_light_block,
            "chain_getDecision": self.get_decision,
            "chain_getEvents": self.get_events,
            "state_getStorage": self.get_storage,
            "state_getKeysPaged": self.get_keys_paged,
            "state_getReadProof": self.get_read_proof,
            "state_getMetadata": self.get_metadata,
            "system_health": self.health,
            "system_chain": lambda: self.chain.spec.name,
            "system_name": lambda: NODE_NAME,
            "system_version": lambda: NODE_VERSION,
            "system_accountNextIndex": self.account_next_index,
            "system_properties": self.properties,
            "content_has": self.content_has,
        }
        names = {
            name: signature_text(inspect.signature(method)) for name, method in methods.items()
        }
        return methods | {"rpc_methods": lambda: names}

    # author

    async def submit_extrinsic(self, extrinsic: Any) -> str:
        """Queue a signed extrinsic; the same bytes again, waiting or included, are no error."""
        raw = hex_bytes(extrinsic, "extrinsic", bytes_max=EXTRINSIC_BYTES_MAX)
        return (await self.admit(raw)).hex()

    async def admit(self, raw: bytes) -> bytes:
        """Queue a signed extrinsic and return its hash."""
        claimed, signed = self.chain.open_extrinsic(raw)
        if not self._is_known(claimed.hash):
            if not await self.verifier.holds(signed):
                raise not_signed()
            # It may have come twice, and into a block, while its signature was verified.
            if not self._is_known(claimed.hash):
                self.chain.validate(claimed)
                nonce = self.chain.nonce_of(claimed.signer)
                self.mempool.add(claimed, nonce, self.chain.head.height)
                self.wake()
                self.pass_on(raw)
        return claimed.hash

    def _is_known(self, extrinsic_hash: bytes) -> bool:
        located = self.chain.store.locate_extrinsic(extrinsic_hash)
        return extrinsic_hash in self.mempool or located is not None

    def extrinsic_status(self, extrinsic_hash: Any) -> dict[str, Any]:
        """Where an extrinsic is, and once it is included, with what result."""
        wanted = hex_bytes(extrinsic_hash, "extrinsic_hash", length=HASH_BYTES)
        place = self.chain.store.locate_extrinsic(wanted)
        if place is not None:
            outcome = outcome_view(self.chain, *place)
            return {"state": "included", "height": place[0], "index": place[1]} | outcome
        pending = wanted in self.mempool
        reason = self.mempool.reason(wanted)
        return {
            "state": "pending" if pending else "unknown",
            "height": None,
            "index": None,
            "ok": None,
            "error": reason.message if reason else "",
            "error_name": type(reason).__name__ if reason else "",
            "remedy": reason.remedy if reason else "",
            "events": [],
        }

    def pending_count(self) -> int:
        """How many extrinsics wait for a block."""
        return len(self.mempool)

    # payment

    def query_fee(self, extrinsic: Any) -> dict[str, Any]:
        """What the extrinsic would pay in the next block beside its tip, in 10**-18 OPEN.

        It is not sent, and may be signed by any key: the fee is of its length and its call.
        """
        raw = hex_bytes(extrinsic, "extrinsic", bytes_max=EXTRINSIC_BYTES_MAX)
        checked = self.chain.check(raw)
        weight = checked.definition.weigh(checked.arguments)
        return {
            "fee": self.chain.runtime.fee(self.chain.store, checked),
            "units": weight.units,
            "length_bytes": len(raw),
        }

    # chain

    async def get_block(self, block: Any = None) -> dict[str, Any]:
        """A block by height or id, or the head for null, with its extrinsics decoded."""
        height = self._height_of(block)
        # A full block takes longer to decode than other requests should wait.
        return await trio.to_thread.run_sync(block_view, self.chain, height, self._block(height))

    def get_header(self, block: Any = None) -> dict[str, Any]:
        """A header by height or id, or the head's for null, with what proves it final."""
        height = self._height_of(block)
        return self._proved(self._header(height))

    def get_finalized_head(self) -> dict[str, Any]:
        """The last finalised header with commit and validators, for `consensus.light`."""
        return self._proved(self.chain.head)

    async def get_light_block(self, height: Any) -> str:
        """A light block, encoded: what `node.light` verifies without trusting this node."""
        number = whole_number(height, "height", _HEIGHTS)
        block = await trio.to_thread.run_sync(light_block, self.chain.store, number)
        if block is None:
            raise self._no_block(str(number))
        return block.encode().hex()

    def get_decision(self, height: Any) -> str:
        """Every certificate seen at a height, encoded: what proves who made a fork."""
        number = whole_number(height, "height", _HEIGHTS)
        decision = self.chain.store.commit_certificate(number)
        if not decision:
            raise self._no_block(str(number))
        return decision.hex()

    async def get_events(self, height: Any, decoded: Any = True) -> dict[str, Any]:
        """The events of a block in their canonical encoding and, if wanted, as JSON."""
        number = whole_number(height, "height", _HEIGHTS)
        encoded = self.chain.store.events(number)
        if encoded is None:
            raise self._no_block(str(number))
        version = self.chain.spec_version_at(number)
        answer = {"height": number, "spec_version": version, "encoded": encoded.hex()}
        if not decoded:
            return answer
        decoder = self.chain.decoder_of(version)
        return answer | {"events": await trio.to_thread.run_sync(events_view, decoder, encoded)}

    # state

    async def get_storage(self, key: Any, height: Any = None) -> str | None:
        """The encoded value of a storage key at a kept height, or at the head, or null."""
        wanted = hex_bytes(key, "key", bytes_max=KEY_BYTES_MAX)
        store = self.chain.store
        if height is None:
            value = store.get(wanted)
        else:
            number = whole_number(height, "height", _HEIGHTS)
            value = await trio.to_thread.run_sync(store.get_at, wanted, number)
        return None if value is None else value.hex()

    def get_keys_paged(self, prefix: Any, count: Any, after: Any = None) -> list[str]:
        """Storage keys with a prefix, in order, beginning behind the key `after`."""
        start = hex_bytes(prefix, "prefix", bytes_max=KEY_BYTES_MAX)
        limit = whole_number(count, "count", Between(1, KEYS_PER_PAGE_MAX))
        last = None if after is None else hex_bytes(after, "after", bytes_max=KEY_BYTES_MAX)
        return [key.hex() for key in self.chain.store.keys(start, last, limit)]

    async def get_read_proof(
        self, keys: Any, height: Any = None, together: Any = False
    ) -> dict[str, Any]:
        """Proofs of storage values, or of their absence, under one finalised header.

        One entry a key, as receipts carry it; or, `together`, one shorter proof for all keys.
        """
        wanted = hex_list(
            keys, "keys", length=None, bytes_max=KEY_BYTES_MAX, count_max=PROOF_KEYS_MAX
        )
        header = self.chain.head
        if height is not None:
            header = self._header(whole_number(height, "height", _HEIGHTS))
        prove = self._prove_together if together else self._prove_each
        # An old state is rebuilt first, which takes as long as reading the blocks since.
        proof = await trio.to_thread.run_sync(prove, wanted, header.height)
        return self._proved(header) | proof

    def get_metadata(self, block: Any = None) -> dict[str, Any]:
        """The runtime's calls, types, storage, events, errors and constants.

        Of the spec version of a block, by height or id; for null, of the next block's.
        """
        version = self.chain.runtime.spec_version
        if block is not None:
            version = self._header(self._height_of(block)).spec_version
        return stored_metadata(self.chain.store, version)

    # system

    def health(self) -> dict[str, Any]:
        """Heights, and what this node is connected to: one validator has no peers."""
        height = self.chain.head.height
        return {
            "height": height,
            "finalized_height": height,
            "peers": 0,
            "syncing": False,
            "pending": len(self.mempool),
            "time_ms": self.chain.head.time_ms,
        }

    def account_next_index(self, account: Any) -> int:
        """The first nonce of an account that neither a block nor the mempool has."""
        who = hex_bytes(account, "account", length=ACCOUNT_BYTES)
        return self.mempool.next_nonce(who, self.chain.nonce_of(who))

    def properties(self) -> dict[str, Any]:
        """What identifies the chain, and what a signature binds."""
        return {
            "chain": self.chain.spec.name,
            "genesis_hash": self.chain.genesis_hash.hex(),
            "spec_name": self.chain.runtime.name,
            "spec_version": self.chain.runtime.spec_version,
            "token": TOKEN,
            "decimals": DECIMALS,
            "validators": self.chain.head_validators.encode().hex(),
            "pallets": to_json(self.chain.spec.pallets),
        }

    # content

    def content_has(self, hashes: Any) -> list[bool]:
        """Which contents are stored here."""
        wanted = hex_list(
            hashes, "hashes", length=HASH_BYTES, bytes_max=HASH_BYTES, count_max=HASHES_MAX
        )
        return [self.content.has(each) for each in wanted]

    # helpers

    def seconds_since_block(self) -> float:
        """How long ago the head was made, by this machine's clock."""
        return time.time() - self.chain.head.time_ms / 1_000

    def _height_of(self, block: Any) -> int:
        if block is None:
            return self.chain.head.height
        if not isinstance(block, str):
            return whole_number(block, "block", _HEIGHTS)
        height = self.chain.store.height_of(hex_bytes(block, "block", length=HASH_BYTES))
        if height is None:
            raise self._no_block(block)
        return height

    def _block(self, height: int) -> Block:
        encoded = self.chain.store.block(height)
        if encoded is None:
            raise self._no_block(str(height))
        return codec_of(Block).decode(encoded)

    def _header(self, height: int) -> Header:
        header = self.chain.store.header(height)
        if header is None:
            raise self._no_block(str(height))
        return header

    def _prove_each(self, keys: list[bytes], height: int) -> dict[str, Any]:
        state = self.chain.store.state_at(height)
        return {"entries": [codec_of(StateEntry).encode(state.prove(key)).hex() for key in keys]}

    def _prove_together(self, keys: list[bytes], height: int) -> dict[str, Any]:
        return {"proof": self.chain.store.prove_many_at(keys, height).encode().hex()}

    def _no_block(self, name: str) -> RequestError:
        remedy = f"Ask for a height from 0 to {self.chain.head.height}, or for null, the head."
        return NotFound(f"There is no block {name[:80]}.", remedy=remedy)

    def _proved(self, header: Header) -> dict[str, Any]:
        store = self.chain.store
        commit = commit_at(store, header.height)
        validators = validators_of(store, header.validators_hash)
        return {
            "height": header.height,
            "id": header.id().hex(),
            "header": codec_of(Header).encode(header).hex(),
            "commit": commit.encode().hex() if commit else "",
            "validators": validators.encode().hex() if validators else "",
            "fields": header_view(header),
        }
