"""API keys: who is asking, and so whose escrow pays.

    {"version": 1, "keys": {"<blake2b-256 of the key, hex>": {
        "account": "<hex>", "label": "...", "operator": false,
        "requests_per_minute": 60, "tokens_per_day": null, "fees_per_day": null}}}

The file holds hashes, never keys; it must be readable by its owner only, and is read again whenever
it has changed, so that a key can be added or removed while the server runs.
"""

from __future__ import annotations

import json
import secrets
import stat
import threading
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from node.api.errors import InvalidApiKey
from node.errors import ConfigError
from node.files import write_atomically
from node.http.messages import Request
from runtime.hashing import hasher

KEY_PREFIX = "ol-"
KEY_BYTES = 32
KEY_CHARACTERS_MAX = 128
KEYS_MAX = 10_000
FILE_BYTES_MAX = 4 * 1024 * 1024
LABEL_CHARACTERS_MAX = 64
ACCOUNT_BYTES = 32
_VERSION = 1
_hash_api_key = hasher(b"api key")


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """How much may be asked for with one key; None is as much as the server can do."""

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    """Of prompts and answers together; days begin at midnight UTC."""
    fees_per_day: int | None = None
    """What the chain is asked to pay, in units of 10**-18 OPEN."""


NO_LIMITS = KeyLimits()
LIMITS = fields(KeyLimits)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as anybody may see it."""

    key_hash: bytes
    account: bytes
    label: str
    limits: KeyLimits = NO_LIMITS
    operator: bool = False
    """Whether it may change what is served."""


class ApiKeys:
    """The keys of one file."""

    def __init__(self, path: Path) -> None:
        """Use `path`; a file that does not exist yet holds no key."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._by_hash: dict[bytes, ApiKey] = {}

    def find(self, key: str) -> ApiKey | None:
        """What is known of `key`, or None; raises `ConfigError`."""
        if len(key) > KEY_CHARACTERS_MAX:
            return None
        return self._current().get(_hash_api_key(key.encode()))

    def entries(self) -> tuple[ApiKey, ...]:
        """All keys, sorted by label."""
        return tuple(sorted(self._current().values(), key=lambda entry: entry.label))

    def add(
        self,
        account: bytes,
        label: str,
        limits: KeyLimits = NO_LIMITS,
        *,
        operator: bool = False,
    ) -> str:
        """Make a key for `account` and return it: it is kept nowhere."""
        key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
        entries = dict(self._current())
        if len(entries) >= KEYS_MAX:
            message = f"{self._path} holds {KEYS_MAX} keys already."
            raise ConfigError(message, remedy="Remove some of them first.")
        key_hash, name = _hash_api_key(key.encode()), label[:LABEL_CHARACTERS_MAX]
        entry = ApiKey(key_hash, account, name, limits, operator)
        self._write(entries | {entry.key_hash: entry})
        return key

    def remove(self, label: str) -> int:
        """Forget all keys with `label` and return how many there were."""
        entries = self._current()
        kept = {key: entry for key, entry in entries.items() if entry.label != label}
        if len(kept) < len(entries):
            self._write(kept)
        return len(entries) - len(kept)

    def _current(self) -> dict[bytes, ApiKey]:
        with self._lock:
            try:
                status = self._path.stat()
            except FileNotFoundError:
                return {}
            except OSError as error:
                raise self._unusable(str(error.strerror)) from error
            version = (status.st_mtime_ns, status.st_ino)
            if version != self._seen:
                self._check_mode(status.st_mode, status.st_size)
                self._by_hash = self._read()
                self._seen = version
            return self._by_hash

    def _check_mode(self, mode: int, size_bytes: int) -> None:
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            message = f"Other users can read the API keys in {self._path}."
            raise ConfigError(message, remedy=f"Run `chmod 600 {self._path}`.")
        if size_bytes > FILE_BYTES_MAX:
            raise self._unusable(f"it has more than {FILE_BYTES_MAX} bytes")

    def _read(self) -> dict[bytes, ApiKey]:
        try:
            document = json.loads(self._path.read_bytes())
            if document["version"] != _VERSION or set(document) != {"version", "keys"}:
                raise self._unusable(f"it is not of version {_VERSION}")
            entries = [_entry(name, entry) for name, entry in document["keys"].items()]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._unusable(f"{type(error).__name__}: {error}") from error
        return {entry.key_hash: entry for entry in entries}

    def _write(self, entries: dict[bytes, ApiKey]) -> None:
        keys = {entry.key_hash.hex(): _fields(entry) for entry in entries.values()}
        data = json.dumps({"version": _VERSION, "keys": keys}, indent=2).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Its temporary file is made by mkstemp, so the result has the mode 0600.
            write_atomically(self._path, data, self._path.parent)
        except OSError as error:
            raise self._unusable(str(error.strerror)) from error

    def _unusable(self, why: str) -> ConfigError:
        message = f"The API keys in {self._path} cannot be used: {why}."
        return ConfigError(message, remedy="Make the file anew with `openledger serve keys add`.")


def _fields(entry: ApiKey) -> dict[str, Any]:
    plain = {"account": entry.account.hex(), "label": entry.label, "operator": entry.operator}
    return plain | asdict(entry.limits)


def _entry(name: str, document: dict[str, Any]) -> ApiKey:
    key_hash, account = bytes.fromhex(name), bytes.fromhex(document["account"])
    if len(key_hash) != KEY_BYTES or len(account) != ACCOUNT_BYTES:
        raise ValueError(f"the entry {name[:16]} has a hash or an account of the wrong length")
    limits = KeyLimits(**{each.name: _limit(document[each.name]) for each in LIMITS})
    return ApiKey(key_hash, account, str(document["label"]), limits, bool(document["operator"]))


def _limit(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError(f"{value!r} is not a limit")
    return value


def key_of_request(keys: ApiKeys, request: Request) -> ApiKey:
    """The API key that a request has; raises `InvalidApiKey`."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise InvalidApiKey(
            "The request has no API key.", remedy="Send 'Authorization: Bearer <key>'."
        )
    known = keys.find(key.strip())
    if known is None:
        raise InvalidApiKey(
            "The API key is not one of this server's.",
            remedy="Ask its operator for one: `openledger serve keys add`.",
        )
    return known
