"""Encrypted keys: one JSON file each, argon2id for the password, XChaCha20-Poly1305 for the seed.

The file names its own key-derivation cost, so that a later default does not lock old files out; a
file that asks for more than `_OPERATIONS_MAX` or `_MEMORY_BYTES_MAX` is refused rather than obeyed.
All other fields are authenticated with the seed: a file whose account or cost was edited does not
open.  Nor does one that others may read or write.  Seeds, words and passwords never appear in a
message, a log line or `repr`.

A seed is also 24 words of BIP-39 (`seed_words`): its 32 bytes and their checksum, and no derivation
path that would have to be remembered beside them.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nacl.exceptions
import nacl.pwhash.argon2id
import nacl.utils
from mnemonic import Mnemonic
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)

from node.errors import KeystoreError
from node.files import write_atomically
from runtime.keys import Keypair

SEED_BYTES = 32
SEED_WORDS = 24
FILE_BYTES_MAX = 4_096
_FILE_VERSION = 2
_NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_OTHERS = 0o077
"""The mode bits that let somebody else than the owner in."""
_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_OPERATIONS_MAX = 16
_MEMORY_BYTES_MAX = 1024**3
_FIELDS = {"version", "name", "account", "operations", "memory_bytes", "salt", "sealed_seed"}


@dataclass(frozen=True, slots=True)
class DerivationCost:
    """What argon2id spends on one password: passes over, and bytes of memory."""

    operations: int = nacl.pwhash.argon2id.OPSLIMIT_MODERATE
    memory_bytes: int = nacl.pwhash.argon2id.MEMLIMIT_MODERATE


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as anybody may see it."""

    name: str
    account: bytes
    path: Path


class Keystore:
    """A folder of encrypted keys, readable by its owner only."""

    def __init__(self, directory: Path, *, cost: DerivationCost | None = None) -> None:
        """Use `directory`; it is created with the first key."""
        self._directory = directory
        self._cost = cost or DerivationCost()

    def path(self, name: str) -> Path:
        """The file of the key `name`; raises `KeystoreError` for a name that is not allowed."""
        if _NAME_PATTERN.fullmatch(name) is None:
            remedy = "Use 1 to 64 of a-z, 0-9, dot, dash and underscore."
            raise KeystoreError(f"{name!r} cannot be the name of a key.", remedy=remedy)
        return self._directory / f"{name}.json"

    def new(self, name: str, password: str) -> KeyEntry:
        """Make a random key and keep it; raises `KeystoreError` if the name is taken."""
        return self.keep(name, password, nacl.utils.random(SEED_BYTES))

    def keep(self, name: str, password: str, seed: bytes) -> KeyEntry:
        """Encrypt and keep `seed` (32 bytes); raises `KeystoreError` if the name is taken."""
        path = self.path(name)
        if path.exists():
            remedy = "Choose another name; a key is never overwritten."
            raise KeystoreError(f"There is a key {name!r} already.", remedy=remedy)
        return self._write(name, password, seed)

    def change_password(self, name: str, password: str, new_password: str) -> KeyEntry:
        """Encrypt a key anew; raises `KeystoreError` if `password` does not open it."""
        return self._write(name, new_password, self.export(name, password))

    def take(self, name: str, file: Path, password: str) -> KeyEntry:
        """Keep the key of a key file under a name, with the password that opens it.

        Raises `KeystoreError`.
        """
        return self.keep(name, password, _open_seed(file, password))

    def copy(self, name: str, file: Path) -> KeyEntry:
        """Write the encrypted key to another file, which needs no password; not over another.

        Raises `KeystoreError`.
        """
        source = self.path(name)
        account = _read_file(source).account
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as written:
                written.write(source.read_bytes())
                written.flush()
                os.fsync(written.fileno())
        except OSError as error:
            message = f"The key cannot be written to {file}: {error.strerror}."
            raise KeystoreError(message, remedy="Choose a file that is not there yet.") from error
        return KeyEntry(name, account, file)

    def _write(self, name: str, password: str, seed: bytes) -> KeyEntry:
        path = self.path(name)
        if not password:
            remedy = "Choose a password; it is all that protects the key on disk."
            raise KeystoreError("The password is empty.", remedy=remedy)
        account = _keypair(seed).account
        document = _seal(name, password, seed, account, self._cost)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # mkstemp makes the file 0600 from its first byte, and rename keeps that.
            write_atomically(path, json.dumps(document, indent=1).encode(), self._directory)
        except OSError as error:
            message = f"The key cannot be written to {self._directory}: {error.strerror}."
            remedy = "Choose a folder that this user may write to."
            raise KeystoreError(message, remedy=remedy) from error
        return KeyEntry(name, account, path)

    def entries(self) -> tuple[KeyEntry, ...]:
        """All keys, sorted by name, none opened; raises `KeystoreError` for a damaged file."""
        paths = sorted(self._directory.glob("*.json")) if self._directory.is_dir() else []
        return tuple(KeyEntry(path.stem, _read_file(path).account, path) for path in paths)

    def entry(self, name: str) -> KeyEntry:
        """One key, not opened; raises `KeystoreError` if there is none."""
        path = self.path(name)
        return KeyEntry(name, _read_file(path).account, path)

    def export(self, name: str, password: str) -> bytes:
        """The secret 32-byte seed of a key; whoever has it has the account."""
        return _open_seed(self.path(name), password)


def unlock_file(path: Path, password: str) -> Keypair:
    """The key in a key file; raises `KeystoreError` if damaged or the password is wrong."""
    return _keypair(_open_seed(path, password))


