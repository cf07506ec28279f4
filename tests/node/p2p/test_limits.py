"""Rates, the memory of gossip, reputation and places: pure, with times as arguments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.p2p.errors import PeerRefused
from node.p2p.limits import LaneLimits, Limits, Rate
from node.p2p.rates import ArrivalRates, LaneAllowance, TokenBucket
from node.p2p.reputation import (
    ADDRESS_BAN_S,
    HALF_LIFE_S,
    IDENTITY_BAN_S,
    Misbehaviour,
    Reputation,
)
from node.p2p.seen import SeenMessages
from node.p2p.slots import SIMULTANEOUS_S, Slot, check_address, keep_new, make_room

LIMITS = Limits(inbound_max=20)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10))))
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(steps):
    """Whoever waits as long as it is told stays within the rate."""
    bucket, now_s, spent = TokenBucket(Rate(2, 5), 0.0), 0.0, 0.0
    for pause_s, count in steps:
        now_s += pause_s
        now_s += bucket.spend(count, now_s)
        spent += count
        assert spent <= 5 + 2 * now_s + 1e-6


def test_a_bucket_says_how_long_to_wait():
    """A debt is paid at the rate, and never more than the burst is saved."""
    bucket = TokenBucket(Rate(2, 5), 0.0)
    assert bucket.spend(5, 0.0) == 0
    assert bucket.spend(3, 0.0) == 1.5
    assert not bucket.has(0.1, 1.5)
    assert bucket.has(5, 100.0)
    assert bucket.has(50, 100.0)


def test_an_allowance_is_of_messages_and_of_bytes():
    """Either of them can be used up."""
    limits = LaneLimits(Rate(1, 2), Rate(10, 100), 1, 1)
    few_large = LaneAllowance(limits, 0.0)
    assert few_large.spend(1, 200, 0.0) == 10
    many_small = LaneAllowance(limits, 0.0)
    assert many_small.spend(2, 2, 0.0) == 0
    assert not many_small.has(1, 1, 0.0)


def test_arrivals_are_counted_by_address():
    """An IPv6 customer is one; who came longest ago is forgotten first."""
    rates = ArrivalRates(Rate(1, 2), 3)
    assert [rates.allows("192.0.2.1", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.allows("192.0.2.1", 1.0)
    assert rates.allows("2001:db8::1", 1.0)
    assert rates.allows("2001:db8::2", 1.0)
    assert not rates.allows("2001:db8::3", 1.0)
    for number in range(3):
        assert rates.allows(f"198.51.100.{number}", 1.0)
    assert rates.allows("192.0.2.1", 1.0)


def test_gossip_is_seen_once_for_a_while():
    """For one to two periods, by kind and content."""
    seen = SeenMessages(100, 60.0, 0.0)
    assert seen.add(48, b"x", 0.0)
    assert not seen.add(48, b"x", 59.0)
    assert seen.add(49, b"x", 59.0)
    assert not seen.add(48, b"x", 61.0)
    assert seen.add(48, b"x", 190.0)


def test_the_memory_of_gossip_is_bounded():
    """Two generations at most, the newest of them whole."""
    seen = SeenMessages(100, 60.0, 0.0)
    for number in range(1_000):
        seen.add(48, b"%d" % number, 0.0)
    assert len(seen) <= 200
    assert not seen.add(48, b"999", 0.0)


def test_misbehaviour_adds_up_to_a_ban_that_ends():
    """Of the identity and, not as long, of the address."""
    reputation = Reputation(10)
    reports = [reputation.report(b"a", "192.0.2.1", Misbehaviour.INVALID, 0.0) for _ in range(4)]
    assert reports == [False, False, False, True]
    assert reputation.is_banned(b"a", ADDRESS_BAN_S + 1)
    assert not reputation.is_banned(b"a", IDENTITY_BAN_S)
    assert reputation.is_address_banned("192.0.2.1", ADDRESS_BAN_S - 1)
    assert not reputation.is_address_banned("192.0.2.1", ADDRESS_BAN_S)
    assert not reputation.is_address_banned("192.0.2.2", 0.0)


def test_misbehaviour_is_forgotten_by_half():
    """What happens rarely never adds up to a ban."""
    reputation = Reputation(10)
    reputation.report(b"a", "192.0.2.1", Misbehaviour.INVALID, 0.0)
    assert reputation.points(b"a", HALF_LIFE_S) == pytest.approx(12.5)
    for number in range(1, 100):
        at_s = number * HALF_LIFE_S
        assert not reputation.report(b"a", "192.0.2.1", Misbehaviour.INVALID, at_s)


def test_a_loopback_address_is_never_banned():
    """One bad node of a local network does not shut out the others; IPv6 goes by the /64."""
    reputation = Reputation(10)
    assert reputation.report(b"a", "127.0.0.1", Misbehaviour.MALFORMED, 0.0)
    assert not reputation.is_address_banned("127.0.0.1", 0.0)
    assert not reputation.report(None, "::1", Misbehaviour.MALFORMED, 0.0)
    reputation.report(None, "2001:db8::1", Misbehaviour.MALFORMED, 0.0)
    assert reputation.is_address_banned("2001:db8::ffff", 0.0)
    assert not reputation.is_address_banned("2001:db8:0:1::1", 0.0)


def test_reputation_is_bounded():
    """Who was reported longest ago, and whose ban ends first, is forgotten first."""
    reputation = Reputation(10)
    for number in range(100):
        identity = bytes([number])
        reputation.report(identity, "127.0.0.1", Misbehaviour.INVALID, float(number))
        reputation.report(bytes([number, 1]), "127.0.0.1", Misbehaviour.MALFORMED, float(number))
    bans = list(reputation.bans(0.0))
    assert len(bans) == 10
    assert reputation.is_banned(bytes([99, 1]), 99.0)
    assert reputation.points(bytes([0]), 99.0) == 0
    assert reputation.points(bytes([99]), 99.0) == 25


def test_bans_survive_in_another_run():
    """What `bans` gives, `restore` takes."""
    first, second = Reputation(10), Reputation(10)
    first.report(b"a", "192.0.2.1", Misbehaviour.MALFORMED, 0.0)
    for ban in first.bans(0.0):
        second.keep_out(ban, 0.0)
    assert second.is_banned(b"a", 0.0)
    assert second.is_address_banned("192.0.2.1", 0.0)


def slot(number: int, ip: str, **changed) -> Slot:
    """An inbound connection that is older the lower its number."""
    known = {"identity": bytes([number]), "ip": ip, "inbound": True, "reserved": False}
    return Slot(**{**known, "since_s": float(number), "rtt_s": None, **changed})


def test_connections_from_one_address_are_limited():
    """Handshakes and connections together; loopback is exempt, IPv6 is counted by the /64."""
    four = ["192.0.2.1"] * 4
    with pytest.raises(PeerRefused, match="4 connections from"):
        check_address("192.0.2.1", four, LIMITS)
    check_address("192.0.2.2", four, LIMITS)
    check_address("127.0.0.1", ["127.0.0.1"] * 100, LIMITS)
    with pytest.raises(PeerRefused):
        check_address("2001:db8::9", [f"2001:db8::{number}" for number in range(4)], LIMITS)


def test_there_is_room_until_all_places_are_taken():
    """Outbound and reserved connections take none."""
    others = [slot(n, f"10.{n}.0.1", inbound=False) for n in range(30)]
    others += [slot(100 + n, f"10.{n}.0.1", reserved=True) for n in range(30)]
    assert make_room("10.200.0.1", others, LIMITS) is None


def test_a_crowded_neighbourhood_loses_its_youngest():
    """A newcomer from elsewhere gets the place of one of those many."""
    slots = [slot(n, "198.51.100.1") for n in range(15)]
    slots += [slot(20 + n, f"10.{n}.0.1") for n in range(5)]
    victim = make_room("203.0.113.1", slots, LIMITS)
    assert victim is not None
    assert victim.identity == bytes([14])


def test_an_attacker_replaces_only_its_own():
    """From one neighbourhood, however often it comes, no place of another one is had."""
    slots = [slot(n, f"10.{n}.0.1") for n in range(18)]
    slots += [slot(18 + n, "198.51.100.1") for n in range(2)]
    for number in range(50):
        victim = make_room("198.51.100.7", slots, LIMITS)
        assert victim is not None
        assert victim.ip.startswith("198.51.")
        slots.remove(victim)
        slots.append(slot(100 + number, "198.51.100.7"))


def test_a_newcomer_is_refused_where_nobody_is_crowded():
    """All are from different places, so nobody has to leave."""
    slots = [slot(n, f"10.{n}.0.1") for n in range(20)]
    with pytest.raises(PeerRefused, match="All 20 places"):
        make_room("10.200.0.1", slots, LIMITS)


def test_old_and_fast_connections_are_protected():
    """They cannot be had quickly from far away."""
    slots = [slot(n, "198.51.100.1", rtt_s=1.0 - n / 100) for n in range(20)]
    victim = make_room("198.51.100.2", slots, LIMITS)
    assert victim is not None
    assert 8 <= victim.identity[0] < 16


@pytest.mark.parametrize("own_is_smaller", [True, False])
def test_of_two_simultaneous_connections_both_ends_keep_the_same(own_is_smaller):
    """Whichever of the two each of them makes first."""
    alice, bob = (b"a", b"b") if own_is_smaller else (b"b", b"a")
    now_s = SIMULTANEOUS_S / 2
    for alice_first_inbound in (True, False):
        for bob_first_inbound in (True, False):
            new = not alice_first_inbound
            old = slot(0, "127.0.0.1", inbound=alice_first_inbound)
            kept = new if keep_new(alice, bob, old=old, new_inbound=new, now_s=now_s) else not new
            new = not bob_first_inbound
            old = slot(0, "127.0.0.1", inbound=bob_first_inbound)
            there = new if keep_new(bob, alice, old=old, new_inbound=new, now_s=now_s) else not new
            assert kept != there  # inbound here is outbound there


def test_a_peer_that_comes_back_replaces_its_old_connection():
    """It would not have dialled again if it had the first one still."""
    old = slot(0, "127.0.0.1", inbound=False)
    assert keep_new(b"a", b"b", old=old, new_inbound=True, now_s=SIMULTANEOUS_S + 1)
    again = slot(0, "127.0.0.1", inbound=True)
    assert keep_new(b"a", b"b", old=again, new_inbound=True, now_s=1.0)
