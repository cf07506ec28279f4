"""Storage items: typed, bounded, and out of reach of later mutation."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any

import pytest

from runtime.codec import OutOfBounds, encode
from runtime.errors import DefinitionError, InvariantViolation
from runtime.overlay import NestedEdit, Overlay
from runtime.storage import BoundMap, BoundValue, KeyMissing, Map, Value, storage_key
from runtime.types import U8, U32, AccountId, Amount, Max, ShortText
from tests.runtime.token_pallet import Balances

ALICE, BOB = bytes([1]) * 32, bytes([2]) * 32


@dataclass(slots=True)
class Account:
    free: Amount = 0
    held: Amount = 0


@dataclass(frozen=True, slots=True)
class Fixed:
    number: U8


def bound(item: Any, state: dict[bytes, bytes] | None = None) -> Any:
    """The item as a pallet named Test sees it, with its overlay."""
    overlay = Overlay()
    overlay.attach({} if state is None else state, writable=True)
    item.define("Test", "item")
    return item.bind(overlay), overlay


def test_storage_keys_are_pinned() -> None:
    """Prefix, then each part in canonical CBOR: receipts and light clients rely on it."""
    prefix = blake2b(b"Datanets.versions", digest_size=16).digest()
    assert storage_key("Datanets", "versions") == prefix
    assert storage_key("Datanets", "versions", 5, 300) == prefix + bytes.fromhex("0519012c")
    versions = Map[tuple[U32, U32], Fixed]()
    versions.define("Datanets", "versions")
    assert versions.storage_key((5, 300)) == storage_key("Datanets", "versions", 5, 300)


def test_a_value_has_its_default_until_it_is_put() -> None:
    """Reading does not write."""
    value: BoundValue[int]
    value, overlay = bound(Value[Amount](7))
    assert value.get() == 7
    assert overlay.changes() == {}
    value.put(9)
    assert value.get() == 9
    assert overlay.changes() == {storage_key("Test", "item"): encode(9)}


def test_a_map_behaves_like_a_dictionary() -> None:
    """Set, get, contains, delete; with a default, absent entries have it."""
    accounts: BoundMap[bytes, Account]
    accounts, _ = bound(Map[AccountId, Account](Account()))
    assert accounts[ALICE] == Account()
    assert accounts.get(ALICE) == Account()
    assert ALICE not in accounts
    accounts[ALICE] = Account(5, 6)
    assert ALICE in accounts
    assert accounts[ALICE] == accounts.get(ALICE) == Account(5, 6)
    del accounts[ALICE]
    assert ALICE not in accounts


def test_without_a_default_an_absent_entry_is_an_error() -> None:
    """`KeyMissing` names item and key; `get` returns None."""
    notes: BoundMap[tuple[bytes, int], Fixed]
    notes, _ = bound(Map[tuple[AccountId, U32], Fixed]())
    assert notes.get((ALICE, 1)) is None
    with pytest.raises(KeyMissing, match=rf"Test.item has no entry for \({ALICE.hex()}, 1\)"):
        notes[ALICE, 1]
    with pytest.raises(KeyMissing):
        del notes[ALICE, 1]


def test_mutating_what_was_read_or_written_changes_nothing() -> None:
    """Values are copied on the way in and on the way out, the default included."""
    accounts: BoundMap[bytes, Account]
    accounts, overlay = bound(Map[AccountId, Account](Account()))
    accounts[ALICE].free = 1
    assert accounts[ALICE] == Account()
    written = Account(5)
    accounts[ALICE] = written
    written.free = 6
    accounts[ALICE].free = 7
    with accounts.edit(ALICE) as edited:
        edited.held = 1
    edited.free = 8
    assert accounts[ALICE] == Account(5, 1)
    assert list(overlay.changes().values()) == [encode([5, 1])]


def test_an_edit_is_written_back_on_success_only() -> None:
    """An exception inside leaves the entry as it was, and the entry can be edited again."""
    accounts: BoundMap[bytes, Account]
    accounts, overlay = bound(Map[AccountId, Account](Account()))

    def fail() -> None:
        with accounts.edit(ALICE) as account:
            account.free = 5 // account.held

    with pytest.raises(ZeroDivisionError):
        fail()
    assert overlay.changes() == {}
    with accounts.edit(ALICE) as account:
        account.free = 6
    assert accounts[ALICE] == Account(6)


def test_editing_an_entry_twice_at_once_raises() -> None:
    """A transfer to oneself must not create or destroy money; other entries are free."""
    accounts: BoundMap[bytes, Account]
    accounts, _ = bound(Map[AccountId, Account](Account(10)))

    def transfer(source: bytes, target: bytes) -> None:
        with accounts.edit(source) as sender:
            sender.free -= 5
            with accounts.edit(target) as receiver:
                receiver.free += 5

    with pytest.raises(NestedEdit):
        transfer(ALICE, ALICE)
    with pytest.raises(NestedEdit), accounts.edit(ALICE):
        accounts[ALICE] = Account(99)
    transfer(ALICE, BOB)
    assert (accounts[ALICE], accounts[BOB]) == (Account(5), Account(15))


@pytest.mark.parametrize("amount", [-1, 2**128, True, None, "1"])
def test_a_value_out_of_bounds_is_never_stored(amount: Any) -> None:
    """Writing is checked, by assignment and by edit; what was there stays."""
    accounts: BoundMap[bytes, Account]
    accounts, overlay = bound(Map[AccountId, Account](Account()))
    with pytest.raises(OutOfBounds, match=r"Account\.free"):
        accounts[ALICE] = Account(amount)
    with pytest.raises(OutOfBounds), accounts.edit(ALICE) as account:
        account.free = amount
    with pytest.raises(OutOfBounds):
        accounts[ALICE[:-1]]
    assert overlay.changes() == {}
    with accounts.edit(ALICE) as account:
        account.free = 1


def test_a_key_is_checked_even_if_an_equal_one_is_known() -> None:
    """True equals 1, and is no U8; what was used before must not matter."""
    numbers: BoundMap[int, int]
    numbers, _ = bound(Map[U8, U8](0))
    numbers[1] = 5
    with pytest.raises(OutOfBounds):
        numbers[True]
    with pytest.raises(OutOfBounds):
        numbers[256]


def test_keys_that_are_equal_or_empty_have_their_own_entry() -> None:
    """Whatever was used last: the same bytes in another object, no bytes, none of 32 bytes."""
    map_, overlay = bound(Map[Annotated[bytes, Max(32)], U32](0))
    item = Map[AccountId, U32](0)
    item.define("Test", "accounts")
    accounts = item.bind(overlay)
    for number, key in enumerate((b"", bytes(32), b"a", b"", bytearray(32))):
        map_[bytes(key)] = number
        if len(key) == 32:
            accounts[bytes(key)] = number + 10
    assert [map_[b""], map_[b"a"], map_[bytes(32)]] == [3, 2, 4]
    assert accounts[bytes(32)] == 14
    with pytest.raises(OutOfBounds):
        _ = accounts[b""]


def test_an_absent_entry_without_default_cannot_be_edited() -> None:
    """`edit` raises, and leaves no edit open."""
    accounts: BoundMap[bytes, Account]
    accounts, _ = bound(Map[AccountId, Account]())
    for _ in range(2):
        with pytest.raises(KeyMissing), accounts.edit(ALICE):
            pass


def test_editing_what_cannot_change_is_an_error() -> None:
    """`with m.edit(k) as n: n += 1` would do nothing, silently."""
    numbers: BoundMap[int, int]
    numbers, _ = bound(Map[U8, U8](0))
    with pytest.raises(DefinitionError, match="cannot change in place"):
        numbers.edit(1)
    value: BoundValue[Fixed]
    value, _ = bound(Value[Fixed](Fixed(0)))
    with pytest.raises(DefinitionError, match="cannot change in place"):
        value.edit()


def test_a_value_can_be_edited() -> None:
    """As a map's entry."""
    value: BoundValue[Account]
    value, _ = bound(Value[Account](Account()))
    with value.edit() as account:
        account.free = 4
    assert value.get() == Account(4)


