"""The network's wire: changed frames, changed pieces of messages, changed lists of addresses.

Found would be: an error that is not the typed one of its layer; a frame that decrypts to what was not
sent; a message that is too large, is not what its pieces say, or is held without being counted; an
accepted list of addresses that is not the one encoding of its addresses.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random

from node.p2p.addresses import PeerAddress, decode_addresses, encode_addresses
from node.p2p.errors import FrameDamaged, InvalidAddress, MessageMalformed, PeerTooSlow
from node.p2p.frames import Opener, Sealer
from node.p2p.kinds import Form, Kind
from node.p2p.limits import PAYLOAD_BYTES_MAX
from node.p2p.messages import HEAD_BYTES, MemoryBudget, Message, Reassembler, encode_piece
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import generate, mutate, pick

KEY = b"k" * 32
BUDGET_BYTES = 4_096
STREAMS = 64
FRAMES_PER_STREAM = 3


class Stream:
    """One direction of a connection, sealed once."""

    def __init__(self, random: Random) -> None:
        sealer = Sealer(KEY)
        self._begun = sealer.header, sealer.prove()
        self.plaintexts = [
            random.randbytes(1 + random.randrange(60)) for _ in range(FRAMES_PER_STREAM)
        ]
        self.bytes = b"".join(sealer.seal(each) for each in self.plaintexts)

    def opener(self) -> Opener:
        """What waits for the first frame."""
        return Opener(KEY, *self._begun)


def try_frames(random: Random, streams: list[Stream]) -> bool:
    """Changed bytes, cut anywhere: what comes out is what was sent, up to the change."""
    stream = pick(random, streams)
    data = mutate(random, [stream.bytes, stream.bytes, pick(random, streams).bytes])
    opener, opened = stream.opener(), list[bytes]()
    cut = int(random.random() * (len(data) + 1))
    try:
        for chunk in (data[:cut], data[cut:]):
            opened += opener.feed(chunk)
    except FrameDamaged:
        return False
    finally:
        if opened != stream.plaintexts[: len(opened)]:
            raise Finding("a frame decrypts to what was not sent", data)
    return True


def try_pieces(random: Random, seeds: list[bytes]) -> bool:
    """Two contents of frames, one after the other."""
    budget = MemoryBudget(BUDGET_BYTES)
    incoming = Reassembler(lambda _kind, number: number % 2 == 1, budget)
    contents = [mutate(random, seeds), pick(random, seeds)]
    taken_bytes = 0
    try:
        for content in contents:
            for message in incoming.feed(content, 0.0):
                check_message(message, content)
                taken_bytes += len(message.payload)
    except (MessageMalformed, PeerTooSlow):
        return False
    sent_bytes = sum(map(len, contents))
    if budget.used_bytes > BUDGET_BYTES or budget.used_bytes + taken_bytes > sent_bytes:
        raise Finding("more is held than was sent", b"".join(contents))
    incoming.close()
    if budget.used_bytes:
        raise Finding("the budget is not given back", b"".join(contents))
    return True


def check_message(message: Message, content: bytes) -> None:
    """Raise a finding for a message that should not have been accepted."""
    kind, form, number, payload = message
    if form is not Form.REFUSAL and len(payload) > PAYLOAD_BYTES_MAX[kind, form]:
        raise Finding("a message is too large", content)
    if form in (Form.RESPONSE, Form.REFUSAL) and number % 2 == 0:
        raise Finding("a response that nobody waits for is delivered", content)
    if encode_piece(message, 0, len(payload))[HEAD_BYTES:] != payload:
        raise Finding("a message is not what its piece says", content)


def try_addresses(random: Random, seeds: list[bytes]) -> bool:
    """A list of addresses as a peer may send it, and a text as an operator may write it."""
    data = mutate(random, seeds) if random.random() < 0.8 else generate(random)
    with suppress(InvalidAddress):
        PeerAddress.parse(data.decode("latin-1"))
    try:
        addresses = decode_addresses(data)
    except MessageMalformed:
        return False
    if encode_addresses(addresses) != data:
        raise Finding("a list of addresses has another encoding", data)
    return True


def _pieces(random: Random) -> list[bytes]:
    """Contents of frames of every kind and form: whole messages, and pieces of larger ones."""
    contents = []
    for number, (kind, form) in enumerate(PAYLOAD_BYTES_MAX):
        size = min(PAYLOAD_BYTES_MAX[kind, form], 40)
        answered = 0 if form is Form.MESSAGE else number
        whole = Message(kind, form, answered, random.randbytes(size))
        contents.append(encode_piece(whole, 0, size))
    large = Message(Kind.CONSENSUS, Form.MESSAGE, 0, random.randbytes(3_000))
    first, second = encode_piece(large, 0, 1_500), encode_piece(large, 1_500, 3_000)
    return [*contents, first, second, first + second, first + contents[0] + second]


def make() -> Step:
    """Return the fuzzer's step; making it seals streams and encodes messages."""
    random = Random("wire")
    streams = [Stream(random) for _ in range(STREAMS)]
    pieces = _pieces(random)
    addresses = [
        PeerAddress(host, 30_333, bytes([number]) * 32)
        for number, host in enumerate(("192.0.2.7", "2001:db8::7", "198.51.100.1"))
    ]
    lists = [encode_addresses(tuple(addresses[:count])) for count in range(4)]
    lists += [str(each).encode() for each in addresses]

    def step(random: Random) -> bool:
        choice = random.random()
        if choice < 0.4:
            return try_frames(random, streams)
        if choice < 0.8:
            return try_pieces(random, pieces)
        return try_addresses(random, lists)

    return step


if __name__ == "__main__":
    main("wire", make)
