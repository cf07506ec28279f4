"""The base model that is part of this repository, which every validator holds by installing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.types import Hash, ShortText
from runtime.wire.work import ModelShape

EMBEDDED_MODEL = Path(__file__).parent / "models" / "openledger-nano"


@dataclass(frozen=True, slots=True)
class SpecBaseModel:
    """A base model that a chain admits from block 0 on."""

    content_hash: Hash
    """Of the manifest of its files."""
    name: ShortText
    shape: ModelShape


EMBEDDED_BASE = SpecBaseModel(
    content_hash=bytes.fromhex("7c0eea87a52cbec1a922ad31851e14c48f3df3152574e76d47fae53906c125b7"),
    name="openledger-nano",
    shape=ModelShape(
        layers=4,
        hidden_size=256,
        intermediate_size=688,
        heads=8,
        key_value_heads=4,
        head_size=32,
        vocabulary_size=8192,
        positions_max=512,
    ),
)
"""Of the folder `EMBEDDED_MODEL`; a test compares them."""
