"""Keys: unlocked for one browser, for a while; and what accounts are called."""

from __future__ import annotations

import pytest

from node.errors import KeystoreError
from node.keystore import DerivationCost, Keystore
from studio.errors import FieldInvalid, WalletLocked
from studio.names import DEVELOPMENT_CHAIN, Names
from studio.wallet import UNLOCKED_S, Wallet

CHEAP = DerivationCost(operations=1, memory_bytes=8 * 1024 * 1024)


@pytest.fixture
def clock():
    """A clock that the test sets."""
    return [0.0]


@pytest.fixture
def wallet(tmp_path, clock):
    """A wallet with one key."""
    made = Wallet(Keystore(tmp_path, cost=CHEAP), now=lambda: clock[0])
    made.create("alice", "secret")
    return made


def test_a_key_is_unlocked_for_one_browser_only(wallet):
    """Another browser does not sign with what this one unlocked."""
    wallet.unlock("mine", "alice", "secret")
    assert wallet.keypair("mine", "alice").account.hex() == wallet.keys("other")[0].account
    with pytest.raises(WalletLocked):
        wallet.keypair("other", "alice")


def test_a_key_locks_itself_when_it_is_not_used(wallet, clock):
    """After fifteen minutes without a signature the password is needed again."""
    wallet.unlock("mine", "alice", "secret")
    clock[0] = UNLOCKED_S - 1
    wallet.keypair("mine", "alice")
    clock[0] += UNLOCKED_S - 1
    wallet.keypair("mine", "alice")
    clock[0] += UNLOCKED_S + 1
    with pytest.raises(WalletLocked):
        wallet.keypair("mine", "alice")


def test_locking_forgets_all_keys_of_a_browser(wallet):
    """`Lock all` means all."""
    wallet.unlock("mine", "alice", "secret")
    wallet.lock("mine")
    assert not wallet.keys("mine")[0].is_unlocked


def test_a_wrong_password_opens_nothing(wallet):
    """The error says so, and the key stays locked."""
    with pytest.raises(KeystoreError):
        wallet.unlock("mine", "alice", "wrong")
    assert not wallet.keys("mine")[0].is_unlocked


def test_words_bring_a_key_back(tmp_path, wallet):
    """The 24 words that were shown once make the same account on another machine."""
    words = wallet.create("bob", "secret")
    elsewhere = Wallet(Keystore(tmp_path / "elsewhere", cost=CHEAP))
    elsewhere.take_words("again", "other password", words)
    assert elsewhere.keys("")[0].account == wallet.keys("")[1].account


def test_development_keys_are_there_on_development_chains_only(wallet):
    """Keys that everybody knows are never offered on a chain with real money."""
    assert [key.name for key in wallet.keys("")] == ["alice"]
    with pytest.raises(WalletLocked):
        wallet.keypair("", "dev:alice")
    wallet.has_development_keys = True
    assert wallet.keypair("", "dev:alice").account.hex() == next(
        key.account for key in wallet.keys("") if key.name == "dev:alice"
    )


def test_a_browser_acts_as_the_key_it_chose(wallet):
    """The choice is one browser's."""
    wallet.has_development_keys = True
    wallet.choose("mine", "dev:bob")
    assert wallet.chosen("mine").name == "dev:bob"
    assert wallet.chosen("other").name == "dev:user"


@pytest.fixture
def names(tmp_path):
    """Names on a development chain."""
    made = Names(tmp_path / "contacts.json", Keystore(tmp_path / "keys", cost=CHEAP))
    made.load(DEVELOPMENT_CHAIN, ["Attribution"])
    return made


def test_contacts_outlive_the_process(tmp_path, names):
    """A name is kept in a file of this machine; an empty one forgets it."""
    names.add("cd" * 32, "Carol")
    again = Names(tmp_path / "contacts.json", Keystore(tmp_path / "keys"))
    again.load("another chain", [])
    assert again.of("cd" * 32) == "Carol"
    assert again.account_of("Carol") == bytes.fromhex("cd" * 32)
    again.add("cd" * 32, "")
    assert again._read() == {}


def test_a_contact_needs_an_account(names):
    """What is no account gets no name."""
    with pytest.raises(FieldInvalid):
        names.add("nobody", "Nobody")


def test_development_names_and_pallets_are_known(names):
    """`dev:alice` is what the command line calls her; a pallet's account has the pallet's name."""
    alice = names.account_of("dev:alice")
    assert alice is not None
    assert names.of(alice.hex()) == "alice"
    assert len(names.find("attribution pallet")) == 1
