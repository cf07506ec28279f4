"""Addresses of nodes: as operators write them, and as nodes tell them to each other.

    192.0.2.7:30333    [2001:db8::7]:30333    node.example:30333    IDENTITY@node.example:30333

Names are for operators only.  What nodes tell each other are numeric addresses, so that nobody can
make a node look up names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated

from node.p2p.errors import InvalidAddress, MessageMalformed
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.keys import ACCOUNT_BYTES
from runtime.types import U16, AccountId, Max, Positive

TOLD_MAX = 32
"""Addresses in one answer."""
_PORT_MAX = 65_535
_HOST_PATTERN = re.compile(r"[0-9A-Za-z._:%-]{1,253}")
_REMEDY = "Write HOST:PORT or IDENTITY@HOST:PORT, IPv6 addresses as [2001:db8::7]:30333."


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a node can be reached, and who it is, if that is known."""

    host: str
    port: int
    identity: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> PeerAddress:
        """The address that an operator has written; raises `InvalidAddress`."""
        identity_text, at, place = text.rpartition("@")
        host, _, port_text = place.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            host = ""
        port = int(port_text) if port_text.isascii() and port_text.isdecimal() else 0
        if _HOST_PATTERN.fullmatch(host) is None or not 0 < port <= _PORT_MAX:
            raise InvalidAddress(f"{text!r} is not an address of a node.", remedy=_REMEDY)
        return cls(host, port, parse_identity(identity_text) if at else None)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{host}:{self.port}"
        return place if self.identity is None else f"{self.identity.hex()}@{place}"


def parse_identity(text: str) -> bytes:
    """The identity that an operator has written; raises `InvalidAddress`."""
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != ACCOUNT_BYTES:
        message = f"{text!r} is not the identity of a node."
        raise InvalidAddress(message, remedy="An identity has 64 hexadecimal digits.")
    return identity


def numeric(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a host is, or None for a name; IPv4 in IPv6 is IPv4."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_loopback(ip: str) -> bool:
    """Whether an IP address is of this machine."""
    address = numeric(ip)
    return address is not None and address.is_loopback


def household(ip: str) -> str:
    """Who is counted as one: an IPv4 address, or the /64 that one customer gets of IPv6."""
    address = numeric(ip)
    return str(ip_network(f"{address}/64", strict=False)) if _is_v6(address) else str(address)


def neighbourhood(ip: str) -> str:
    """Who is likely under one hand: the /16 of an IPv4 address, the /32 of an IPv6 one."""
    address = numeric(ip)
    return str(ip_network(f"{address}/{32 if _is_v6(address) else 16}", strict=False))


def _is_v6(address: IPv4Address | IPv6Address | None) -> bool:
    return isinstance(address, IPv6Address)


@dataclass(frozen=True, slots=True)
class ToldAddress:
    """An address as one node tells it to another."""

    ip: Annotated[bytes, Max(16)]
    """4 or 16 bytes."""
    port: Positive[U16]
    identity: AccountId


_answers = codec_of(Annotated[tuple[ToldAddress, ...], Max(TOLD_MAX)])


def encode_addresses(addresses: tuple[PeerAddress, ...]) -> bytes:
    """An answer; names and addresses without an identity are left out."""
    told = []
    for each in addresses:
        ip = numeric(each.host)
        if ip is not None and each.identity is not None:
            told.append(ToldAddress(ip.packed, each.port, each.identity))
    return _answers.encode(tuple(told[:TOLD_MAX]))


def decode_addresses(payload: bytes) -> tuple[PeerAddress, ...]:
    """The addresses of an answer; raises `MessageMalformed`."""
    try:
        told = _answers.decode(payload)
        return tuple(PeerAddress(str(ip_address(a.ip)), a.port, a.identity) for a in told)
    except (DecodeError, ValueError) as error:
        message = f"An answer is not a list of addresses: {error}"
        raise MessageMalformed(message, remedy="The peer is faulty: update it.") from error


def may_dial(told: PeerAddress, teller_ip: str) -> bool:
    """Whether to believe that a node is there: nobody outside tells us of our own network."""
    address, teller = numeric(told.host), numeric(teller_ip)
    if address is None or teller is None or address.is_multicast or address.is_unspecified:
        return False
    return address.is_global or (address.is_private and not teller.is_global)