def seed_words(seed: bytes) -> str:
    """The 24 words of a seed (BIP-39, English): whoever has them has the account."""
    return _WORDS.to_mnemonic(seed)


def seed_of_words(words: str) -> bytes:
    """The seed of 24 words; raises `KeystoreError` for others."""
    normal = " ".join(words.lower().split())
    if len(normal.split()) != SEED_WORDS:
        message = f"A key is {SEED_WORDS} words, and these are {len(normal.split())}."
        raise KeystoreError(message, remedy="Give all words, in their order.")
    try:
        return bytes(_WORDS.to_entropy(normal))
    except (ValueError, LookupError) as error:
        # Not the library's sentence: it repeats the word.
        message = "One of the words is wrong, or they are in another order."
        raise KeystoreError(message, remedy="Compare them with what was written down.") from error


_WORDS = Mnemonic("english")


def check_private(path: Path) -> None:
    """Raise `KeystoreError` for a key file that others than its owner may read or write."""
    if path.stat().st_mode & _OTHERS:
        message = f"Others than its owner may use {path}."
        raise KeystoreError(message, remedy=f"Make it private: chmod 600 {path}.")


def account_in_file(path: Path) -> bytes:
    """The account that a key file names, not opened; raises `KeystoreError` for other files."""
    return _read_file(path).account


@dataclass(frozen=True, slots=True)
class _KeyFile:
    account: bytes
    cost: DerivationCost
    salt: bytes
    sealed_seed: bytes
    authenticated: bytes
    """What is authenticated together with the seed."""


def _seal(
    name: str, password: str, seed: bytes, account: bytes, cost: DerivationCost
) -> dict[str, Any]:
    salt = nacl.utils.random(nacl.pwhash.argon2id.SALTBYTES)
    document = {
        "version": _FILE_VERSION,
        "name": name,
        "account": account.hex(),
        "operations": cost.operations,
        "memory_bytes": cost.memory_bytes,
        "salt": salt.hex(),
    }
    nonce = nacl.utils.random(_NONCE_BYTES)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        seed, _authenticated(document), nonce, _derive(password, salt, cost)
    )
    return document | {"sealed_seed": (nonce + sealed).hex()}


def _authenticated(document: dict[str, Any]) -> bytes:
    """All fields but the seed, in one form whatever the file's."""
    others = {name: value for name, value in document.items() if name != "sealed_seed"}
    return json.dumps(others, sort_keys=True, separators=(",", ":")).encode()


def _open_seed(path: Path, password: str) -> bytes:
    file = _read_file(path)
    check_private(path)
    nonce, sealed = file.sealed_seed[:_NONCE_BYTES], file.sealed_seed[_NONCE_BYTES:]
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed, file.authenticated, nonce, _derive(password, file.salt, file.cost)
        )
    except (nacl.exceptions.CryptoError, ValueError) as error:
        message = f"The password does not open {path.name}, or the file was edited."
        remedy = "Check OPENLEDGER_PASSWORD or the password file; it cannot be recovered."
        raise KeystoreError(message, remedy=remedy) from error


def _read_file(path: Path) -> _KeyFile:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(FILE_BYTES_MAX))
        return _parse(document)
    except FileNotFoundError as error:
        remedy = "Make it with `openledger keys new`, or give the right path."
        raise KeystoreError(f"There is no key file {path}.", remedy=remedy) from error
    except OSError as error:
        message = f"The key file {path} cannot be read: {error.strerror}."
        remedy = "Give the path of a key file that this user may read."
        raise KeystoreError(message, remedy=remedy) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} is not a key file, or it is damaged."
        remedy = "Restore it from a backup, or make a new key."
        raise KeystoreError(message, remedy=remedy) from error


def _parse(document: dict[str, Any]) -> _KeyFile:
    if set(document) != _FIELDS or document["version"] != _FILE_VERSION:
        raise ValueError("unexpected fields or version")
    cost = DerivationCost(int(document["operations"]), int(document["memory_bytes"]))
    if not 1 <= cost.operations <= _OPERATIONS_MAX or cost.memory_bytes > _MEMORY_BYTES_MAX:
        raise ValueError("key-derivation cost out of range")
    salt = bytes.fromhex(document["salt"])
    if len(salt) != nacl.pwhash.argon2id.SALTBYTES:
        raise ValueError("salt of another length")
    account = bytes.fromhex(document["account"])
    sealed_seed = bytes.fromhex(document["sealed_seed"])
    return _KeyFile(account, cost, salt, sealed_seed, _authenticated(document))


def _derive(password: str, salt: bytes, cost: DerivationCost) -> bytes:
    return nacl.pwhash.argon2id.kdf(
        crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
        password.encode(),
        salt,
        opslimit=cost.operations,
        memlimit=cost.memory_bytes,
    )


def _keypair(seed: bytes) -> Keypair:
    if len(seed) != SEED_BYTES:
        message = f"A seed has {SEED_BYTES} bytes, not {len(seed)}."
        raise KeystoreError(message, remedy="Give the seed as 64 hexadecimal digits.")
    return Keypair.from_seed(seed)


def read_password(password_file: Path | None) -> str | None:
    """The first line of a file, or else OPENLEDGER_PASSWORD; None without either."""
    if password_file is None:
        return os.environ.get("OPENLEDGER_PASSWORD")
    try:
        with password_file.open() as file:
            return file.readline(FILE_BYTES_MAX).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"The password file {password_file} cannot be read."
        raise KeystoreError(message, remedy="Give a text file that this user may read.") from error
