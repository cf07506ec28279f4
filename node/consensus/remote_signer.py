"""A signer in a process of its own, over a UNIX socket: the node never has the keys.

The signer is started for one chain, keeps its own file of what it has signed (W5), and makes every
payload itself from what it is asked to sign, so that a node cannot have a vote signed as anything
else.  A frame is its length in 4 bytes, big-endian, and a canonical CBOR record; each request has
one answer.  The socket's file has mode 0600: who may use it is who may stop the signer.

    Request       = action, vote request | null, beacon request | null
    VoteRequest   = statement, validators hash
    BeaconRequest = height, parent beacon
    Answer        = account, vote key, votes, vote | null, beacon proof | null
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from threading import Lock
from typing import Annotated

import structlog
import trio

from consensus.signer import VOTES_MAX
from consensus.votes import Statement, Vote
from node.closing import Closing
from node.consensus.keys import ValidatorKeys
from node.consensus.signing import Signer
from node.errors import SignerUnavailable
from node.lifetime import cause_of, stop_on_signal
from node.unix_sockets import open_unix_listener
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH
from runtime.types import AccountId, BlockNumber, BlsSignature, Hash, Max, PublicKey

FRAME_BYTES_MAX = 64 * 1024
TIMEOUT_S = 10.0
"""How long a node waits for a signature."""
_LENGTH_BYTES = 4
_log = structlog.get_logger("signer")


class Action(IntEnum):
    """What a signer is asked for."""

    INTRODUCE = 0
    VOTE = 1
    BEACON = 2


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """A statement to sign, under a validator set."""

    statement: Statement
    validators_hash: Hash


@dataclass(frozen=True, slots=True)
class BeaconRequest:
    """The beacon of a height to prove."""

    height: BlockNumber
    parent: Hash


@dataclass(frozen=True, slots=True)
class Request:
    """One request; the part of its action is there."""

    action: Action
    genesis_hash: Hash
    vote: VoteRequest | None = None
    beacon: BeaconRequest | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whose signer it is, what it remembers, and what was asked for; null: it is refused."""

    account: AccountId
    vote_key: PublicKey
    votes: Annotated[tuple[Vote, ...], Max(VOTES_MAX)]
    vote: Vote | None = None
    beacon: BlsSignature | None = None


