"""Messages: each survives its encoding, and nothing else is one."""

from __future__ import annotations

import pytest

from consensus.messages import (
    BlockReply,
    BlockRequest,
    Decided,
    Entry,
    Message,
    MessageKind,
    Status,
    decode_message,
    encode_message,
    height_of,
)
from runtime.errors import DecodeError
from tests.consensus.hand_driven import A, F, HandDriven, N, X, id_of

NODE = HandDriven(0)
ENTRY = Entry(NODE.certificate(N, 1, A), (NODE.certificate(X, 2),))
MESSAGES: list[Message] = [
    NODE.vote(0, F, 1, A),
    NODE.certificate(X, 2),
    NODE.proposal(3, A, ENTRY),
    Status(1, 3, ENTRY),
    Decided(1, A, NODE.certificate(F, 1, A)),
    BlockRequest(1, id_of(A)),
    BlockReply(1, A),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_its_encoding(message):
    """Its first byte is its kind; every message says of which height it is."""
    data = encode_message(message)
    assert decode_message(data) == message
    assert MessageKind(data[0]).name.replace("_", "") == type(message).__name__.upper()
    assert height_of(message) == 1
    for bad in (data[:-1], data + b"\0", bytes([data[0] ^ 1]) + data[1:]):
        with pytest.raises(DecodeError):
            decode_message(bad)


def test_there_is_a_message_of_every_kind():
    """None is forgotten above."""
    assert [encode_message(message)[0] for message in MESSAGES] == list(MessageKind)


@pytest.mark.parametrize("data", [b"", b"\x07", b"\xff\x80"])
def test_what_is_no_message_is_refused(data):
    """Nothing, or an unknown kind."""
    with pytest.raises(DecodeError) as caught:
        decode_message(data)
    assert caught.value.remedy
