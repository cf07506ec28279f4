"""The state machine framework: pallets, storage, calls, blocks; it imports nothing of ours."""

from runtime.calls import RuntimeCall, call
from runtime.errors import DispatchError, InvariantViolation
from runtime.events import Event
from runtime.executive import Runtime
from runtime.pallet import Error, Pallet, invariant, on_finalize, on_initialize
from runtime.storage import Map, Value
from runtime.types import (
    I64,
    OPEN,
    PPB,
    U8,
    U16,
    U32,
    U64,
    AccountId,
    Amount,
    AtLeast,
    Between,
    BlockNumber,
    Const,
    Hash,
    Length,
    LongText,
    Max,
    Needs,
    Positive,
    Root,
    ShortText,
    Signature,
    Signed,
)
from runtime.weights import Weight

__all__ = [
    "I64",
    "OPEN",
    "PPB",
    "U8",
    "U16",
    "U32",
    "U64",
    "AccountId",
    "Amount",
    "AtLeast",
    "Between",
    "BlockNumber",
    "Const",
    "DispatchError",
    "Error",
    "Event",
    "Hash",
    "InvariantViolation",
    "Length",
    "LongText",
    "Map",
    "Max",
    "Needs",
    "Pallet",
    "Positive",
    "Root",
    "Runtime",
    "RuntimeCall",
    "ShortText",
    "Signature",
    "Signed",
    "Value",
    "Weight",
    "call",
    "invariant",
    "on_finalize",
    "on_initialize",
]
