"""Who gets one of the places for connections, and who has to leave for it.  Pure.

Reserved peers (of the operator's list: a validator's other validators) take no place, and are never
sent away.  When the inbound places are full, a new node gets one only from the neighbourhood (/16)
that has most of them, from its youngest connection: an attacker with one network's addresses can
only replace its own.  Protected besides are the eight oldest and the four fastest connections,
which cannot be had quickly from far away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from node.p2p.addresses import household, is_loopback, neighbourhood
from node.p2p.errors import PeerRefused
from node.p2p.limits import Limits

OLDEST_PROTECTED = 8
FASTEST_PROTECTED = 4
_FULL_REMEDY = "Try again later, or be a reserved peer of that node."


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that a connection has."""

    identity: bytes
    ip: str
    inbound: bool
    reserved: bool
    since_s: float
    rtt_s: float | None


def check_address(ip: str, connected: Collection[str], limits: Limits) -> None:
    """Raise `PeerRefused` when an IP address has as many inbound connections as it may.

    `connected` are the addresses of all inbound connections, those in their handshakes included.
    """
    if is_loopback(ip):
        return
    mine = household(ip)
    if sum(household(each) == mine for each in connected) >= limits.per_ip_max:
        message = f"There are {limits.per_ip_max} connections from {ip} already."
        raise PeerRefused(message, remedy="Run fewer nodes behind one address.")


def make_room(ip: str, slots: Collection[Slot], limits: Limits) -> Slot | None:
    """Who has to leave for an inbound connection from `ip`, if anybody; raises `PeerRefused`."""
    inbound = [slot for slot in slots if slot.inbound and not slot.reserved]
    if len(inbound) < limits.inbound_max:
        return None
    by_age = sorted(inbound, key=lambda slot: slot.since_s)
    measured = [slot for slot in inbound if slot.rtt_s is not None]
    by_speed = sorted(measured, key=lambda slot: slot.rtt_s or 0.0)
    protected = {
        slot.identity for slot in (*by_age[:OLDEST_PROTECTED], *by_speed[:FASTEST_PROTECTED])
    }
    # Whoever comes counts as one of its neighbourhood: it may not take another's only place.
    counts = Counter(neighbourhood(slot.ip) for slot in inbound)
    counts[neighbourhood(ip)] += 1
    most = max(counts.values())
    crowded = {group for group, count in counts.items() if count == most}
    candidates = [
        slot
        for slot in inbound
        if slot.identity not in protected and neighbourhood(slot.ip) in crowded
    ]
    if most == 1 or not candidates:
        message = f"All {limits.inbound_max} places for inbound connections are taken."
        raise PeerRefused(message, remedy=_FULL_REMEDY)
    return max(candidates, key=lambda slot: slot.since_s)


def keep_new(own: bytes, peer: bytes, *, old: Slot, new_inbound: bool, now_s: float) -> bool:
    """Whether a second connection with the same peer replaces the first.

    When both sides dial at once there are two connections, and both have to keep the same: the one
    that the smaller identity has dialled.  A later one means that the peer has lost the first: it
    would not have dialled otherwise.
    """
    if now_s - old.since_s > SIMULTANEOUS_S:
        return True
    dialled_by_smaller = new_inbound == (peer < own)
    return dialled_by_smaller or old.inbound == new_inbound


SIMULTANEOUS_S = 10.0
"""Two connections made within this time were made at once: twice the time of a handshake."""
