"""What each API key has been used for: requests of the last minute, tokens and fees of the day.

    {"version": 1, "day": 20778, "spent": {"<hash of the key>": [<tokens>, <fees>]}}

Invariants:

- An answer begins only if the most that it may take, beside the most of all answers in progress, is
  within the key's limits of the day.  Days are those of UTC.
- What was spent is on disk some seconds later: a crash forgets at most that.
- Only keys with limits are counted.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from node.api.errors import QuotaSpent, RateLimited
from node.api.keys import NO_LIMITS, ApiKey
from node.errors import ConfigError
from node.files import write_atomically

USAGE_FILE = "usage.json"
"""In a server's folder."""
SAVE_INTERVAL_S = 5.0
FILE_BYTES_MAX = 4 * 1024 * 1024
DAY_S = 86_400
MINUTE_S = 60.0
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Amounts:
    """What answers take."""

    tokens: int = 0
    fees: int = 0
    """In units of 10**-18 OPEN."""

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.tokens + other.tokens, self.fees + other.fees)

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(self.tokens - other.tokens, self.fees - other.fees)


@dataclass(slots=True)
class Tally:
    """What an answer in progress has taken so far."""

    taken: Amounts = field(default_factory=Amounts)


@dataclass(slots=True)
class _Account:
    """One key's use."""

    spent: Amounts = field(default_factory=Amounts)
    reserved: Amounts = field(default_factory=Amounts)
    allowance: float = math.inf
    """Requests that may come at once; it grows with time up to those of a minute."""
    counted_at_s: float = 0.0


class Meter:
    """Counts for all keys of one server; threads may share it."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Go on from what `path` says of today; raises `ConfigError` for a damaged file."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._day = self._today()
        self._accounts: dict[bytes, _Account] = {}
        self._unsaved = False
        self._load()

    def admit(self, key: ApiKey) -> None:
        """Count a request; raises `RateLimited`."""
        limit = key.limits.requests_per_minute
        if limit is None:
            return
        with self._lock:
            account, now_s = self._account(key), self._clock()
            grown = account.allowance + max(0.0, now_s - account.counted_at_s) * limit / MINUTE_S
            account.allowance, account.counted_at_s = min(float(limit), grown), now_s
            if account.allowance < 1:
                wait_s = math.ceil((1 - account.allowance) * MINUTE_S / limit) if limit else DAY_S
                raise RateLimited(
                    f"This key may send {limit} requests a minute.",
                    remedy=f"Send it again in {wait_s} s.",
                    retry_after_s=wait_s,
                )
            account.allowance -= 1

    @contextmanager
    def metered(self, key: ApiKey, most: Amounts) -> Iterator[Tally]:
        """Set aside the most that an answer may take, then count what it took.

        Raises `QuotaSpent`.
        """
        self._reserve(key, most)
        tally = Tally()
        try:
            yield tally
        finally:
            self._settle(key, most, tally.taken)

    def _reserve(self, key: ApiKey, most: Amounts) -> None:
        if key.limits == NO_LIMITS:
            return
        with self._lock:
            account = self._account(key)
            taken = account.spent + account.reserved
            left = (
                ("tokens", most.tokens, key.limits.tokens_per_day, taken.tokens),
                ("fees in 10**-18 OPEN", most.fees, key.limits.fees_per_day, taken.fees),
            )
            for what, wanted, limit, used in left:
                if limit is not None and used + wanted > limit:
                    raise QuotaSpent(
                        f"This answer may take {wanted} {what}; of this key's {limit} of the day, "
                        f"{used} are taken.",
                        remedy="Ask for a shorter answer, or again after midnight UTC.",
                    )
            account.reserved += most

    def _settle(self, key: ApiKey, most: Amounts, taken: Amounts) -> None:
        if key.limits == NO_LIMITS:
            return
        with self._lock:
            account = self._account(key)
            account.reserved -= most
            account.spent += taken
            self._unsaved = True

    async def run(self) -> None:
        """Write what was spent now and then until cancelled, and once more then."""
        try:
            while True:
                await trio.sleep(SAVE_INTERVAL_S)
                await trio.to_thread.run_sync(self.save)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self.save)

    def save(self) -> None:
        """Write what was spent, if it has changed; raises `ConfigError`."""
        with self._lock:
            if not self._unsaved:
                return
            spent = {
                key.hex(): [account.spent.tokens, account.spent.fees]
                for key, account in self._accounts.items()
            }
            document = {"version": _VERSION, "day": self._day, "spent": spent}
            self._unsaved = False
        try:
            write_atomically(self._path, json.dumps(document).encode(), self._path.parent)
        except OSError as error:
            message = f"What was spent cannot be written to {self._path}: {error.strerror}."
            raise ConfigError(message, remedy="Make room on the disk, and start again.") from error

    def _account(self, key: ApiKey) -> _Account:
        today = self._today()
        if today != self._day:
            self._day = today
            # Only those of answers in progress are kept: else there would be more every day.
            self._accounts = {
                name: _Account(reserved=account.reserved)
                for name, account in self._accounts.items()
                if account.reserved != Amounts()
            }
        return self._accounts.setdefault(key.key_hash, _Account())

    def _today(self) -> int:
        return int(self._clock()) // DAY_S

    def _load(self) -> None:
        try:
            with self._path.open("rb") as file:
                document = json.loads(file.read(FILE_BYTES_MAX))
            # What is of another version is read as what it is: the file of another day.
            if (document["version"], document["day"]) == (_VERSION, self._day):
                for key, (tokens, fees) in document["spent"].items():
                    spent = Amounts(int(tokens), int(fees))
                    self._accounts[bytes.fromhex(key)] = _Account(spent)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            message = f"What was spent cannot be read from {self._path}: {error}."
            raise ConfigError(message, remedy="Delete it: the day begins anew.") from error
