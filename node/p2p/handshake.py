"""The handshake: two nodes of one chain agree on keys that nobody else has, and know each other.

    initiator -> responder    clear_i                        clear = magic, version, chain, rules,
    responder -> initiator    clear_r, sealed_r                      ephemeral X25519 key
    initiator -> responder    sealed_i, header_i, proof_i    sealed = AEAD(identity, listening port,
    responder -> initiator    header_r, proof_r                            signature)

    h1 = H(name, clear_i, clear_r)      h2 = H(h1, sealed_r)      h3 = H(h2, sealed_i)
    shared = X25519(own ephemeral secret, other ephemeral key)

`sealed_r` has the key KDF(shared, h1) and is signed over (h1, role, identity, port); `sealed_i` has
the key KDF(shared, h2) and is signed over (h2, role, identity, port).  The two directions of the
session have the keys KDF(shared, h3, role); a header begins a secretstream with one of them, and a
proof is its first, empty message.  All messages have fixed lengths.  This is SIGMA-I (Krawczyk,
CRYPTO 2003) in the message pattern of Noise XX.  Why it holds, and where a test shows it:

- *Only the two ends have the keys.* They are from ephemeral keys, which are forgotten: a node key
  that is stolen later opens no old recording.
- *Tampering.* Every byte is part of a transcript that keys and signatures depend on, or is under an
  AEAD; `header`s are checked by `proof`s.  A changed byte anywhere ends the handshake on both sides
  before either uses the connection.
- *Replay.* Both sides contribute a fresh ephemeral key to h1, so a recorded message fits no other
  handshake.
- *Reflection.* The role is signed and part of every key; equal ephemeral keys are refused, and so
  is a peer with our own identity.
- *Unknown key share.* To bind another identity to a session one has to seal it, which takes the
  shared secret, and to sign this transcript, which no other identity's owner has done.  Keys of
  small order, for which anybody can sign, are no identities.
- *Low order.* A point that forces the shared secret is refused before it is used (RFC 7748, section
  6.1); even without that the transcript binds both keys ("Prime, Order Please!", CSF 2019).
- *Who sees identities.* Nobody who listens.  The responder, whose address is public anyway, tells
  its own to whoever knows the chain; the initiator only to a responder that has proved its own.
- *Chain and rules* are compared in the clear, so that a mistake is told as what it is.  An attacker
  in the middle can fake that message, and gains what cutting the connection would.

The state machines do no I/O: `receive` takes the `wants_bytes` bytes that were asked for and
returns what to send.  Whatever they raise ends the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from node.p2p.errors import (
    ChainMismatch,
    FrameDamaged,
    HandshakeForged,
    NotOurProtocol,
    SelfConnection,
    VersionMismatch,
    WrongIdentity,
)
from node.p2p.frames import HEADER_BYTES, PROOF_BYTES, Opener, Sealer
from runtime.hashing import hasher
from runtime.keys import ACCOUNT_BYTES, SIGNATURE_BYTES, Keypair, is_weak, verify

PROTOCOL_VERSION = 1
EPHEMERAL_BYTES = 32
_MAGIC = b"OPENLEDG"
_HASH_BYTES = 32
_NUMBER_BYTES = 2
_CLEAR_BYTES = len(_MAGIC) + _NUMBER_BYTES + 2 * _HASH_BYTES + EPHEMERAL_BYTES
_TAG_BYTES = 16
_CLAIM_BYTES = ACCOUNT_BYTES + _NUMBER_BYTES
_SEALED_BYTES = _CLAIM_BYTES + SIGNATURE_BYTES + _TAG_BYTES
_ZERO_NONCE = bytes(12)  # every key seals one message
_INITIATOR = b"initiator"
_RESPONDER = b"responder"
_hash_transcript = hasher(b"p2p transcript")
_hash_statement = hasher(b"p2p statement")
_FORGED_REMEDY = "Nothing to do once; if it repeats, somebody interferes with the connection."


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """What two nodes must have in common to talk."""

    genesis_hash: bytes
    rules_hash: bytes
    """32 bytes: of what composes the runtime at genesis, so that an upgrade does not change it."""


@dataclass(frozen=True, slots=True)
class LocalNode:
    """What a node says of itself."""

    chain: ChainIdentity
    identity: Keypair
    listen_port: int
    """Where others can reach it, or 0."""


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """What the other node has proved and said of itself."""

    identity: bytes
    listen_port: int
    """As it says, or 0."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a handshake comes to."""

    remote: RemoteNode
    sealer: Sealer
    opener: Opener


CheckPeer = Callable[[bytes], None]
"""Raises a `HandshakeError` for an identity that is not wanted."""


