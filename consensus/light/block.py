"""What a light client is given, and what it keeps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from consensus.commit import Commit
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import InvalidProof
from runtime.state.multiproof import verify_entries
from runtime.types import BlsSignature, Max
from runtime.wire.state_proof import StateProof
from runtime.wire.validators import VALIDATORS_MAX, ValidatorSet

Possessions: TypeAlias = Annotated[tuple[BlsSignature, ...], Max(VALIDATORS_MAX)]
"""Proofs of possession of the BLS keys of a set, in its order; none, or one for each."""


@dataclass(frozen=True, slots=True)
class LightBlock:
    """A header with what proves it final."""

    header: Header
    commit: Commit
    validators: ValidatorSet
    """The set that decided the block: the header names it in `validators_hash`."""
    possessions: Possessions
    """Needed by a client that does not know the set; may be left out for others."""

    @classmethod
    def decode(cls, data: bytes) -> LightBlock:
        """Return the light block of these bytes, not verified.

        Raises `DecodeError`.
        """
        return codec_of(LightBlock).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(LightBlock).encode(self)


@dataclass(frozen=True, slots=True)
class TrustedState:
    """A header that is final, and the set that decided it: all that a light client keeps."""

    header: Header
    validators: ValidatorSet

    def read(self, proof: StateProof, keys: Collection[bytes]) -> dict[bytes, bytes | None]:
        """Return the values of exactly these storage keys after this very block.

        Raises `InvalidProof`.
        """
        values = verify_entries(self.header.state_root, proof)
        if values.keys() != frozenset(keys):
            message = "The node proves other keys than it was asked for."
            raise InvalidProof(message, remedy="Ask another node.")
        return values
