"""Keys on disk open with their password only, and never show their seed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import nacl.pwhash.argon2id
import pytest

from node.errors import KeystoreError
from node.keystore import DerivationCost, Keystore, read_password, unlock_file

CHEAP = DerivationCost(
    nacl.pwhash.argon2id.OPSLIMIT_MIN, nacl.pwhash.argon2id.MEMLIMIT_MIN
)  # fmt: skip
SEED = bytes(range(32))


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    """An empty keystore that derives cheaply."""
    return Keystore(tmp_path / "keys", cost=CHEAP)


def test_a_key_opens_with_its_password_only(keystore: Keystore) -> None:
    """The right password gives the key back; a wrong one a typed error without the seed."""
    entry = keystore.keep("alice", "secret", SEED)
    assert keystore.unlock("alice", "secret").account == entry.account
    assert keystore.export("alice", "secret") == SEED
    assert unlock_file(entry.path, "secret").account == entry.account
    with pytest.raises(KeystoreError, match="does not open") as caught:
        keystore.unlock("alice", "guess")
    assert "guess" not in str(caught.value)


def test_the_file_is_private_and_hides_the_seed(keystore: Keystore) -> None:
    """Mode 0600 in a 0700 folder, and neither seed nor password inside."""
    path = keystore.keep("alice", "secret", SEED).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert SEED.hex() not in path.read_text()
    assert "secret" not in path.read_text()


def test_keys_are_listed_without_a_password(keystore: Keystore) -> None:
    """Names and accounts are public, in order of names."""
    assert keystore.entries() == ()
    bob = keystore.new("bob", "1")
    alice = keystore.new("alice", "2")
    assert keystore.entries() == (alice, bob)
    assert alice.account != bob.account


def test_a_key_is_never_overwritten(keystore: Keystore) -> None:
    """A taken name is refused."""
    keystore.new("alice", "1")
    with pytest.raises(KeystoreError, match="already"):
        keystore.keep("alice", "2", SEED)


@pytest.mark.parametrize("name", ["", "../alice", "Alice", "a" * 65, "a/b", ".hidden"])
def test_names_cannot_leave_the_folder(keystore: Keystore, name: str) -> None:
    """Only plain lower-case names are allowed."""
    with pytest.raises(KeystoreError, match="cannot be the name"):
        keystore.new(name, "1")


def test_an_empty_password_and_a_short_seed_are_refused(keystore: Keystore) -> None:
    """Both would make a key that protects nothing."""
    with pytest.raises(KeystoreError, match="empty"):
        keystore.new("alice", "")
    with pytest.raises(KeystoreError, match="32 bytes"):
        keystore.keep("alice", "1", b"short")


def test_a_missing_or_damaged_file_is_a_typed_error(keystore: Keystore) -> None:
    """No file, no JSON, other fields, an absurd cost: a sentence and a remedy each."""
    with pytest.raises(KeystoreError, match="no key file"):
        keystore.unlock("nobody", "1")
    path = keystore.keep("alice", "1", SEED).path
    document = json.loads(path.read_text())
    damaged = [
        "",
        "[]",
        "{}",
        json.dumps(document | {"version": 2}),
        json.dumps(document | {"memory_bytes": 2**40}),
        json.dumps(document | {"salt": "00"}),
        json.dumps(document | {"extra": 1}),
    ]
    for text in damaged:
        path.write_text(text)
        with pytest.raises(KeystoreError, match="not a key file"):
            keystore.unlock("alice", "1")


def test_an_edited_account_is_noticed(keystore: Keystore) -> None:
    """A file that names another account than its seed has is refused."""
    path = keystore.keep("alice", "1", SEED).path
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"account": "00" * 32}))
    with pytest.raises(KeystoreError, match="another account"):
        keystore.unlock("alice", "1")


def test_the_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file's first line goes before OPENLEDGER_PASSWORD; a missing file is a typed error."""
    monkeypatch.delenv("OPENLEDGER_PASSWORD", raising=False)
    assert read_password(None) is None
    monkeypatch.setenv("OPENLEDGER_PASSWORD", "from environment")
    assert read_password(None) == "from environment"
    file = tmp_path / "password"
    file.write_text("from file\nsecond line\n")
    assert read_password(file) == "from file"
    with pytest.raises(KeystoreError, match="cannot be read"):
        read_password(tmp_path / "missing")
