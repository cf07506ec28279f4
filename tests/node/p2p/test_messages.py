"""Messages and outboxes: what is put in comes out, by priority, and within its bounds."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.p2p.errors import MessageMalformed, PeerTooSlow
from node.p2p.kinds import LANES, Form, Kind, Lane
from node.p2p.limits import KIB, LANE_LIMITS, MESSAGE_BYTES_MAX, MIB, PAYLOAD_BYTES_MAX
from node.p2p.messages import (
    PIECE_BYTES_MIN,
    MemoryBudget,
    Message,
    Reassembler,
    check_size,
    encode_piece,
)
from node.p2p.outbox import FRAME_BYTES_TARGET, Outbox, Parcel
from tests.node.p2p.wires import message


def reassembler(*, expects: bool = True, budget: MemoryBudget | None = None) -> Reassembler:
    """One that waits for every response, or for none."""
    return Reassembler(lambda _kind, _number: expects, budget or MemoryBudget(64 * MIB))


def frames_of(outbox: Outbox) -> list[bytes]:
    """The contents of all frames until nothing waits."""
    frames = []
    while outbox:
        frames.append(outbox.take_frame())
    return frames


def head(kind: int, form: int, number: int, missing: int, length: int) -> bytes:
    """The head of a piece."""
    return pack(">BBIII", kind, form, number, missing, length)


sizes = st.one_of(st.integers(0, 300), st.integers(8 * KIB - 20, 8 * KIB + 20), st.just(150_000))
kinds = st.sampled_from([Kind.CONSENSUS, Kind.EXTRINSICS, Kind.STATUS, Kind.BLOCKS])


@settings(deadline=None)
@given(st.lists(st.tuples(kinds, sizes), max_size=12))
def test_all_messages_arrive_in_the_order_of_their_lane(drawn):
    """Whole, coalesced or in pieces, a lane's messages come out as they went in."""
    outbox, incoming = Outbox(LANE_LIMITS), reassembler()
    sent = []
    for number, (kind, size) in enumerate(drawn):
        form = Form.RESPONSE if kind is Kind.BLOCKS else Form.MESSAGE
        payload = bytes([number]) * min(size, PAYLOAD_BYTES_MAX[kind, form])
        each = message(kind, payload, form, number if kind is Kind.BLOCKS else 0)
        assert outbox.put(Parcel(each))
        sent.append(each)
    frames = frames_of(outbox)
    assert all(len(frame) <= FRAME_BYTES_TARGET for frame in frames)
    received = [each for frame in frames for each in incoming.feed(frame, 0.0)]
    for lane in Lane:
        assert [each for each in received if LANES[each.kind] is lane] == [
            each for each in sent if LANES[each.kind] is lane
        ]
    assert incoming.begun_at() is None


def test_many_messages_leave_in_one_frame():
    """What gathered while another frame was on its way is sent at once."""
    outbox = Outbox(LANE_LIMITS)
    for _ in range(100):
        outbox.put(Parcel(message(Kind.CONSENSUS, bytes(200))))
    assert [len(frame) for frame in frames_of(outbox)] == [100 * 214]


def test_a_vote_does_not_wait_for_a_block():
    """It leaves in the next frame, between two pieces of the block, and arrives before it."""
    outbox, incoming = Outbox(LANE_LIMITS), reassembler()
    outbox.put(Parcel(message(Kind.BLOCKS, bytes(MIB), Form.RESPONSE, 7)))
    received = incoming.feed(outbox.take_frame(), 0.0)
    outbox.put(Parcel(message(Kind.CONSENSUS, b"vote")))
    received += incoming.feed(outbox.take_frame(), 0.0)
    assert [each.payload for each in received] == [b"vote"]
    for frame in frames_of(outbox):
        received += incoming.feed(frame, 0.0)
    assert [len(each.payload) for each in received] == [4, MIB]


def test_old_gossip_gives_way():
    """When the lane is full the newest are kept, and the drops are counted."""
    outbox = Outbox(LANE_LIMITS)
    limit = LANE_LIMITS[Lane.GOSSIP].outbox_messages_max
    for number in range(limit + 10):
        assert outbox.put(Parcel(message(Kind.EXTRINSICS, b"%d" % number)))
    incoming = reassembler()
    received = [each for frame in frames_of(outbox) for each in incoming.feed(frame, 0.0)]
    assert outbox.dropped == 10
    assert (received[0].payload, len(received)) == (b"10", limit)


def test_a_message_that_is_half_sent_is_not_dropped():
    """The other end could not make anything of the rest."""
    outbox, incoming = Outbox(LANE_LIMITS), reassembler()
    large = message(Kind.EXTRINSICS, bytes(MIB))
    outbox.put(Parcel(large))
    received = incoming.feed(outbox.take_frame(), 0.0)
    for _ in range(6):
        outbox.put(Parcel(large))
    for frame in frames_of(outbox):
        received += incoming.feed(frame, 0.0)
    assert outbox.dropped == 4
    assert received == [large] * 3


@pytest.mark.parametrize("kind", [Kind.CONSENSUS, Kind.STATUS])
def test_a_full_lane_refuses(kind):
    """Votes are not dropped silently: whoever sends them hears that they do not leave."""
    outbox = Outbox(LANE_LIMITS)
    limit = LANE_LIMITS[LANES[kind]].outbox_messages_max
    parcel = Parcel(message(kind, b"x"))
    assert all(outbox.put(parcel) for _ in range(limit))
    assert not outbox.put(parcel)
    assert outbox.dropped == 0


