"""Frames: how many bytes follow, and so many bytes of a secretstream (XChaCha20-Poly1305).

    frame = length of the ciphertext (4 bytes), ciphertext      plaintext: 1 byte to 1 MiB

A secretstream numbers its frames: one that is left out, repeated or moved does not decrypt.  The
length is not secret, and a changed one moves what is decrypted, which fails.  The key is replaced
every `REKEY_FRAMES` frames by one from which the old cannot be had.  The frame that ends a stream
says so: without it, what was received may be cut off.
"""

from __future__ import annotations

from collections.abc import Iterator

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
    crypto_secretstream_xchacha20poly1305_TAG_REKEY,
)
from nacl.exceptions import CryptoError

from node.p2p.errors import FrameDamaged
from node.p2p.limits import FRAME_BYTES_MAX

LENGTH_BYTES = 4
HEADER_BYTES = crypto_secretstream_xchacha20poly1305_HEADERBYTES
SEAL_BYTES = crypto_secretstream_xchacha20poly1305_ABYTES
"""What a ciphertext has more than its plaintext."""
PROOF_BYTES = SEAL_BYTES
REKEY_FRAMES = 4_096
_MESSAGE = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_REKEY = crypto_secretstream_xchacha20poly1305_TAG_REKEY
_FINAL = crypto_secretstream_xchacha20poly1305_TAG_FINAL
_REMEDY = "The connection is closed; the node connects again."


class Sealer:
    """Encrypts one direction of a connection; whoever receives it needs `header` first."""

    def __init__(self, key: bytes) -> None:
        self._state = crypto_secretstream_xchacha20poly1305_state()
        self.header = crypto_secretstream_xchacha20poly1305_init_push(self._state, key)
        self._count = 0

    def prove(self) -> bytes:
        """The first, empty message: whoever made it has the key."""
        return crypto_secretstream_xchacha20poly1305_push(self._state, b"")

    def seal(self, plaintext: bytes, *, final: bool = False) -> bytes:
        """The frame of 1 byte to 1 MiB of plaintext; nothing may follow a `final` one."""
        self._count += 1
        tag = _MESSAGE if self._count % REKEY_FRAMES else _REKEY
        sealed = crypto_secretstream_xchacha20poly1305_push(
            self._state, plaintext, None, _FINAL if final else tag
        )
        return len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed


class Opener:
    """Decrypts one direction of a connection, however its bytes arrive."""

    def __init__(self, key: bytes, header: bytes, proof: bytes) -> None:
        """Raises `FrameDamaged` unless `proof` was made with the key."""
        self._state = crypto_secretstream_xchacha20poly1305_state()
        crypto_secretstream_xchacha20poly1305_init_pull(self._state, header, key)
        self._received = bytearray()
        self.ended = False
        """Whether the other side has said that nothing follows."""
        self._pull(proof)

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._received)

    def feed(self, data: bytes | bytearray) -> Iterator[bytes]:
        """Yield the plaintexts of the frames that `data` completes; raises `FrameDamaged`."""
        received = self._received
        received += data
        start = 0
        try:
            while len(received) - start >= LENGTH_BYTES:
                begin = start + LENGTH_BYTES
                length = int.from_bytes(received[start:begin], "big")
                # Before anything is waited for, or held.
                self._check(length)
                if len(received) < begin + length:
                    return
                start = begin + length
                yield self._pull(bytes(received[begin:start]))
        finally:
            del received[:start]

    def _check(self, length: int) -> None:
        if self.ended:
            raise FrameDamaged("A frame follows the last one.", remedy=_REMEDY)
        if not SEAL_BYTES < length <= FRAME_BYTES_MAX + SEAL_BYTES:
            raise FrameDamaged(f"A frame cannot have {length} bytes.", remedy=_REMEDY)

    def _pull(self, sealed: bytes) -> bytes:
        try:
            plaintext, tag = crypto_secretstream_xchacha20poly1305_pull(self._state, sealed)
        except CryptoError as error:
            raise FrameDamaged("A frame does not decrypt.", remedy=_REMEDY) from error
        self.ended = tag == _FINAL
        return plaintext