class Initiator:
    """The side that connects; `expected` is the identity it wants to reach, if it knows it."""

    def __init__(
        self,
        local: LocalNode,
        ephemeral_secret: bytes,
        check_peer: CheckPeer,
        expected: bytes | None = None,
    ) -> None:
        self._local = local
        self._secret = ephemeral_secret
        self._check_peer = check_peer
        self._expected = expected
        self._clear = _clear(local.chain, ephemeral_secret)
        self._receive: Callable[[bytes], bytes] = self._take_clear
        self.wants_bytes = _CLEAR_BYTES
        self.session: Session | None = None
        """Set at the end."""

    def begin(self) -> bytes:
        """The first message."""
        return self._clear

    def receive(self, data: bytes) -> bytes:
        """Take the bytes that were asked for; returns what to send; raises `HandshakeError`."""
        return self._receive(data)

    def _take_clear(self, clear: bytes) -> bytes:
        self._shared = _agree(self._local.chain, self._secret, self._clear, clear)
        self._transcript = _hash_transcript(self._clear + clear)
        self._receive, self.wants_bytes = self._take_sealed, _SEALED_BYTES
        return b""

    def _take_sealed(self, sealed: bytes) -> bytes:
        remote = _open(self._shared, self._transcript, _RESPONDER, sealed)
        _check_other(self._local, remote)
        if self._expected not in (None, remote.identity):
            message = f"{remote.identity.hex()} answers instead of {(self._expected or b'').hex()}."
            raise WrongIdentity(message, remedy="Ask the node's operator for its identity.")
        self._check_peer(remote.identity)
        self._transcript = _hash_transcript(self._transcript + sealed)
        answer = _seal(self._shared, self._transcript, _INITIATOR, self._local)
        self._transcript = _hash_transcript(self._transcript + answer)
        sealer = Sealer(_key(self._shared, self._transcript, _INITIATOR))
        self._remote, self._sealer = remote, sealer
        self._receive, self.wants_bytes = self._take_proof, HEADER_BYTES + PROOF_BYTES
        return answer + sealer.header + sealer.prove()

    def _take_proof(self, data: bytes) -> bytes:
        key = _key(self._shared, self._transcript, _RESPONDER)
        self.session = Session(self._remote, self._sealer, _opener(key, data))
        self.wants_bytes = 0
        return b""


class Responder:
    """The side that was connected to."""

    def __init__(self, local: LocalNode, ephemeral_secret: bytes, check_peer: CheckPeer) -> None:
        self._local = local
        self._secret = ephemeral_secret
        self._check_peer = check_peer
        self._clear = _clear(local.chain, ephemeral_secret)
        self._receive: Callable[[bytes], bytes] = self._take_clear
        self.wants_bytes = _CLEAR_BYTES
        self.session: Session | None = None
        """Set at the end."""
        self.last_word = b""
        """What to send before the connection is closed after an error."""

    def begin(self) -> bytes:
        """Nothing: the other side speaks first."""
        return b""

    def receive(self, data: bytes) -> bytes:
        """Take the bytes that were asked for; returns what to send; raises `HandshakeError`."""
        return self._receive(data)

    def _take_clear(self, clear: bytes) -> bytes:
        try:
            self._shared = _agree(self._local.chain, self._secret, self._clear, clear)
        except (VersionMismatch, ChainMismatch):
            self.last_word = self._clear  # the other side sees the difference, too
            raise
        self._transcript = _hash_transcript(clear + self._clear)
        sealed = _seal(self._shared, self._transcript, _RESPONDER, self._local)
        self._transcript = _hash_transcript(self._transcript + sealed)
        self._receive = self._take_sealed
        self.wants_bytes = _SEALED_BYTES + HEADER_BYTES + PROOF_BYTES
        return self._clear + sealed

    def _take_sealed(self, data: bytes) -> bytes:
        sealed, begun = data[:_SEALED_BYTES], data[_SEALED_BYTES:]
        remote = _open(self._shared, self._transcript, _INITIATOR, sealed)
        _check_other(self._local, remote)
        self._transcript = _hash_transcript(self._transcript + sealed)
        opener = _opener(_key(self._shared, self._transcript, _INITIATOR), begun)
        self._check_peer(remote.identity)
        sealer = Sealer(_key(self._shared, self._transcript, _RESPONDER))
        self.session = Session(remote, sealer, opener)
        self.wants_bytes = 0
        return sealer.header + sealer.prove()


def _clear(chain: ChainIdentity, secret: bytes) -> bytes:
    version = PROTOCOL_VERSION.to_bytes(_NUMBER_BYTES, "big")
    public = crypto_scalarmult_base(secret)
    return _MAGIC + version + chain.genesis_hash + chain.rules_hash + public


