"""The handshake: two nodes of one chain agree on keys, and nothing else succeeds."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import pytest
from nacl.bindings import crypto_scalarmult_base

from node.p2p.errors import (
    ChainMismatch,
    HandshakeError,
    HandshakeForged,
    NotOurProtocol,
    PeerRefused,
    SelfConnection,
    VersionMismatch,
    WrongIdentity,
)
from node.p2p.handshake import ChainIdentity, CheckPeer, Initiator, Responder
from tests.node.p2p.wires import (
    ALICE,
    BOB,
    CHAIN,
    MALLORY,
    anybody,
    converse,
    give,
    local,
    machines,
    sessions,
)

LOW_ORDER_POINTS = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
"""Of Curve25519, in every encoding below 2**255 (cr.yp.to/ecdh.html#validate)."""


def interfere(
    initiator: Initiator, responder: Responder, number: int, change: Callable[[bytes], bytes]
) -> None:
    """Carry a handshake out, with one of the four messages changed on its way."""
    said = initiator.begin()
    for index in range(4):
        received = change(said) if index == number else said
        said = give(initiator if index % 2 else responder, received)


def test_both_ends_know_each_other_and_can_talk():
    """Identities and ports arrive, and each direction decrypts at the other end."""
    near, far = sessions()
    assert (near.remote.identity, near.remote.listen_port) == (BOB.account, 30_333)
    assert far.remote.identity == ALICE.account
    assert list(far.opener.feed(near.sealer.seal(b"to bob"))) == [b"to bob"]
    assert list(near.opener.feed(far.sealer.seal(b"to alice"))) == [b"to alice"]


def test_who_listens_does_not_see_who_talks():
    """No message has an identity in it."""
    for said in converse(*machines()):
        assert ALICE.account not in said
        assert BOB.account not in said


def test_every_session_has_other_keys():
    """The same nodes with other ephemeral keys cannot read the first session."""
    near, _ = sessions()
    ends = machines(secrets=(b"3" * 32, b"4" * 32))
    converse(*ends)
    assert ends[1].session is not None
    with pytest.raises(Exception, match="does not decrypt"):
        list(ends[1].session.opener.feed(near.sealer.seal(b"secret")))


@pytest.mark.parametrize("number", range(4))
def test_a_changed_byte_anywhere_ends_the_handshake(number):
    """At every position of every message, whoever receives it refuses."""
    size = len(converse(*machines())[number])
    for position in range(size):
        initiator, responder = machines()

        def change(said: bytes, position: int = position) -> bytes:
            changed = bytearray(said)
            changed[position] ^= 1
            return bytes(changed)

        with pytest.raises(HandshakeError):
            interfere(initiator, responder, number, change)
        assert (initiator.session if number % 2 else responder.session) is None


@pytest.mark.parametrize("number", range(4))
def test_a_replayed_message_ends_the_handshake(number):
    """A message of an earlier handshake of the same two nodes fits no later one."""
    recorded = converse(*machines())[number]
    initiator, responder = machines(secrets=(b"3" * 32, b"4" * 32))
    with pytest.raises(HandshakeForged):
        interfere(initiator, responder, number, lambda _said: recorded)
    assert initiator.session is None


def test_a_replay_of_everything_an_initiator_said_is_refused():
    """The responder's ephemeral key is new: the recorded proof of the identity does not fit."""
    recorded = converse(*machines())
    _, responder = machines(secrets=(b"1" * 32, b"5" * 32))
    responder.receive(recorded[0])
    with pytest.raises(HandshakeForged, match="does not decrypt"):
        responder.receive(recorded[2])


def test_a_reflected_message_is_refused():
    """The initiator's own words do not come back as a responder's."""
    initiator, _ = machines()
    with pytest.raises(HandshakeForged, match="came back"):
        initiator.receive(initiator.begin())


def test_a_reflected_seal_is_refused():
    """The responder's sealed message does not serve as the initiator's."""
    initiator, responder = machines()
    second = responder.receive(initiator.begin())
    sealed = second[106:]
    with pytest.raises(HandshakeForged):
        responder.receive((sealed + bytes(200))[: responder.wants_bytes])


@pytest.mark.parametrize("point", LOW_ORDER_POINTS)
@pytest.mark.parametrize("high_bit", [0, 0x80])
def test_a_point_that_forces_the_secret_is_refused(point, high_bit):
    """On both sides, also with the bit set that X25519 ignores."""
    forced = bytearray(bytes.fromhex(point))
    forced[31] |= high_bit
    initiator, responder = machines()
    clear = initiator.begin()[:-32] + forced
    with pytest.raises(HandshakeForged, match="forces"):
        responder.receive(clear)
    with pytest.raises(HandshakeForged, match="forces"):
        initiator.receive(clear)


def test_an_identity_cannot_be_exchanged_in_the_middle():
    """Mallory passes Bob's session on as her own: Alice gets no session, with either of them."""
    towards_bob = Initiator(local(MALLORY), b"7" * 32, anybody)
    towards_alice = Responder(local(MALLORY), b"8" * 32, anybody)
    alice, bob = machines()
    alice.receive(towards_alice.receive(alice.begin())[:106])
    from_bob = bob.receive(towards_bob.begin())
    with pytest.raises(HandshakeForged):
        alice.receive(from_bob[106:])


def test_a_signature_of_another_identity_is_refused():
    """Whoever claims Bob's identity needs Bob's key."""

    class Impostor:
        account = BOB.account
        sign = MALLORY.sign

    initiator, responder = machines(responder=local(Impostor()))  # type: ignore[arg-type]  # the forgery
    second = responder.receive(initiator.begin())
    with pytest.raises(HandshakeForged, match="signature"):
        give(initiator, second)


def test_an_identity_that_anybody_can_sign_for_is_refused():
    """A key of small order, whose signatures hold for everything."""

    class Nobody:
        account = (1).to_bytes(32, "little")

        @staticmethod
        def sign(_payload: bytes) -> bytes:
            return (1).to_bytes(32, "little") + bytes(32)

    initiator, responder = machines(responder=local(Nobody()))  # type: ignore[arg-type]  # the forgery
    second = responder.receive(initiator.begin())
    with pytest.raises(HandshakeForged, match="Anybody can sign"):
        give(initiator, second)


def test_the_chain_is_compared_first_and_both_sides_say_so():
    """Another genesis is a typed error on both sides, before any identity is told."""
    other = ChainIdentity(b"x" * 32, b"r" * 32)
    initiator, responder = machines(initiator=local(ALICE, other))
    with pytest.raises(ChainMismatch, match="78787878"):
        responder.receive(initiator.begin())
    assert len(responder.last_word) == initiator.wants_bytes
    with pytest.raises(ChainMismatch, match="67676767"):
        initiator.receive(responder.last_word)


def test_other_rules_of_the_same_chain_are_refused():
    """Two nodes that would compute different states do not talk."""
    initiator, responder = machines(initiator=local(ALICE, ChainIdentity(b"g" * 32, b"x" * 32)))
    with pytest.raises(ChainMismatch, match="other rules"):
        responder.receive(initiator.begin())


def test_another_version_is_refused_with_both_numbers():
    """The operator reads which node is to be updated."""
    initiator, responder = machines()
    clear = bytearray(initiator.begin())
    clear[9] = 9
    with pytest.raises(VersionMismatch, match="version 9 of the protocol, this one 1"):
        responder.receive(bytes(clear))
    assert responder.last_word


def test_what_is_no_node_is_told_apart():
    """A web browser is not answered, not even with a refusal."""
    _, responder = machines()
    with pytest.raises(NotOurProtocol, match="GET / HT"):
        responder.receive(b"GET / HTTP/1.1\r\n".ljust(responder.wants_bytes))
    assert responder.last_word == b""


def test_a_node_does_not_talk_to_itself():
    """Its own identity at the other end is an error of its own, found by the one that dials."""
    initiator, responder = machines(initiator=local(BOB))
    second = responder.receive(initiator.begin())
    with pytest.raises(SelfConnection):
        give(initiator, second)


def test_the_expected_identity_is_insisted_on():
    """Another node at the address is not accepted, and does not hear who asked."""
    initiator, responder = machines(expected=MALLORY.account)
    second = responder.receive(initiator.begin())
    with pytest.raises(WrongIdentity, match=BOB.account.hex()):
        give(initiator, second)
    converse(*machines(expected=BOB.account))


@pytest.mark.parametrize("side", [0, 1])
def test_either_side_may_refuse_the_other(side):
    """A banned identity is refused when it is known, and never sooner."""

    def nobody(identity: bytes) -> None:
        raise PeerRefused(f"{identity.hex()} is banned.")

    welcome: list[CheckPeer] = [anybody, anybody]
    welcome[side] = nobody
    ends = (
        Initiator(local(ALICE), b"1" * 32, welcome[0]),
        Responder(local(BOB), b"2" * 32, welcome[1]),
    )
    with pytest.raises(PeerRefused, match=(BOB if side == 0 else ALICE).account.hex()):
        converse(*ends)
    assert ends[side].session is None


def test_the_layout_of_the_first_message_is_pinned():
    """Magic, version, chain, rules, key: old and new nodes have to understand this much."""
    initiator, _ = machines()
    expected = b"OPENLEDG\x00\x01" + CHAIN.genesis_hash + CHAIN.rules_hash
    assert initiator.begin() == expected + crypto_scalarmult_base(b"1" * 32)
    assert [len(said) for said in converse(*machines())] == [106, 220, 155, 41]


def test_keys_and_signatures_are_pinned():
    """With the same ephemeral keys, all but the random headers is the same in every version."""
    _, second, third, _ = converse(*machines())
    digest = blake2b(second + third[:114], digest_size=16).hexdigest()
    assert digest == "a545db9bbedc2052d3b9acdd69f70260"
