"""A handshake carried out over a stream, within its time."""

from __future__ import annotations

import trio

from node.p2p.errors import HandshakeError, HandshakeTimeout, PeerRefused
from node.p2p.handshake import Initiator, Responder, Session


async def greet(
    stream: trio.abc.Stream, machine: Initiator | Responder, timeout_s: float
) -> Session:
    """Shake hands; raises a `HandshakeError`, and leaves closing to the caller."""
    try:
        with trio.fail_after(timeout_s):
            return await _exchange(stream, machine)
    except trio.TooSlowError as error:
        message = f"The handshake was not over after {timeout_s:g} s."
        raise HandshakeTimeout(message, remedy="Check that a node runs there.") from error
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise _closed() from error


async def _exchange(stream: trio.abc.Stream, machine: Initiator | Responder) -> Session:
    await stream.send_all(machine.begin())
    while machine.session is None:
        data = await _receive(stream, machine.wants_bytes)
        try:
            answer = machine.receive(data)
        except HandshakeError:
            if isinstance(machine, Responder) and machine.last_word:
                await stream.send_all(machine.last_word)
            raise
        if answer:
            await stream.send_all(answer)
    return machine.session


async def _receive(stream: trio.abc.Stream, count: int) -> bytes:
    """Exactly so many bytes: what follows the handshake is not the handshake's."""
    received = b""
    while len(received) < count:
        data = await stream.receive_some(count - len(received))
        if not data:
            raise _closed()
        received += data
    return received


def _closed() -> PeerRefused:
    message = "The other side has closed the connection within the handshake."
    return PeerRefused(message, remedy="Check that it is a node of this chain; try again later.")