def _agree(chain: ChainIdentity, secret: bytes, own: bytes, other: bytes) -> bytes:
    """The shared secret, if the other's clear message fits ours; raises `HandshakeError`."""
    own_version, version = (_number(each[len(_MAGIC) :]) for each in (own, other))
    if not other.startswith(_MAGIC):
        message = f"What arrived begins with {other[: len(_MAGIC)]!r}: it is no OpenLedger node."
        raise NotOurProtocol(message, remedy="Check host and port; the RPC has another one.")
    if version != own_version:
        message = f"The other node has version {version} of the protocol, this one {own_version}."
        raise VersionMismatch(message, remedy="Update the older of the two nodes.")
    hashes = other[len(_MAGIC) + _NUMBER_BYTES :]
    genesis, rules = hashes[:_HASH_BYTES], hashes[_HASH_BYTES : 2 * _HASH_BYTES]
    if genesis != chain.genesis_hash:
        message = f"The other node is of the chain {genesis.hex()}."
        raise ChainMismatch(message, remedy="Check the address, and the chain spec of both nodes.")
    if rules != chain.rules_hash:
        message = f"The other node runs this chain by other rules: {rules.hex()}."
        raise ChainMismatch(message, remedy="Install the same pallets on both nodes.")
    return _exchange(secret, own[-EPHEMERAL_BYTES:], other[-EPHEMERAL_BYTES:])


def _exchange(secret: bytes, own: bytes, other: bytes) -> bytes:
    if own == other:
        raise HandshakeForged("Our own ephemeral key came back.", remedy=_FORGED_REMEDY)
    try:
        return crypto_scalarmult(secret, other)
    except CryptoError as error:  # libsodium's answer to points of low order
        message = f"The ephemeral key {other.hex()} forces the shared secret."
        raise HandshakeForged(message, remedy=_FORGED_REMEDY) from error


def _key(shared: bytes, transcript: bytes, role: bytes) -> bytes:
    return blake2b(transcript + role, digest_size=32, key=shared, person=b"p2p key").digest()


def _statement(transcript: bytes, role: bytes, claim: bytes) -> bytes:
    # A hash in a domain of its own: what the node key signs means nothing anywhere else.
    return _hash_statement(transcript + role + claim)


def _seal(shared: bytes, transcript: bytes, role: bytes, local: LocalNode) -> bytes:
    claim = local.identity.account + local.listen_port.to_bytes(_NUMBER_BYTES, "big")
    signature = local.identity.sign(_statement(transcript, role, claim))
    key = _key(shared, transcript, b"seal " + role)
    return crypto_aead_chacha20poly1305_ietf_encrypt(
        claim + signature, transcript, _ZERO_NONCE, key
    )


def _open(shared: bytes, transcript: bytes, role: bytes, sealed: bytes) -> RemoteNode:
    """Who has sealed this; raises `HandshakeForged`."""
    key = _key(shared, transcript, b"seal " + role)
    try:
        plain = crypto_aead_chacha20poly1305_ietf_decrypt(sealed, transcript, _ZERO_NONCE, key)
    except CryptoError as error:
        message = "A message of the handshake does not decrypt."
        raise HandshakeForged(message, remedy=_FORGED_REMEDY) from error
    claim, signature = plain[:_CLAIM_BYTES], plain[_CLAIM_BYTES:]
    identity = claim[:ACCOUNT_BYTES]
    if not verify(identity, _statement(transcript, role, claim), signature):
        message = f"The signature of {identity.hex()} does not hold."
        raise HandshakeForged(message, remedy=_FORGED_REMEDY)
    if is_weak(identity):
        message = f"Anybody can sign for the identity {identity.hex()}."
        raise HandshakeForged(message, remedy="Delete the node key there, for a new one.")
    return RemoteNode(identity, _number(claim[ACCOUNT_BYTES:]))


def _opener(key: bytes, data: bytes) -> Opener:
    try:
        return Opener(key, data[:HEADER_BYTES], data[HEADER_BYTES:])
    except FrameDamaged as error:
        message = "The other side does not have the keys of the session."
        raise HandshakeForged(message, remedy=_FORGED_REMEDY) from error


def _check_other(local: LocalNode, remote: RemoteNode) -> None:
    if remote.identity == local.identity.account:
        message = "The node has connected to itself."
        raise SelfConnection(message, remedy="Leave its own address out of seeds and peers.")


def _number(data: bytes) -> int:
    return int.from_bytes(data[:_NUMBER_BYTES], "big")
