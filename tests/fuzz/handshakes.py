"""Handshakes: whatever arrives in place of a message, nobody who lacks the keys gets a session.

An input is one of the four messages, changed, given to the side that waits for it.  It is accepted
if that side goes on, as it does with another ephemeral key.  Found would be: an error that is not a
`HandshakeError`, and a session that is made from a changed message.
"""

from __future__ import annotations

from random import Random

from node.p2p.errors import HandshakeError
from node.p2p.handshake import ChainIdentity, Initiator, LocalNode, Responder
from runtime.keys import Keypair
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import mutate, pick

CHAIN = ChainIdentity(b"g" * 32, b"r" * 32)
LOCALS = [LocalNode(CHAIN, Keypair.from_seed(bytes([number]) * 32), number) for number in (1, 2)]
HANDSHAKES = 8
"""Recorded ones, from which messages are changed and mixed."""


def anybody(_identity: bytes) -> None:
    """Every peer is welcome."""


class Recorded:
    """A handshake whose ephemeral keys are known, so that its sides can be made again."""

    def __init__(self, number: int) -> None:
        self._secrets = [Random(f"{number} {side}").randbytes(32) for side in (0, 1)]
        initiator, responder = self.initiator(), self.responder()
        first = initiator.begin()
        second = responder.receive(first)
        third = give(initiator, second)
        self.messages = (first, second, third, responder.receive(third))

    def initiator(self) -> Initiator:
        """The side that connects, at its beginning."""
        return Initiator(LOCALS[0], self._secrets[0], anybody)

    def responder(self) -> Responder:
        """The other side, at its beginning."""
        return Responder(LOCALS[1], self._secrets[1], anybody)

    def waiting(self, number: int) -> Initiator | Responder:
        """The side that waits for a message, with all that came before it received."""
        if number % 2 == 0:
            responder = self.responder()
            if number == 2:
                responder.receive(self.messages[0])
            return responder
        initiator = self.initiator()
        if number == 3:
            give(initiator, self.messages[1])
        return initiator


def give(machine: Initiator | Responder, data: bytes) -> bytes:
    """Give a machine what it asks for, until the data end or it has what it wants."""
    said = b""
    while data and machine.wants_bytes:
        wanted = machine.wants_bytes
        # A stream that ends too soon gives nothing; zeros stand for what an attacker adds.
        said += machine.receive(data[:wanted].ljust(wanted, b"\0"))
        data = data[wanted:]
    return said


def make() -> Step:
    """Return the fuzzer's step; making it records handshakes."""
    recorded = [Recorded(number) for number in range(HANDSHAKES)]

    def step(random: Random) -> bool:
        handshake = pick(random, recorded)
        number = int(random.random() * 4)
        true = handshake.messages[number]
        others = [pick(random, recorded).messages[number]]
        data = mutate(random, [true, true, true, *others, *handshake.messages])
        machine = handshake.waiting(number)
        try:
            give(machine, data)
        except HandshakeError:
            return False
        except Exception as error:
            raise Finding(f"message {number + 1}: {type(error).__name__}: {error}", data) from error
        # What `give` adds can be the zeros that were cut off.
        if machine.session is not None and not data.ljust(len(true), b"\0").startswith(true):
            raise Finding(f"a changed message {number + 1} makes a session", data)
        return True

    return step


if __name__ == "__main__":
    main("handshakes", make)
