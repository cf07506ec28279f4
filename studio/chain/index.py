"""`Index`: blocks, extrinsics and events by what people look for, in one SQLite file.

A node answers by height and by storage key; "what did this account do" needs an index.  It holds
nothing of its own: delete it, and it is filled again from the node.  Every query is bounded and
goes by an index, so that page 4,000 of 100,000 objects costs milliseconds.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from node.closing import Closing
from studio.chain.tables import (
    SCHEMA,
    SCHEMA_VERSION,
    BlockRow,
    EventRow,
    ExtrinsicRow,
    IndexedBlock,
)

BLOCKS_MAX = 500_000
"""How many of the newest blocks are kept: about three days of half seconds."""
PAGE_ROWS_MAX = 1_000
BLOCKS_PER_MINUTE_MAX = 600
"""Ten a second: how far back the newest minutes can reach."""
MENTIONS_MAX = 64
"""How many 32-byte values of one event can be searched for."""
_HASH_DIGITS = 64


class Index(Closing):
    """The index in `path`; any thread may use it, one at a time."""

    def __init__(self, path: Path | None) -> None:
        """Open or make it; None: in memory, for a chain that lives minutes."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(str(path or ":memory:"), check_same_thread=False)
        self._lock = threading.Lock()
        self._database.execute("PRAGMA journal_mode = WAL")
        # A power cut may lose the last blocks of the index, and they are asked for again.
        self._database.execute("PRAGMA synchronous = OFF")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            self._make_anew()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def add(self, blocks: Iterable[IndexedBlock]) -> None:
        """Put blocks in, all or none; one that is there already is replaced."""
        with self._lock, self._database:
            for each in blocks:
                self._add(each)

    def drop_below(self, height: int) -> None:
        """Forget the blocks below a height."""
        with self._lock, self._database:
            for table in ("blocks", "extrinsics", "events", "mentions"):
                self._database.execute(f"DELETE FROM {table} WHERE height < ?", (height,))  # noqa: S608 # names of ours

    def height(self) -> int | None:
        """The newest block's height; None: there is none yet."""
        rows = list(self._select("SELECT max(height) FROM blocks", ()))
        newest: int | None = rows[0][0]
        return newest

    def block_count(self) -> int:
        """How many blocks are here."""
        return self._count("blocks", "", ())

    def blocks(self, offset: int, count: int) -> tuple[BlockRow, ...]:
        """The newest blocks first, without the first `offset`."""
        query = "SELECT * FROM blocks ORDER BY height DESC LIMIT ? OFFSET ?"
        return tuple(BlockRow(*row) for row in self._select(query, (_bounded(count), offset)))

    def per_minute(self, minutes: int) -> list[int]:
        """How many extrinsics there were in each of the minutes before the newest block."""
        query = (
            "SELECT (n.newest - time_ms) / 60000, sum(extrinsic_count)"
            " FROM blocks, (SELECT max(time_ms) newest FROM blocks"
            "  WHERE height > (SELECT max(height) FROM blocks) - 2) n"
            " WHERE height > (SELECT max(height) FROM blocks) - ? AND time_ms > n.newest - ?"
            " GROUP BY 1"
        )
        counts = dict(self._select(query, (minutes * BLOCKS_PER_MINUTE_MAX, minutes * 60_000)))
        return [counts.get(minute, 0) for minute in reversed(range(minutes))]

    def block_height(self, block_id: str) -> int | None:
        """The height of the block with an id."""
        rows = list(self._select("SELECT height FROM blocks WHERE id = ?", (block_id,)))
        return rows[0][0] if rows else None

    def extrinsic_count(self, **wanted: str) -> int:
        """How many extrinsics have a `signer` or `call`."""
        return self._count("extrinsics", *_where(wanted))

    def extrinsics(self, offset: int, count: int, **wanted: str) -> tuple[ExtrinsicRow, ...]:
        """The newest extrinsics first, of one `hash`, `signer` or `call` if wanted."""
        where, values = _where(wanted)
        query = (
            "SELECT x.height, x.place, hash, signer, call, ok, error_name, time_ms"  # noqa: S608 # column names
            f" FROM (SELECT * FROM extrinsics{where}"
            " ORDER BY height DESC, place DESC LIMIT ? OFFSET ?) x"
            " LEFT JOIN blocks b ON b.height = x.height ORDER BY x.height DESC, x.place DESC"
        )
        rows = self._select(query, (*values, _bounded(count), offset))
        return tuple(map(_extrinsic, rows))

    def block_extrinsics(self, height: int) -> tuple[ExtrinsicRow, ...]:
        """All extrinsics of a block, in their order."""
        query = (
            "SELECT x.height, place, hash, signer, call, ok, error_name, time_ms FROM extrinsics x"
            " JOIN blocks b ON b.height = x.height WHERE x.height = ? ORDER BY place"
        )
        rows = self._select(query, (height,))
        return tuple(map(_extrinsic, rows))

    def event_count(self, name: str) -> int:
        """How many events have a name."""
        return self._count("events", *_where({"name": name}))

    def events(self, offset: int, count: int, *names: str) -> tuple[EventRow, ...]:
        """The newest events of some names first."""
        places = ", ".join("?" * len(names))
        query = (
            "SELECT e.*, time_ms FROM (SELECT * FROM events"  # noqa: S608 # question marks
            f" WHERE name IN ({places}) ORDER BY height DESC, place DESC LIMIT ? OFFSET ?) e"
            " LEFT JOIN blocks b ON b.height = e.height ORDER BY e.height DESC, e.place DESC"
        )
        return tuple(map(_event, self._select(query, (*names, _bounded(count), offset))))

    def block_events(self, height: int) -> tuple[EventRow, ...]:
        """All events of a block, in their order."""
        query = "SELECT e.*, 0 FROM events e WHERE height = ? ORDER BY place"
        return tuple(map(_event, self._select(query, (height,))))

    def mention_count(self, value: str) -> int:
        """How many events name a 32-byte value."""
        return self._count("mentions", *_where({"value": value}))

    def mentions(self, value: str, offset: int, count: int) -> tuple[EventRow, ...]:
        """The events that name a 32-byte value (an account, a model, ...), newest first."""
        query = (
            "SELECT e.*, time_ms FROM (SELECT * FROM mentions WHERE value = ?"
            " ORDER BY height DESC, place DESC LIMIT ? OFFSET ?) m"
            " JOIN events e ON e.height = m.height AND e.place = m.place"
            " LEFT JOIN blocks b ON b.height = e.height ORDER BY e.height DESC, e.place DESC"
        )
        return tuple(map(_event, self._select(query, (value, _bounded(count), offset))))

    def _make_anew(self) -> None:
        with self._database:
            for table in ("blocks", "extrinsics", "events", "mentions"):
                self._database.execute(f"DROP TABLE IF EXISTS {table}")
            self._database.executescript(SCHEMA)
            self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _add(self, each: IndexedBlock) -> None:
        block = each.block
        for table in ("extrinsics", "events", "mentions"):
            self._database.execute(f"DELETE FROM {table} WHERE height = ?", (block.height,))  # noqa: S608 # names of ours
        self._database.execute(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            (
                block.height,
                block.id,
                block.time_ms,
                block.proposer,
                block.extrinsic_count,
                block.event_count,
            ),
        )
        self._database.executemany(
            "INSERT INTO extrinsics VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (x.height, x.place, x.hash, x.signer, x.call, x.ok, x.error_name)
                for x in each.extrinsics
            ],
        )
        self._database.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
            [
                (e.height, e.place, e.extrinsic_index, e.name, json.dumps(e.fields))
                for e in each.events
            ],
        )
        self._database.executemany(
            "INSERT OR IGNORE INTO mentions VALUES (?, ?, ?)",
            [(value, e.height, e.place) for e in each.events for value in mentioned(e.fields)],
        )

    def _select(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        with self._lock:
            return iter(self._database.execute(query, values).fetchall())

    def _count(self, table: str, where: str, values: Sequence[Any]) -> int:
        query = f"SELECT count(*) FROM {table}{where}"  # noqa: S608 # names of ours
        return int(next(self._select(query, values))[0])


def mentioned(value: Any) -> set[str]:
    """The 32-byte values in an event's fields, as hexadecimal digits."""
    found: set[str] = set()
    waiting = [value]
    while waiting and len(found) < MENTIONS_MAX:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, str) and len(each) == _HASH_DIGITS and _is_hexadecimal(each):
            found.add(each)
    return found


def _is_hexadecimal(text: str) -> bool:
    return all(digit in "0123456789abcdef" for digit in text)


def _where(wanted: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    if not wanted:
        return "", ()
    return " WHERE " + " AND ".join(f"{column} = ?" for column in wanted), tuple(wanted.values())


def _event(row: Sequence[Any]) -> EventRow:
    height, place, extrinsic_index, name, fields, time_ms = row
    return EventRow(height, place, extrinsic_index, name, json.loads(fields), time_ms or 0)


def _extrinsic(row: Sequence[Any]) -> ExtrinsicRow:
    height, place, digits, signer, call, ok, error_name, time_ms = row
    return ExtrinsicRow(height, place, digits, signer, call, bool(ok), error_name, time_ms or 0)


def _bounded(count: int) -> int:
    return max(0, min(count, PAGE_ROWS_MAX))