class RemoteSigner(Closing):
    """`Signer` and `BlockKeys` at the other end of a socket; any thread may use it."""

    def __init__(self, path: Path) -> None:
        """Connect, and learn who the validator is; raises `SignerUnavailable`."""
        self._path = path
        self._lock = Lock()
        self._socket: socket.socket | None = None
        answer = self._ask(Request(Action.INTRODUCE, ZERO_HASH))
        self._account = answer.account
        self._vote_key = answer.vote_key
        self._votes = answer.votes

    @property
    def account(self) -> bytes:
        """The validator's."""
        return self._account

    @property
    def vote_key(self) -> bytes:
        """The public key of its votes."""
        return self._vote_key

    def close(self) -> None:
        """Leave the signer to others."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def remembered(self) -> tuple[Vote, ...]:
        """The last votes, as of the last answer."""
        return self._votes

    def sign(
        self, statement: Statement, genesis_hash: bytes, validators_hash: bytes
    ) -> Vote | None:
        """Return the vote for a statement; `None` where the signer refuses, or does not answer."""
        wanted = VoteRequest(statement, validators_hash)
        try:
            answer = self._ask(Request(Action.VOTE, genesis_hash, vote=wanted))
        except SignerUnavailable as error:
            _log.error("not signed", reason=error.message)
            return None
        self._votes = answer.votes
        return answer.vote

    def sign_beacon(self, genesis_hash: bytes, height: int, parent: bytes) -> bytes:
        """Return the proof of a beacon; raises `SignerUnavailable`."""
        wanted = BeaconRequest(height, parent)
        proof = self._ask(Request(Action.BEACON, genesis_hash, beacon=wanted)).beacon
        if proof is None:
            raise _unavailable(self._path, "is for another chain")
        return proof

    def _ask(self, request: Request) -> Answer:
        with self._lock:
            try:
                return self._exchange(request)
            except (OSError, DecodeError) as error:
                self.close()
                raise _unavailable(self._path, f"does not answer ({error})") from error

    def _exchange(self, request: Request) -> Answer:
        connection = self._socket
        if connection is None:
            connection = self._socket = socket.socket(socket.AF_UNIX)
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(self._path))
        payload = codec_of(Request).encode(request)
        connection.sendall(len(payload).to_bytes(_LENGTH_BYTES, "big") + payload)
        length = int.from_bytes(_receive(connection, _LENGTH_BYTES), "big")
        if length > FRAME_BYTES_MAX:
            raise DecodeError(f"An answer of {length} bytes.", remedy="Ask another signer.")
        return codec_of(Answer).decode(_receive(connection, length))


@dataclass(slots=True)
class SignerServer:
    """Answers nodes for the keys of one validator on one chain."""

    keys: ValidatorKeys
    signer: Signer
    genesis_hash: bytes

    async def serve(self, listener: trio.SocketListener) -> None:
        """Answer until cancelled; the connections share the one signer, one request at a time."""
        turn = trio.Lock()

        async def talk(stream: trio.SocketStream) -> None:
            try:
                await self._talk(stream, turn)
            except (trio.BrokenResourceError, trio.ClosedResourceError, DecodeError) as error:
                _log.warning("connection ended", reason=str(error))

        await trio.serve_listeners(talk, [listener])

    async def _talk(self, stream: trio.SocketStream, turn: trio.Lock) -> None:
        while (head := await _receive_exactly(stream, _LENGTH_BYTES)) is not None:
            length = int.from_bytes(head, "big")
            if length > FRAME_BYTES_MAX:
                raise DecodeError(f"A request of {length} bytes.", remedy="Send a smaller one.")
            payload = await _receive_exactly(stream, length)
            if payload is None:
                return
            async with turn:
                request = codec_of(Request).decode(payload)
                answer = await trio.to_thread.run_sync(self.answer, request)
            encoded = codec_of(Answer).encode(answer)
            await stream.send_all(len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded)

    def answer(self, request: Request) -> Answer:
        """The answer to one request; raises `StoreError` if what was signed cannot be noted."""
        vote = beacon = None
        if request.genesis_hash == self.genesis_hash:
            if request.action is Action.VOTE and request.vote is not None:
                wanted = request.vote
                vote = self.signer.sign(wanted.statement, self.genesis_hash, wanted.validators_hash)
            if request.action is Action.BEACON and request.beacon is not None:
                asked = request.beacon
                beacon = self.keys.sign_beacon(self.genesis_hash, asked.height, asked.parent)
        elif request.action is not Action.INTRODUCE:
            _log.warning("another chain", genesis=request.genesis_hash.hex())
        account, vote_key = self.keys.account, self.keys.vote_key
        return Answer(account, vote_key, self.signer.remembered(), vote, beacon)


def serve_signer(server: SignerServer, path: Path, announce: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; raises `ConfigError` where the socket cannot be made.

    `announce` is called once nodes can connect.
    """

    async def main() -> None:
        listener = open_unix_listener(path)
        announce()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, listener)
            nursery.start_soon(stop_on_signal, nursery.cancel_scope)

    try:
        trio.run(main)
    except BaseExceptionGroup as group:
        raise cause_of(group) from group
    finally:
        path.unlink(missing_ok=True)


def _receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the connection was closed")
        data += part
    return data


async def _receive_exactly(stream: trio.SocketStream, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        part = await stream.receive_some(count - len(data))
        if not part:
            return None
        data += part
    return data


def _unavailable(path: Path, what: str) -> SignerUnavailable:
    message = f"The signer at {path} {what}."
    return SignerUnavailable(message, remedy="Start it with `openledger signer run`.")
