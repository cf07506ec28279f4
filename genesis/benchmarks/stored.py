"""Puts values into the state of a sandbox: what would take too many calls to bring about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from genesis.sandbox import Sandbox
from runtime.storage import Map, Value

K = TypeVar("K")
V = TypeVar("V")


def put(sandbox: Sandbox, item: Value[V], value: V) -> None:
    """Store a value."""
    sandbox.state[item.prefix] = item.codec.encode(value)


def put_all(sandbox: Sandbox, item: Map[K, V], entries: Mapping[K, V]) -> None:
    """Store entries of a map."""
    codec: Any = item.codec
    for key, value in entries.items():
        sandbox.state[item.storage_key(key)] = codec.encode(value)
