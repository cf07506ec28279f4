"""Keys on disk open with their password only, and never show their seed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import nacl.pwhash.argon2id
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import KeystoreError
from node.keystore import (
    DerivationCost,
    Keystore,
    read_password,
    seed_of_words,
    seed_words,
    unlock_file,
)

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
    assert unlock_file(keystore.path("alice"), "secret").account == entry.account
    assert keystore.export("alice", "secret") == SEED
    assert unlock_file(entry.path, "secret").account == entry.account
    with pytest.raises(KeystoreError, match="does not open") as caught:
        unlock_file(keystore.path("alice"), "guess")
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
        unlock_file(keystore.path("nobody"), "1")
    path = keystore.keep("alice", "1", SEED).path
    document = json.loads(path.read_text())
    damaged = [
        "",
        "[]",
        "{}",
        json.dumps(document | {"version": 1}),
        json.dumps(document | {"memory_bytes": 2**40}),
        json.dumps(document | {"salt": "00"}),
        json.dumps(document | {"extra": 1}),
    ]
    for text in damaged:
        path.write_text(text)
        with pytest.raises(KeystoreError, match="not a key file"):
            unlock_file(keystore.path("alice"), "1")


@pytest.mark.parametrize(
    "edit", [{"account": "00" * 32}, {"name": "bob"}, {"operations": 2}, {"sealed_seed": "00" * 72}]
)
def test_an_edited_file_does_not_open(keystore: Keystore, edit: dict[str, object]) -> None:
    """Every field is authenticated with the seed."""
    path = keystore.keep("alice", "1", SEED).path
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | edit))
    with pytest.raises(KeystoreError, match="the file was edited"):
        unlock_file(keystore.path("alice"), "1")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_may_use_is_refused(keystore: Keystore, mode: int) -> None:
    """With the command that mends it; listing it needs no secret and works."""
    path = keystore.keep("alice", "1", SEED).path
    path.chmod(mode)
    with pytest.raises(KeystoreError, match="chmod 600"):
        unlock_file(keystore.path("alice"), "1")
    assert [entry.name for entry in keystore.entries()] == ["alice"]


def test_a_password_can_be_changed(keystore: Keystore) -> None:
    """The old one does not open the key any more; a wrong one changes nothing."""
    keystore.keep("alice", "old", SEED)
    with pytest.raises(KeystoreError):
        keystore.change_password("alice", "guess", "new")
    with pytest.raises(KeystoreError, match="empty"):
        keystore.change_password("alice", "old", "")
    keystore.change_password("alice", "old", "new")
    assert keystore.export("alice", "new") == SEED
    with pytest.raises(KeystoreError):
        unlock_file(keystore.path("alice"), "old")


def test_encrypted_files_go_from_one_keystore_to_another(
    keystore: Keystore, tmp_path: Path
) -> None:
    """A copy is private, never over another file, and opens with its password under any name."""
    keystore.keep("alice", "1", SEED)
    copied = keystore.copy("alice", tmp_path / "alice.json")
    assert stat.S_IMODE(copied.path.stat().st_mode) == 0o600
    with pytest.raises(KeystoreError, match="cannot be written"):
        keystore.copy("alice", tmp_path / "alice.json")
    other = Keystore(tmp_path / "other", cost=CHEAP)
    with pytest.raises(KeystoreError, match="does not open"):
        other.take("carol", copied.path, "guess")
    assert other.take("carol", copied.path, "1").account == copied.account
    assert other.export("carol", "1") == SEED


def test_words_are_those_of_bip_39() -> None:
    """Against the standard's own vectors for 32 bytes of entropy."""
    vectors = {
        "00" * 32: "abandon " * 23 + "art",
        "ff" * 32: "zoo " * 23 + "vote",
        "7f" * 32: "legal winner thank year wave sausage worth useful "
        "legal winner thank year wave sausage worth useful "
        "legal winner thank year wave sausage worth title",
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c": "hamster diagram "
        "private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis "
        "maple dilemma loan word shrug inflict delay length",
    }
    for entropy, words in vectors.items():
        assert seed_words(bytes.fromhex(entropy)) == words
        assert seed_of_words(f"  {words.upper()} \n").hex() == entropy


@given(st.binary(min_size=32, max_size=32), st.integers(0, 23))
def test_words_lead_back_to_their_seed_only(seed: bytes, place: int) -> None:
    """A word that is exchanged is noticed in all but a few cases, and never repeated."""
    words = seed_words(seed).split()
    assert seed_of_words(" ".join(words)) == seed
    with pytest.raises(KeystoreError, match="23"):
        seed_of_words(" ".join(words[:place] + words[place + 1 :]))
    words[place] = "openledger"
    with pytest.raises(KeystoreError) as caught:
        seed_of_words(" ".join(words))
    assert "openledger" not in str(caught.value)


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
