"""The metadata that a node's store keeps of each spec version that its chain had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from node.errors import NotFound
from node.history.decoder import SpecDecoder
from runtime.state.store import Store


def keep_metadata(store: Store, metadata: Mapping[str, Any]) -> None:
    """Note what blocks say that are made from now on: their code will be gone one day."""
    encoded = json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode()
    version = int(metadata["spec_version"])
    # A version's metadata change only while it is being developed.
    if store.metadata(version) != encoded:
        store.put_metadata(version, encoded)


def stored_metadata(store: Store, spec_version: int) -> dict[str, Any]:
    """The metadata of a spec version that a chain had here; raises `NotFound`."""
    encoded = store.metadata(spec_version)
    if encoded is None:
        message = f"This node has no metadata of spec version {spec_version}."
        raise NotFound(message, remedy="Ask a node that ran the chain under that version.")
    metadata: dict[str, Any] = json.loads(encoded)
    return metadata


def stored_decoder(store: Store, height: int | None) -> SpecDecoder:
    """What decodes the block and the state of a height, None: the head; raises `NotFound`."""
    if height is None:
        height = 0 if store.head is None else store.head.height
    header = store.header(height)
    if header is None:
        message = f"There is no block {height} in the store."
        raise NotFound(message, remedy="`openledger db stats` tells which there are.")
    return SpecDecoder(stored_metadata(store, header.spec_version))
