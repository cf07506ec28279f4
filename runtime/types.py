"""The vocabulary of types that calls, events, errors and storage are written in.

Every alias is an `Annotated` type whose metadata bounds it: `codec_of` refuses a type without a
bound when the class that uses it is created.  For a type checker each alias is its Python type.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Max:
    """An upper bound: bytes of a `bytes` or of a `str` in UTF-8, or items of a tuple."""

    count: int


@dataclass(frozen=True, slots=True)
class Length:
    """An exact length in bytes."""

    count: int


@dataclass(frozen=True, slots=True)
class Between:
    """An inclusive range of integers."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class AtLeast:
    """An inclusive lower bound, narrowing the `Between` of the annotated type."""

    least: int


class Marker(Enum):
    """What a parameter or a class annotation is for, beside its type."""

    SIGNED = "signed"
    ROOT = "root"
    INHERENT = "inherent"
    CONST = "const"
    NEEDS = "needs"


@dataclass(frozen=True, slots=True)
class Track:
    """The origin of a call: a track of governance; `Annotated[None, Track("treasury")]`."""

    name: str

    @property
    def value(self) -> str:
        """As the metadata name the origin."""
        return f"track {self.name}"


U8 = Annotated[int, Between(0, 2**8 - 1)]
U16 = Annotated[int, Between(0, 2**16 - 1)]
U32 = Annotated[int, Between(0, 2**32 - 1)]
U64 = Annotated[int, Between(0, 2**64 - 1)]
I64 = Annotated[int, Between(-(2**63), 2**63 - 1)]
Amount = Annotated[int, Between(0, 2**128 - 1)]
"""A quantity of OPEN in units of 10**-18."""
AccountId = Annotated[bytes, Length(32)]
"""An ed25519 public key, or the derived account of a pallet."""
Hash = Annotated[bytes, Length(32)]
Signature = Annotated[bytes, Length(64)]
PublicKey = Annotated[bytes, Length(32)]
"""An ed25519 key that need not be an account."""
BlsPublicKey = Annotated[bytes, Length(48)]
"""A compressed point of BLS12-381's G1."""
BlsSignature = Annotated[bytes, Length(96)]
"""A compressed point of BLS12-381's G2."""
BlockNumber = U64
ShortText = Annotated[str, Max(64)]
LongText = Annotated[str, Max(1024)]

Positive = Annotated[T, AtLeast(1)]
"""`Positive[Amount]`: the same integer type without zero."""
Signed = Annotated[bytes, Length(32), Marker.SIGNED]
"""The origin of a call: the account that signed the extrinsic."""
Root = Annotated[None, Marker.ROOT]
"""The origin of a call: the chain itself: genesis, and a referendum on the root track."""
ParametersTrack = Annotated[None, Track("parameters")]
"""The origin of a call: a referendum on parameters, or the chain itself."""
Inherent = Annotated[None, Marker.INHERENT]
"""The origin of a call: the proposer of a block on behalf of the chain."""
Const = Annotated[T, Marker.CONST]
"""A constant of a pallet, overridable where the runtime is composed: `Balances(deposit=10)`."""
Needs = Annotated[T, Marker.NEEDS]
"""A trait of a sibling pallet, given where the runtime is composed: `Models(currency=balances)`."""

PPB = 10**9
"""Parts per billion: the fixed-point unit of every `*_ppb` field."""
OPEN = 10**18
"""Units in one OPEN."""
