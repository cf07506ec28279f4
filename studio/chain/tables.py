"""The tables of the index, and what its rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1
"""An index of another version is made anew: everything in it is the node's, too."""

SCHEMA = """
CREATE TABLE blocks (
  height INTEGER PRIMARY KEY, id TEXT, time_ms INTEGER, proposer TEXT,
  extrinsic_count INTEGER, event_count INTEGER);
CREATE INDEX blocks_by_id ON blocks (id);
CREATE TABLE extrinsics (
  height INTEGER, place INTEGER, hash TEXT, signer TEXT, call TEXT, ok INTEGER, error_name TEXT,
  PRIMARY KEY (height, place)) WITHOUT ROWID;
CREATE INDEX extrinsics_by_hash ON extrinsics (hash);
CREATE INDEX extrinsics_by_signer ON extrinsics (signer, height, place);
CREATE INDEX extrinsics_by_call ON extrinsics (call, height, place);
CREATE TABLE events (
  height INTEGER, place INTEGER, extrinsic_index INTEGER, name TEXT, fields TEXT,
  PRIMARY KEY (height, place)) WITHOUT ROWID;
CREATE INDEX events_by_name ON events (name, height, place);
CREATE TABLE mentions (
  value TEXT, height INTEGER, place INTEGER, PRIMARY KEY (value, height, place)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A finalised block."""

    height: int
    id: str
    time_ms: int
    proposer: str
    extrinsic_count: int
    event_count: int


@dataclass(frozen=True, slots=True)
class ExtrinsicRow:
    """An extrinsic with how it ended; no signer: the block's proposer put it there."""

    height: int
    place: int
    hash: str
    signer: str | None
    call: str
    ok: bool
    error_name: str
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event; `name` is `Pallet.Name`, `fields` are as the node tells them in JSON."""

    height: int
    place: int
    extrinsic_index: int | None
    name: str
    fields: dict[str, Any]
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class IndexedBlock:
    """All that the index keeps of one block."""

    block: BlockRow
    extrinsics: tuple[ExtrinsicRow, ...]
    events: tuple[EventRow, ...]
