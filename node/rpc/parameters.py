"""What the parameters of JSON-RPC methods may be: each kind reads a value, or says what is wrong.

A method's annotations name its kinds, and are all that is written down about its parameters: what
the node checks and what the OpenRPC document says cannot differ.

    async def get_storage(self, key: StorageKey, height: Height | None = None) -> HexText | None:
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Protocol, Union, get_args, get_origin

from node.errors import InvalidParameters
from node.logs import LEVELS
from runtime.block import EXTRINSIC_BYTES_MAX
from runtime.errors import DefinitionError

KEY_BYTES_MAX = 512
KEYS_PER_PAGE_MAX = 1_000
KEYS_AT_ONCE_MAX = 64
"""Of one proof, one query, or one subscription."""
HASHES_MAX = 1_000
PENDING_MAX = 100
"""Extrinsics of one answer: 6 MiB of them at most."""
HASH_BYTES = 32
ACCOUNT_BYTES = 32
SUBSCRIPTION_CHARACTERS_MAX = 20
PEER_CHARACTERS_MAX = 64
"""Of an identity in hexadecimal; no IP address is longer."""
BAN_DEFAULT_S = 24 * 3_600
BAN_MAX_S = 10 * 365 * 24 * 3_600

Schema = Mapping[str, Any]
"""A JSON Schema."""


class Kind(Protocol):
    """What a parameter may be."""

    def read(self, value: Any, name: str) -> Any:
        """The value that the method gets; raises `InvalidParameters`, which says `name`."""

    def schema(self) -> Schema:
        """The same as a JSON Schema."""


@dataclass(frozen=True, slots=True)
class Hex:
    """Bytes as hexadecimal digits, `0x` optional: exactly `length`, or else at most `bytes_max`."""

    length: int | None = None
    bytes_max: int = 0

    def read(self, value: Any, name: str) -> bytes:
        """The bytes."""
        if not isinstance(value, str):
            raise _wrong(name, "a string of hexadecimal digits")
        try:
            data = bytes.fromhex(value.removeprefix("0x"))
        except ValueError as error:
            raise _wrong(name, "a string of hexadecimal digits") from error
        if self.length is not None and len(data) != self.length:
            raise _wrong(name, f"{self.length} bytes, as {2 * self.length} hexadecimal digits")
        if self.length is None and len(data) > self.bytes_max:
            raise _wrong(name, f"at most {self.bytes_max} bytes")
        return data

    def schema(self) -> Schema:
        """A string with a pattern."""
        count = f"{{{self.length}}}" if self.length is not None else f"{{0,{self.bytes_max}}}"
        return {"type": "string", "pattern": f"^(0x)?([0-9a-fA-F]{{2}}){count}$"}


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer within bounds."""

    least: int
    most: int

    def read(self, value: Any, name: str) -> int:
        """The integer."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(name, "an integer")
        if not self.least <= value <= self.most:
            raise _wrong(name, f"an integer from {self.least} to {self.most}")
        return value

    def schema(self) -> Schema:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Words:
    """One of some words; without any, every text of at most `characters_max`."""

    choices: tuple[str, ...] = ()
    characters_max: int = 0

    def read(self, value: Any, name: str) -> str:
        """The text."""
        if self.choices and value not in self.choices:
            raise _wrong(name, f"one of {', '.join(self.choices)}")
        if not isinstance(value, str) or (not self.choices and len(value) > self.characters_max):
            raise _wrong(name, f"a string of at most {self.characters_max} characters")
        return value

    def schema(self) -> Schema:
        """A string."""
        if self.choices:
            return {"type": "string", "enum": list(self.choices)}
        return {"type": "string", "maxLength": self.characters_max}


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""

    def read(self, value: Any, name: str) -> bool:
        """The boolean."""
        if not isinstance(value, bool):
            raise _wrong(name, "true or false")
        return value

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Listed:
    """An array of at most `count_max` values of one kind."""

    item: Kind
    count_max: int

    def read(self, value: Any, name: str) -> list[Any]:
        """The values; an error names the item that is wrong."""
        if not isinstance(value, list) or len(value) > self.count_max:
            raise _wrong(name, f"an array of at most {self.count_max} items")
        return [self.item.read(each, f"{name}[{index}]") for index, each in enumerate(value)]

    def schema(self) -> Schema:
        """An array."""
        return {"type": "array", "items": self.item.schema(), "maxItems": self.count_max}


@dataclass(frozen=True, slots=True)
class HeightOrId:
    """A block by its height, or by its id in hexadecimal digits."""

    def read(self, value: Any, name: str) -> int | bytes:
        """The height as an integer, the id as bytes."""
        return (_ID if isinstance(value, str) else _HEIGHT).read(value, name)

    def schema(self) -> Schema:
        """Either."""
        return {"oneOf": [_HEIGHT.schema(), _ID.schema()]}


@dataclass(frozen=True, slots=True)
class OrNull:
    """Something of a kind, or null."""

    kind: Kind

    def read(self, value: Any, name: str) -> Any:
        """What the kind reads, or None."""
        return None if value is None else self.kind.read(value, name)

    def schema(self) -> Schema:
        """Either."""
        return {"oneOf": [self.kind.schema(), {"type": "null"}]}


_HEIGHT = Whole(0, 2**63 - 1)
_ID = Hex(length=HASH_BYTES)
_KEY = Hex(bytes_max=KEY_BYTES_MAX)

Account = Annotated[bytes, Hex(length=ACCOUNT_BYTES)]
BanSeconds = Annotated[int, Whole(1, BAN_MAX_S)]
BlockName = Annotated[int | bytes, HeightOrId()]
Extrinsic = Annotated[bytes, Hex(bytes_max=EXTRINSIC_BYTES_MAX)]
Hash = Annotated[bytes, Hex(length=HASH_BYTES)]
Hashes = Annotated[list[bytes], Listed(Hex(length=HASH_BYTES), HASHES_MAX)]
Height = Annotated[int, _HEIGHT]
LogLevel = Annotated[str, Words(tuple(LEVELS))]
PageSize = Annotated[int, Whole(1, KEYS_PER_PAGE_MAX)]
PeerName = Annotated[str, Words(characters_max=PEER_CHARACTERS_MAX)]
PendingCount = Annotated[int, Whole(1, PENDING_MAX)]
StorageKey = Annotated[bytes, _KEY]
StorageKeys = Annotated[list[bytes], Listed(_KEY, KEYS_AT_ONCE_MAX)]
SubscriptionId = Annotated[str, Words(characters_max=SUBSCRIPTION_CHARACTERS_MAX)]


def kind_of(annotation: Any) -> Kind:
    """The kind that an annotation names; raises `DefinitionError` for one that names none."""
    if get_origin(annotation) is Annotated:
        kind: Kind = get_args(annotation)[1]
        return kind
    if annotation is bool:
        return Truth()
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [each for each in get_args(annotation) if each is not NoneType]
        if len(kinds) == 1:
            return OrNull(kind_of(kinds[0]))
    message = f"{annotation!r} is no kind of parameter."
    raise DefinitionError(message, remedy="Use one of the annotations of node.rpc.parameters.")


def _wrong(name: str, expected: str) -> InvalidParameters:
    message = f"The parameter {name} is not {expected}."
    return InvalidParameters(message, remedy="Correct it and send the request again.")