def test_none_is_a_value_that_can_be_stored() -> None:
    """An optional value that is None differs from an absent entry."""
    names: BoundMap[int, str | None]
    names, overlay = bound(Map[U8, ShortText | None]("default"))
    names[1] = None
    assert names[1] is None
    assert 1 in names
    assert names[2] == "default"
    assert list(overlay.changes().values()) == [encode(None)]


def test_damaged_state_halts() -> None:
    """Stored bytes that do not decode are this machine's trouble, never the call's."""
    key = storage_key("Test", "item")
    value: BoundValue[int]
    value, _ = bound(Value[U8](0), {key: encode("text")})
    with pytest.raises(InvariantViolation, match=r"stored Test\.item"):
        value.get()
    value, _ = bound(Value[U8](0), {key: b"\xff\xff"})
    with pytest.raises(InvariantViolation, match=r"stored Test\.item"):
        value.get()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Value(0), r"Test.item has no types.*Value\[Amount\]"),
        (Map(), r"Test.item has no types.*Map\[AccountId"),
        (Value[int](0), "Test.item: int is not a bounded type"),
        (Map[bytes, U8](), "Test.item: bytes is not a bounded type"),
        (Map[U8, str](), "Test.item: str is not a bounded type"),
        (Value[U8](256), "default of Test.item is out of bounds"),
        (Map[U8, U8](-1), "default of Test.item is out of bounds"),
        (Map[Account, U8](), "mutable dataclass as its key"),
        (Map[Annotated[bytes, Max(512)], U8](), "bytes a key"),
        (Value[Annotated[bytes, Max(65_536)]](b""), "bytes a value"),
    ],
)
def test_a_wrong_declaration_says_what_to_write(item: Any, message: str) -> None:
    """Each broken rule names the item."""
    with pytest.raises(DefinitionError, match=message):
        item.define("Test", "item")


def test_a_declaration_is_read_on_the_class() -> None:
    """`Balances.accounts` is the map itself: its keys can be computed without a runtime."""
    assert Balances.accounts.storage_key(bytes(32)).startswith(Balances.accounts.prefix)
    assert Balances.issuance.prefix == storage_key("Balances", "issuance")
    with pytest.raises(DefinitionError, match=r"Balances\.issuance is used on a pallet"):
        _ = Balances().issuance