def test_one_message_may_be_larger_than_its_lane():
    """A limit of bytes never blocks a lane for good."""
    outbox = Outbox(LANE_LIMITS)
    assert outbox.put(Parcel(message(Kind.CONSENSUS, bytes(MESSAGE_BYTES_MAX))))


whole = encode_piece(message(Kind.STATUS, b"ok"), 0, 2)
large = message(Kind.CONSENSUS, bytes(10_000))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (whole[:5], "cut off"),
        (whole[:-1], "2 bytes of 2"),
        (head(99, 0, 0, 0, 0), "no kind 99"),
        (head(Kind.STATUS, Form.REQUEST, 0, 0, 0), "no kind 32 in the form 1"),
        (head(Kind.CONSENSUS, Form.REFUSAL, 0, 0, 0), "no kind 16 in the form 3"),
        (head(Kind.STATUS, 0, 5, 0, 0), "has a number"),
        (head(Kind.CONSENSUS, 0, 0, 1, 2) + b"ab", "2 bytes of 1"),
        (head(Kind.CONSENSUS, 0, 0, 9_000, 1) + b"a", "1 bytes of 9000"),
        (head(Kind.CONSENSUS, 0, 0, 9_000, 0), "0 bytes of 9000"),
        (head(Kind.CONSENSUS, 0, 0, 2**32 - 1, 1024) + bytes(1024), "at most"),
        (head(Kind.STATUS, 0, 0, 4097, 4097) + bytes(4097), "at most"),
        (head(Kind.PING, Form.REQUEST, 1, 1, 1) + b"x", "at most"),
        (encode_piece(large, 0, 5_000) + encode_piece(large, 6_000, 10_000), "does not continue"),
        (encode_piece(large, 0, 5_000) * 2, "does not continue"),
        (
            encode_piece(large, 0, 5_000) + encode_piece(message(Kind.CONSENSUS, b"x"), 0, 1),
            "does not continue",
        ),
    ],
)
def test_what_is_not_pieces_of_messages_is_refused(content, reason):
    """Each with its reason, and before the bytes that it announces are held."""
    with pytest.raises(MessageMalformed, match=reason):
        reassembler().feed(content, 0.0)


def test_an_answer_that_nobody_waits_for_is_not_held():
    """Its pieces are read past, and what follows arrives."""
    budget = MemoryBudget(MIB)
    incoming = reassembler(expects=False, budget=budget)
    answer = message(Kind.BLOCKS, bytes(5_000), Form.RESPONSE, 9)
    assert incoming.feed(encode_piece(answer, 0, 3_000), 0.0) == []
    assert budget.used_bytes == 0
    rest = encode_piece(answer, 3_000, 5_000) + whole
    assert incoming.feed(rest, 0.0) == [message(Kind.STATUS, b"ok")]
    assert incoming.feed(encode_piece(answer, 0, 5_000), 0.0) == []


def test_unfinished_messages_of_all_peers_share_a_budget():
    """It is taken by pieces, given back at the end of a message or of a connection."""
    budget = MemoryBudget(12_000)
    first, second = reassembler(budget=budget), reassembler(budget=budget)
    first.feed(encode_piece(large, 0, 9_000), 5.0)
    assert (budget.used_bytes, first.begun_at()) == (9_000, 5.0)
    with pytest.raises(PeerTooSlow):
        second.feed(encode_piece(large, 0, 9_000), 6.0)
    second.close()
    assert first.feed(encode_piece(large, 9_000, 10_000), 7.0) == [large]
    assert budget.used_bytes == 0
    first.feed(encode_piece(large, 0, 9_000), 8.0)
    first.close()
    assert budget.used_bytes == 0


def test_what_no_peer_would_accept_is_a_mistake_of_the_sender():
    """It does not leave."""
    check_size(Kind.STATUS, Form.MESSAGE, bytes(4 * KIB))
    with pytest.raises(ValueError, match="4097 bytes, and 4096 at most"):
        check_size(Kind.STATUS, Form.MESSAGE, bytes(4 * KIB + 1))


def test_the_layout_of_pieces_is_pinned():
    """Old and new nodes have to understand each other: a change needs a new protocol version."""
    vote = message(Kind.CONSENSUS, b"vote")
    assert encode_piece(vote, 0, 4).hex() == "1000" + "00000000" + "00000004" * 2 + "766f7465"
    answer = message(Kind.BLOCKS, b"abcdef", Form.RESPONSE, 258)
    assert (
        encode_piece(answer, 2, 4).hex() == "2102" + "00000102" + "00000004" + "00000002" + "6364"
    )


def test_every_kind_has_a_lane_and_every_lane_limits():
    """No kind is forgotten, and what is a request has a response."""
    assert set(LANES) == set(Kind)
    assert set(LANE_LIMITS) == set(Lane)
    assert {kind for kind, _ in PAYLOAD_BYTES_MAX} == set(Kind)
    asked = {kind for kind, form in PAYLOAD_BYTES_MAX if form is Form.REQUEST}
    assert asked == {kind for kind, form in PAYLOAD_BYTES_MAX if form is Form.RESPONSE}
    assert PIECE_BYTES_MIN < FRAME_BYTES_TARGET
    assert Message(Kind.PING, Form.REQUEST, 1, b"").number == 1
