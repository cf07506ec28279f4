"""Two ends of a handshake and of a connection, for tests of every layer."""

from __future__ import annotations

from node.p2p.frames import Opener, Sealer
from node.p2p.handshake import ChainIdentity, Initiator, LocalNode, Responder, Session
from node.p2p.kinds import Form, Kind
from node.p2p.messages import Message
from runtime.keys import Keypair

CHAIN = ChainIdentity(b"g" * 32, b"r" * 32)
ALICE, BOB, MALLORY = (Keypair.from_seed(name * 32) for name in (b"a", b"b", b"m"))


def local(identity: Keypair, chain: ChainIdentity = CHAIN, port: int = 30_333) -> LocalNode:
    """What a node says of itself."""
    return LocalNode(chain, identity, port)


def anybody(_identity: bytes) -> None:
    """Every peer is welcome."""


def machines(
    initiator: LocalNode | None = None,
    responder: LocalNode | None = None,
    expected: bytes | None = None,
    secrets: tuple[bytes, bytes] = (b"1" * 32, b"2" * 32),
) -> tuple[Initiator, Responder]:
    """Both ends of a handshake, with ephemeral keys of the test's choice."""
    return (
        Initiator(initiator or local(ALICE), secrets[0], anybody, expected),
        Responder(responder or local(BOB), secrets[1], anybody),
    )


def converse(initiator: Initiator, responder: Responder) -> list[bytes]:
    """Carry the handshake out; the four messages."""
    first = initiator.begin()
    second = responder.receive(first)
    third = give(initiator, second)
    fourth = responder.receive(third)
    give(initiator, fourth)
    return [first, second, third, fourth]


def give(machine: Initiator | Responder, data: bytes) -> bytes:
    """Give a machine what it asks for, piece by piece; what it says."""
    said = b""
    while data:
        wanted = machine.wants_bytes
        said += machine.receive(data[:wanted])
        data = data[wanted:]
    return said


def sessions() -> tuple[Session, Session]:
    """The two ends of a session."""
    ends = machines()
    converse(*ends)
    assert ends[0].session is not None
    assert ends[1].session is not None
    return ends[0].session, ends[1].session


def channel() -> tuple[Sealer, Opener]:
    """One direction of a connection."""
    near, far = sessions()
    return near.sealer, far.opener


def message(kind: Kind, payload: bytes, form: Form = Form.MESSAGE, number: int = 0) -> Message:
    """A message."""
    return Message(kind, form, number, payload)
