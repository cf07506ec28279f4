"""Who has misbehaved, how much lately, and who is banned until when.

Points are counted for a node's identity and for its IP address, and half of them are forgotten
every ten minutes; at 90 both are banned.  A new identity costs nothing, so the address is banned,
too; but many honest nodes can share an address, so not as long.  Loopback addresses are never
banned: all nodes of a local network have the same.

The operator can ban and lift bans, too (`openledger admin ban`).

What an attacker in the middle can bring about (a frame that does not decrypt) has so few points
that it takes five times within minutes.  Times are those of the wall clock, since bans survive a
restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from node.p2p.addresses import household, is_loopback, numeric, parse_identity
from node.p2p.errors import InvalidAddress

POINTS_MAX = 90
"""So that four times 25 within a few minutes are enough."""
HALF_LIFE_S = 600.0
IDENTITY_BAN_S = 3_600.0
ADDRESS_BAN_S = 600.0


def of_identity(identity: bytes) -> str:
    """Whom a ban of an identity is of."""
    return f"id {identity.hex()}"


def of_address(ip: str) -> str:
    """Whom a ban of an IP address is of: all of an IPv6 customer's."""
    return f"ip {household(ip)}"


def parse_subject(text: str) -> str:
    """Whom a ban is of that an operator has named by identity or IP address.

    Raises `InvalidAddress`, also for an address of this machine.
    """
    ip = numeric(text)
    if ip is None:
        return of_identity(parse_identity(text))
    if is_loopback(text):
        message = f"{text} is this machine, and never banned."
        raise InvalidAddress(message, remedy="Name the identity of the node.")
    return of_address(text)


class Misbehaviour(Enum):
    """What can be reported of a peer, as (name, points)."""

    MALFORMED = ("malformed", 100)
    """Something decrypted that is not a message: only the peer can have sent it."""
    INVALID = ("invalid", 25)
    """A message whose content an honest node would not send: a false signature, a wrong block."""
    DAMAGED = ("damaged", 20)
    """A frame that does not decrypt."""
    BAD_HANDSHAKE = ("bad_handshake", 20)
    """A handshake that was forged, or not even begun."""
    FLOODING = ("flooding", 5)
    """More than a lane allows."""
    SLOW = ("slow", 5)
    """A handshake that was not finished in time: it may have been this node that was too busy."""
    UNASKED = ("unasked", 5)
    """An answer that nobody waits for, unless it comes late."""

    def __init__(self, label: str, points: int) -> None:
        self.label = label
        self.points = points


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody is kept out for a time."""

    who: str
    """`id ` and an identity in hexadecimal, or `ip ` and an address or IPv6 network."""
    until_s: float


@dataclass(slots=True)
class _Score:
    points: float
    at_s: float

    def now(self, now_s: float) -> float:
        age_s = max(0.0, now_s - self.at_s)
        return float(self.points * 0.5 ** (age_s / HALF_LIFE_S))


class Reputation:
    """The scores and bans of one node's peers."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._scores: dict[str, _Score] = {}
        self._bans: dict[str, float] = {}

    def report(
        self, identity: bytes | None, ip: str, misbehaviour: Misbehaviour, now_s: float
    ) -> bool:
        """Count a misbehaviour of a peer, or of an address alone; whether it is banned now."""
        banned = False
        if identity is not None:
            banned = self._count(of_identity(identity), misbehaviour, now_s, IDENTITY_BAN_S)
        if not is_loopback(ip):
            banned |= self._count(of_address(ip), misbehaviour, now_s, ADDRESS_BAN_S)
        return banned

    def _count(self, who: str, misbehaviour: Misbehaviour, now_s: float, ban_s: float) -> bool:
        known = self._scores.pop(who, None)
        points = misbehaviour.points + (0.0 if known is None else known.now(now_s))
        if points >= POINTS_MAX:
            self._ban(who, now_s + ban_s, now_s)
            return True
        self._scores[who] = _Score(points, now_s)
        # In the order of the last report: what was reported longest ago is forgotten first.
        if len(self._scores) > self._count_max:
            del self._scores[next(iter(self._scores))]
        return False

    def _ban(self, who: str, until_s: float, now_s: float) -> None:
        if len(self._bans) >= self._count_max:
            self._bans = {each.who: each.until_s for each in self.bans(now_s)}
        if len(self._bans) >= self._count_max:
            del self._bans[min(self._bans, key=lambda each: self._bans[each])]
        self._bans[who] = until_s

    def keep_out(self, ban: Ban, now_s: float) -> None:
        """Ban whom the operator has named, or go on with a ban of an earlier run."""
        self._ban(ban.who, ban.until_s, now_s)

    def forgive(self, who: str) -> bool:
        """Lift a ban, and forget the points; whether there was a ban."""
        self._scores.pop(who, None)
        return self._bans.pop(who, None) is not None

    def points(self, identity: bytes, now_s: float) -> float:
        """What a peer's misbehaviour counts now."""
        score = self._scores.get(of_identity(identity))
        return 0.0 if score is None else score.now(now_s)

    def is_banned(self, identity: bytes, now_s: float) -> bool:
        """Whether an identity is banned."""
        return self._bans.get(of_identity(identity), 0.0) > now_s

    def is_address_banned(self, ip: str, now_s: float) -> bool:
        """Whether an IP address is banned."""
        return self._bans.get(of_address(ip), 0.0) > now_s

    def bans(self, now_s: float) -> Iterator[Ban]:
        """The bans that are not over."""
        return (Ban(who, until_s) for who, until_s in self._bans.items() if until_s > now_s)
