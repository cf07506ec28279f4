"""Blocks, headers and results as JSON for people and tools."""

from __future__ import annotations

from typing import Any, cast

from node.chain import Chain
from node.history.decoder import SpecDecoder
from node.json_values import to_json
from node.rpc.results import BlockView, ExtrinsicView, Outcome
from runtime.block import Block, Header
from runtime.extrinsic import CheckedExtrinsic

FAILED = ("System", "ExtrinsicFailed")
"""The event that a failed call leaves: `error`, `message` and `remedy`."""


def header_view(header: Header) -> dict[str, Any]:
    """The header's fields by name."""
    fields: dict[str, Any] = to_json(header)
    return fields


def block_view(chain: Chain, height: int, block: Block) -> BlockView:
    """A block with its extrinsics decoded and their results."""
    decoder = chain.decoder_of(block.header.spec_version)
    extrinsics = [
        _extrinsic_view(decoder, raw, outcome_view(chain, height, index))
        for index, raw in enumerate(block.extrinsics)
    ]
    return {
        "height": height,
        "id": block.header.id().hex(),
        "header": header_view(block.header),
        "extrinsics": extrinsics,
        "encoded": block.encode().hex(),
    }


def events_view(decoder: SpecDecoder, encoded: bytes) -> list[Any]:
    """The events of a block, in order."""
    return [decoder.to_json(event) for event in decoder.decode_events(encoded)]


def outcome_view(chain: Chain, height: int, index: int) -> Outcome:
    """How an included extrinsic ended, by the events of its block."""
    block = chain.events_at(height)
    events = block.by_extrinsic.get(index, ())
    failures = [each.fields for each in events if (each.pallet, each.name) == FAILED]
    failure = failures[0] if failures else {"error": "", "message": "", "remedy": ""}
    return {
        "ok": not failures,
        "error": failure["message"],
        "error_name": failure["error"],
        "remedy": failure["remedy"],
        "events": [block.decoder.to_json(each) for each in events],
    }


def _extrinsic_view(decoder: SpecDecoder, raw: bytes, outcome: Outcome) -> ExtrinsicView:
    checked = decoder.decode_extrinsic(raw)
    definition = checked.definition
    view: dict[str, Any] = {
        "hash": checked.hash.hex(),
        "call": str(definition),
        "arguments": {
            name: decoder.to_json(value)
            for name, value in zip(definition.arguments.items, checked.arguments, strict=True)
        },
        **outcome,
    }
    if isinstance(checked, CheckedExtrinsic):
        view |= {"signer": checked.signer.hex(), "nonce": checked.nonce, "tip": checked.tip}
    return cast("ExtrinsicView", view)
