"""What `Datanets` stores beside `runtime.wire.datanets`."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import U32, U64


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account submitted to a Datanet on one day."""

    day: U64
    size_bytes: U64
    files: U32
