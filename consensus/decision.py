"""What a node keeps of how a block was decided: who answers for it, and the certificates around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from consensus.messages import ROUNDS_MAX
from consensus.votes import Certificate
from runtime.codec import codec_of
from runtime.types import Max


@dataclass(frozen=True, slots=True)
class Decision:
    """The certificate that decided a block, and every other one seen at its height.

    Kept for as long as faults can be punished: a fork is proved from these.
    """

    certificate: Certificate
    justification: Annotated[tuple[Certificate, ...], Max(2 * ROUNDS_MAX)]

    @classmethod
    def decode(cls, data: bytes) -> Decision:
        """Return the decision of these bytes, not verified; raises `DecodeError`."""
        return codec_of(Decision).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes that the store keeps."""
        return codec_of(Decision).encode(self)
