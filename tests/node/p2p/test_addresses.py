"""Addresses, the book that keeps them, and the node key."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import ConfigError, KeystoreError
from node.p2p.address_book import (
    BACKOFF_MAX_S,
    FAILURES_MAX,
    SHARED_AGE_MAX_S,
    AddressBook,
    encode_book,
    load_book,
    save_book,
)
from node.p2p.addresses import (
    PeerAddress,
    decode_addresses,
    encode_addresses,
    household,
    may_dial,
    neighbourhood,
    numeric,
)
from node.p2p.errors import InvalidAddress, MessageMalformed
from node.p2p.identity import load_identity
from node.p2p.limits import Limits
from node.p2p.reputation import Ban

IDENTITY = b"i" * 32
NOW_S = 1_800_000_000.0
LIMITS = Limits(addresses_max=50, addresses_per_source_max=10)


def anywhere(_address: PeerAddress) -> bool:
    """Every address is wanted."""
    return True


def book() -> AddressBook:
    """An empty one."""
    return AddressBook(LIMITS, Random(1))


def at(number: int, identity: bytes | None = IDENTITY) -> PeerAddress:
    """One of many addresses."""
    return PeerAddress(f"198.51.{number // 250}.{number % 250 + 1}", 30_333, identity)


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.7:30333",
        "[2001:db8::7]:1",
        "node.example:65535",
        f"{IDENTITY.hex()}@node.example:30333",
    ],
)
def test_an_address_is_written_as_it_is_read(text):
    """Numbers, names, IPv6, with and without an identity."""
    assert str(PeerAddress.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", ":1", "host:", "host:0", "host:65536", "host:-1", "2001:db8::7:1", "host:1x", "a b:1",
     "host:\u0661", "ab@host:1", "zz" * 32 + "@host:1", "@host:1", "x" * 254 + ":1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_remedy(text):
    """One sentence, and how to write it."""
    with pytest.raises(InvalidAddress) as caught:
        PeerAddress.parse(text)
    assert caught.value.remedy


def test_addresses_are_told_as_numbers():
    """Names, and nodes whose identity is not known, are left out."""
    told = (
        PeerAddress("192.0.2.7", 1, IDENTITY),
        PeerAddress("2001:db8::7", 65_535, IDENTITY),
        PeerAddress("node.example", 1, IDENTITY),
        PeerAddress("192.0.2.7", 1),
    )
    assert decode_addresses(encode_addresses(told)) == told[:2]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_an_answer_that_is_none_is_malformed(payload):
    """Whatever the bytes are, there is no other error."""
    try:
        addresses = decode_addresses(payload)
    except MessageMalformed:
        return
    assert encode_addresses(addresses) == payload


def test_an_ip_address_of_a_wrong_length_is_malformed():
    """Five bytes are no address, though CBOR can carry them."""
    good = encode_addresses((PeerAddress("192.0.2.7", 1, IDENTITY),))
    bad = good.replace(b"\x44\xc0\x00\x02\x07", b"\x45\xc0\x00\x02\x07\x07")
    assert bad != good
    with pytest.raises(MessageMalformed):
        decode_addresses(bad)


def test_addresses_are_grouped_by_who_has_them():
    """IPv4 in IPv6 is IPv4; one customer has a /64."""
    assert str(numeric("::ffff:192.0.2.7")) == "192.0.2.7"
    assert numeric("node.example") is None
    assert household("192.0.2.7") == "192.0.2.7"
    assert household("2001:db8::7") == household("2001:db8::8") != household("2001:db8:0:1::7")
    assert neighbourhood("192.0.2.7") == neighbourhood("192.0.200.1")
    assert neighbourhood("2001:db8::7") == neighbourhood("2001:db8:1::7")


@pytest.mark.parametrize(
    ("host", "teller", "believed"),
    [
        ("8.8.8.8", "9.9.9.9", True),
        ("192.168.1.1", "9.9.9.9", False),
        ("127.0.0.1", "9.9.9.9", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("192.168.1.1", "192.168.1.2", True),
        ("224.0.0.1", "9.9.9.9", False),
        ("::", "127.0.0.1", False),
        ("node.example", "9.9.9.9", False),
    ],
)
def test_nobody_outside_tells_us_of_our_own_network(host, teller, believed):
    """A peer of the internet cannot make a node knock at its own machine's ports."""
    assert may_dial(PeerAddress(host, 1, IDENTITY), teller) is believed


def test_an_address_that_fails_is_left_alone_for_longer_and_longer():
    """Twice as long each time, up to five minutes, with a random factor."""
    known = book()
    known.meet(at(1), 0.0)
    now_s, delays = 0.0, []
    for _ in range(12):
        known.fail(at(1), now_s)
        entry = known.get(at(1))
        assert entry is not None
        delays.append(entry.retry_at_s - now_s)
        assert known.pick(now_s + delays[-1] - 0.01, anywhere) is None
        now_s += delays[-1]
        assert known.pick(now_s, anywhere) == at(1)
    for number, delay_s in enumerate(delays):
        expected_s = min(2.0**number, BACKOFF_MAX_S)
        assert expected_s / 2 <= delay_s <= expected_s * 1.5
    assert len(set(delays)) == len(delays)


def test_success_ends_the_waiting():
    """A node that is met again may be dialled at once."""
    known = book()
    known.meet(at(1), 0.0)
    known.fail(at(1), 0.0)
    known.meet(at(1), 0.1)
    assert known.pick(0.1, anywhere) == at(1)


