"""Where other nodes are: what the operator gave, whom this node has met, what peers have told.

A JSON file keeps it over restarts; a node that comes back does not depend on its seeds.  It has at
most 1,000 entries.  To fill it with nonsense (an eclipse attack) one would need many identities:
each peer can put in 64 addresses, those never drive out a node that was met, and half of all dials
go to nodes that were met before.

An address that fails is tried again after 1 s, 2 s, 4 s, and so on up to five minutes (reserved
peers and seeds: 10 s), times a random factor from 0.5 to 1.5: nodes that failed together do not
come back together.  Times are those of the wall clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from node.errors import ConfigError
from node.files import write_atomically
from node.p2p.addresses import PeerAddress, numeric
from node.p2p.errors import InvalidAddress
from node.p2p.limits import Limits
from node.p2p.reputation import Ban

BACKOFF_MAX_S = 300.0
BACKOFF_GIVEN_MAX_S = 10.0
FAILURES_MAX = 10
"""An address where nobody was met for a day is forgotten after so many."""
SHARED_AGE_MAX_S = 24 * 3_600.0
"""A node that was not met for so long is not passed on."""
FILE_BYTES_MAX = 2 * 1024 * 1024
_VERSION = 1


@dataclass(slots=True)
class BookEntry:
    """What is known of one address."""

    address: PeerAddress
    given: bool = False
    """By the operator: never forgotten."""
    told_by: str = ""
    """The identity of who has told it, in hexadecimal."""
    met_at_s: float = 0.0
    """When the node there last proved its identity to us; 0: never."""
    failures: int = 0
    retry_at_s: float = 0.0


class AddressBook:
    """The addresses that one node knows; `random` spreads what it does over nodes and time."""

    def __init__(self, limits: Limits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._entries: dict[tuple[str, int], BookEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> Iterable[BookEntry]:
        """All entries."""
        return self._entries.values()

    def get(self, address: PeerAddress) -> BookEntry | None:
        """What is known of an address."""
        return self._entries.get((address.host, address.port))

    def give(self, address: PeerAddress) -> None:
        """Put in what the operator has given."""
        entry = self._entries.setdefault((address.host, address.port), BookEntry(address))
        entry.given = True
        if address.identity is not None:
            entry.address = address

    def meet(self, address: PeerAddress, now_s: float) -> None:
        """The node that was dialled at an address has proved that it has `address.identity`."""
        entry = self._entries.get((address.host, address.port))
        if entry is None:
            entry = self._put(BookEntry(address))
        entry.address = address
        entry.met_at_s = now_s
        entry.failures, entry.retry_at_s = 0, now_s

    def tell(self, address: PeerAddress, teller: bytes) -> bool:
        """A peer has told of an address; whether it is new, and kept."""
        told_by = teller.hex()
        told = sum(entry.told_by == told_by for entry in self._entries.values())
        if self.get(address) is not None or told >= self._limits.addresses_per_source_max:
            return False
        if len(self._entries) >= self._limits.addresses_max and self._least(told_only=True) is None:
            return False
        self._put(BookEntry(address, told_by=told_by))
        return True

    def fail(self, address: PeerAddress, now_s: float, least_s: float = 0.0) -> None:
        """Nobody was there, or not who was expected, or not willing: wait, or forget it."""
        entry = self.get(address)
        if entry is None:
            return
        entry.failures += 1
        is_stale = entry.met_at_s <= now_s - SHARED_AGE_MAX_S
        if entry.failures >= FAILURES_MAX and is_stale and not entry.given:
            del self._entries[address.host, address.port]
            return
        most_s = BACKOFF_GIVEN_MAX_S if entry.given else BACKOFF_MAX_S
        delay_s = max(least_s, min(most_s, 2.0 ** min(entry.failures - 1, 16)))
        entry.retry_at_s = now_s + delay_s * self._random.uniform(0.5, 1.5)

    def never(self, address: PeerAddress) -> None:
        """Do not dial an address in this run: it is our own."""
        entry = self.get(address)
        if entry is not None:
            entry.retry_at_s = inf

    def pick(self, now_s: float, wanted: Callable[[PeerAddress], bool]) -> PeerAddress | None:
        """An address to dial now, at random; half of the time one that was met before."""
        ready = [
            entry
            for entry in self._entries.values()
            if entry.retry_at_s <= now_s and wanted(entry.address)
        ]
        met = [entry for entry in ready if entry.met_at_s]
        chosen = met if met and self._random.random() < 0.5 else ready
        return self._random.choice(chosen).address if chosen else None

    def share(self, now_s: float, asker: bytes, count_max: int) -> tuple[PeerAddress, ...]:
        """Some nodes that were met lately, for who asks."""
        known = [
            entry.address
            for entry in self._entries.values()
            if entry.met_at_s > now_s - SHARED_AGE_MAX_S
            and entry.address.identity not in (None, asker)
            and numeric(entry.address.host) is not None
        ]
        return tuple(self._random.sample(known, min(count_max, len(known))))

    def _put(self, entry: BookEntry) -> BookEntry:
        if len(self._entries) >= self._limits.addresses_max:
            least = self._least(told_only=False)
            if least is not None:
                del self._entries[least.address.host, least.address.port]
        self._entries[entry.address.host, entry.address.port] = entry
        return entry

    def _least(self, *, told_only: bool) -> BookEntry | None:
        """Who is missed least: never met, then met longest ago; with most failures."""
        candidates = (
            entry
            for entry in self._entries.values()
            if not entry.given and not (told_only and entry.met_at_s)
        )
        return min(candidates, key=lambda each: (each.met_at_s, -each.failures), default=None)


def encode_book(book: AddressBook, bans: Iterable[Ban]) -> bytes:
    """The book and the bans as they are written to a file."""
    document = {
        "version": _VERSION,
        "addresses": [
            {
                "address": str(entry.address),
                "told_by": entry.told_by,
                "met_at_s": int(entry.met_at_s),
            }
            for entry in book.entries()
            if entry.met_at_s or entry.told_by
        ],
        "bans": [{"who": ban.who, "until_s": int(ban.until_s)} for ban in bans],
    }
    return json.dumps(document, indent=1).encode()


def save_book(path: Path, encoded: bytes) -> None:
    """Write an encoded book, whole or not at all; raises `ConfigError`."""
    try:
        write_atomically(path, encoded, path.parent)
    except OSError as error:
        message = f"The address book {path} cannot be written: {error.strerror}."
        raise ConfigError(message, remedy="Make its folder writable for this user.") from error


def load_book(path: Path, book: AddressBook) -> tuple[Ban, ...]:
    """Fill the book from a file, if there is one; returns the bans; raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(FILE_BYTES_MAX))
        return _restore(document, book)
    except FileNotFoundError:
        return ()
    except OSError as error:
        message = f"The address book {path} cannot be read: {error.strerror}."
        raise ConfigError(message, remedy="Make it readable for this user.") from error
    except (ValueError, KeyError, TypeError, InvalidAddress) as error:
        message = f"{path} is not an address book, or it is damaged."
        raise ConfigError(message, remedy="Delete it: the node begins with its seeds.") from error


def _restore(document: dict[str, Any], book: AddressBook) -> tuple[Ban, ...]:
    if document["version"] != _VERSION:
        raise ValueError("unexpected version")
    for each in document["addresses"]:
        address, told_by = PeerAddress.parse(each["address"]), str(each["told_by"])
        if each["met_at_s"]:
            book.meet(address, float(each["met_at_s"]))
        else:
            book.tell(address, bytes.fromhex(told_by))
    return tuple(Ban(str(each["who"]), float(each["until_s"])) for each in document["bans"])
