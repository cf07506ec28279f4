"""Peers and clients that mean no good, all at once, against one node of a real network.

Each attack goes on until it is cancelled, and tolerates being sent away: what matters is what the
node does meanwhile.  `bench/soak.py` runs this in a process of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from secrets import token_bytes

import trio

from consensus.messages import Status, encode_message
from consensus.votes import Statement, Vote, VoteKind
from node.p2p.errors import HandshakeError
from node.p2p.greeting import greet
from node.p2p.handshake import ChainIdentity, Initiator, LocalNode, Session
from node.p2p.kinds import Form, Kind
from node.p2p.messages import Message, encode_piece
from runtime.keys import Keypair

PATIENCE_S = 5.0
RPC_CONNECTIONS = 1_000
RPC_CALLS_PER_SECOND = 200
FLOOD_BATCH = 256
_PAUSE_S = 0.05
_ARRIVALS = Random(1)  # noqa: S311 # when calls come, no secret


@dataclass(frozen=True, slots=True)
class Target:
    """The node that is attacked."""

    p2p_port: int
    rpc_port: int
    chain: ChainIdentity


async def attack(target: Target) -> None:
    """All attacks together, until cancelled."""
    attacks: list[Callable[[Target], Awaitable[None]]] = [
        garbage,
        slow_loris,
        oversized,
        flood,
        stale,
        many_clients,
    ]
    async with trio.open_nursery() as nursery:
        for each in attacks:
            nursery.start_soon(_again_and_again, each, target)


async def _again_and_again(each: Callable[[Target], Awaitable[None]], target: Target) -> None:
    while True:
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError, HandshakeError):
            await each(target)
        await trio.sleep(_PAUSE_S)


async def garbage(target: Target) -> None:
    """Random bytes instead of a handshake."""
    async with await trio.open_tcp_stream("127.0.0.1", target.p2p_port) as stream:
        await stream.send_all(token_bytes(4_096))
        await stream.receive_some(1)


async def slow_loris(target: Target) -> None:
    """A byte of a handshake now and then, on many connections."""

    async def drip() -> None:
        with suppress(OSError, trio.BrokenResourceError):
            async with await trio.open_tcp_stream("127.0.0.1", target.p2p_port) as stream:
                for byte in b"OPENLEDG" * 8:
                    await stream.send_all(bytes([byte]))
                    await trio.sleep(0.5)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(drip)


async def oversized(target: Target) -> None:
    """After a true handshake a frame that claims to be as long as can be."""
    stream, _ = await _enter(target)
    async with stream:
        await stream.send_all(b"\xff" * 8)
        await stream.receive_some(1)


async def flood(target: Target) -> None:
    """Votes of nobody, as many as the connection takes."""
    stream, session = await _enter(target)
    statement = Statement(VoteKind.NOTARIZE, 2**40, 1, token_bytes(32))
    async with stream:
        while True:
            votes = [Vote(statement, token_bytes(32), token_bytes(64)) for _ in range(FLOOD_BATCH)]
            await _send(stream, session, [encode_message(vote) for vote in votes])


async def stale(target: Target) -> None:
    """Asks for the first block again and again, and tells of heights that nobody has."""
    stream, session = await _enter(target)
    async with stream:
        while True:
            await _send(
                stream,
                session,
                [encode_message(Status(1, 1, None)), encode_message(Status(2**40, 1, None))],
            )
            await trio.sleep(0.001)


async def many_clients(target: Target) -> None:
    """A thousand RPC connections that are kept open and make 200 calls a second in all."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "system_health"}).encode()
    request = (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )

    async def client() -> None:
        async with await trio.open_tcp_stream("127.0.0.1", target.rpc_port) as stream:
            while True:
                await trio.sleep(_ARRIVALS.expovariate(RPC_CALLS_PER_SECOND / RPC_CONNECTIONS))
                await stream.send_all(request)
                if not await stream.receive_some(65_536):
                    return

    async with trio.open_nursery() as nursery:
        for _ in range(RPC_CONNECTIONS):
            nursery.start_soon(_again_and_again, lambda _target: client(), target)


async def _enter(target: Target) -> tuple[trio.SocketStream, Session]:
    """A connection as a peer with an identity of its own."""
    stream = await trio.open_tcp_stream("127.0.0.1", target.p2p_port)
    try:
        local = LocalNode(target.chain, Keypair.from_seed(token_bytes(32)), 0)
        machine = Initiator(local, token_bytes(32), lambda _identity: None)
        return stream, await greet(stream, machine, PATIENCE_S)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def _send(stream: trio.SocketStream, session: Session, payloads: list[bytes]) -> None:
    """Messages of consensus, each a piece of its own, in one frame."""
    pieces = b"".join(
        encode_piece(Message(Kind.CONSENSUS, Form.MESSAGE, 0, payload), 0, len(payload))
        for payload in payloads
    )
    await stream.send_all(session.sealer.seal(pieces))


def main() -> None:
    """Attack until killed."""
    parser = argparse.ArgumentParser(description="Attack one node of a network of your own.")
    parser.add_argument("--p2p-port", type=int, required=True)
    parser.add_argument("--rpc-port", type=int, required=True)
    parser.add_argument("--genesis", type=bytes.fromhex, required=True)
    parser.add_argument("--rules", type=bytes.fromhex, required=True)
    chosen = parser.parse_args()
    chain = ChainIdentity(chosen.genesis, chosen.rules)
    trio.run(attack, Target(chosen.p2p_port, chosen.rpc_port, chain))


if __name__ == "__main__":
    main()