def test_a_refusal_is_respected_for_longer():
    """A node that has no place for us is asked again later than one that was not there."""
    known = book()
    known.meet(at(1), 0.0)
    known.fail(at(1), 0.0, 60.0)
    assert known.pick(29.0, anywhere) is None


def test_told_addresses_that_never_answer_are_forgotten():
    """And what the operator gave is not."""
    known = book()
    known.tell(at(1), b"teller")
    known.give(at(2))
    for _ in range(FAILURES_MAX + 1):
        known.fail(at(1), NOW_S)
        known.fail(at(2), NOW_S)
    assert [entry.address for entry in known.entries()] == [at(2)]


def test_one_peer_cannot_fill_the_book():
    """What it tells is counted, and known addresses are not new."""
    known = book()
    assert [known.tell(at(n), b"teller") for n in range(12)] == [True] * 10 + [False] * 2
    assert not known.tell(at(0), b"other")
    assert known.tell(at(11), b"other")


def test_many_peers_cannot_drive_out_who_was_met():
    """A full book makes room at the cost of what was only told, and keeps its size."""
    known = book()
    known.give(at(0))
    for number in range(1, 40):
        known.meet(at(number), float(number))
    for number in range(40, 400):
        known.tell(at(number), b"%d" % (number // 10))
    assert len(known) == LIMITS.addresses_max
    assert sum(bool(entry.met_at_s) for entry in known.entries()) == 39
    for number in range(1_000, 1_060):
        known.meet(at(number), 1_000.0)
    assert len(known) == LIMITS.addresses_max
    assert known.get(at(0)) is not None
    assert not known.tell(at(2_000), b"late")


def test_our_own_address_is_not_dialled_again():
    """Many operators give all nodes the same seeds."""
    known = book()
    known.give(at(1, None))
    known.never(at(1, None))
    assert known.pick(1e9, anywhere) is None


def test_half_of_the_dials_go_to_who_was_met():
    """However many addresses were told."""
    known = book()
    known.meet(at(0), 1.0)
    for number in range(1, 50):
        known.tell(at(number), b"%d" % number)
    met = sum(known.pick(2.0, anywhere) == at(0) for _ in range(400))
    assert 150 < met < 260


def test_only_nodes_met_lately_are_passed_on():
    """Not those that were told, nor the one that asks."""
    known = book()
    now_s = SHARED_AGE_MAX_S + 10
    known.meet(at(1, b"1" * 32), 5.0)
    known.meet(at(2, b"2" * 32), now_s)
    known.meet(at(3, b"3" * 32), now_s)
    known.tell(at(4), b"teller")
    assert known.share(now_s, b"3" * 32, 10) == (at(2, b"2" * 32),)


def test_the_book_survives_a_restart(tmp_path):
    """Who was met, what was told and by whom, and the bans; a file for its owner only."""
    path = tmp_path / "peers.json"
    first, second = book(), book()
    first.meet(at(1), 7.0)
    first.tell(at(2), b"teller")
    first.give(at(3))
    save_book(path, encode_book(first, [Ban("ip 192.0.2.1", 99.0)]))
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_book(path, second) == (Ban("ip 192.0.2.1", 99.0),)
    entry, told = second.get(at(1)), second.get(at(2))
    assert entry is not None
    assert told is not None
    assert (entry.address, entry.met_at_s) == (at(1), 7.0)
    assert told.told_by == b"teller".hex()
    assert second.get(at(3)) is None


def test_no_book_is_an_empty_book(tmp_path):
    """A new node has none."""
    assert load_book(tmp_path / "none.json", book()) == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"version": 9}', b"\xff", b'{"version": 1, "addresses": [{}]}',
     json.dumps({"version": 1, "addresses": [{"address": "x", "told_by": "", "met_at_s": 1}]}).encode()],
)  # fmt: skip
def test_a_damaged_book_is_a_typed_error(content, tmp_path):
    """It says that the file may be deleted."""
    path = tmp_path / "peers.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="damaged") as caught:
        load_book(path, book())
    assert "Delete it" in caught.value.remedy


def test_a_book_that_cannot_be_read_or_written_is_a_typed_error(tmp_path):
    """A folder in its place, or no folder at all."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_book(tmp_path, book())
    with pytest.raises(ConfigError, match="cannot be written"):
        save_book(tmp_path / "none" / "peers.json", b"{}")


def test_a_node_keeps_its_identity(tmp_path):
    """Made once, for its owner only, and read again."""
    path = tmp_path / "network" / "node_key"
    first = load_identity(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_identity(path) == first
    assert load_identity(tmp_path / "other") != first


def test_a_node_key_that_others_may_read_is_refused(tmp_path):
    """It may be known to others already."""
    path = tmp_path / "node_key"
    load_identity(path)
    path.chmod(0o640)
    with pytest.raises(KeystoreError, match="mode 640") as caught:
        load_identity(path)
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"00" * 31, b"00" * 33, b"\xff" * 64])
def test_a_damaged_node_key_is_a_typed_error(content, tmp_path):
    """A node does not come back as somebody else without being told to."""
    path = tmp_path / "node_key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(KeystoreError, match="damaged"):
        load_identity(path)


def test_a_node_key_that_cannot_be_made_is_a_typed_error(tmp_path):
    """A file where its folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(KeystoreError, match="cannot be read or made"):
        load_identity(tmp_path / "file" / "node_key")
