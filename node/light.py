"""Drives the light client of `consensus/light`: it asks nodes, tells the time, keeps what is known.

The file is all that a light client has: the chain, and the last header that it verified with the
set that decided it.  Whoever can change it decides what is trusted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from consensus.decision import Decision
from consensus.light import (
    LightBlock,
    LightClientAttack,
    LightPolicy,
    LightSync,
    Side,
    TrustedState,
    WitnessCheck,
)
from consensus.votes import Certificate
from node.errors import ConfigError
from node.files import write_atomically
from node.transport import Transport
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import OpenLedgerError
from runtime.types import U8, Hash
from runtime.wire.state_proof import StateProof
from runtime.wire.validators import ValidatorSet

LIGHT_FILE_VERSION = 1
LIGHT_FILE_BYTES_MAX = 1024 * 1024
TRUSTING_PERIOD_MS = 7 * 24 * 60 * 60 * 1_000
"""A week: half of the time that a stake remains bonded."""

Fetch: TypeAlias = Callable[[int], LightBlock]
"""The light block of a height as some node shows it; raises `ClientError`, `DecodeError`."""
Archive: TypeAlias = Callable[[int], Sequence[Certificate]]
"""The certificates of a height that some node keeps; raises `ClientError`, `DecodeError`."""


@dataclass(frozen=True, slots=True)
class LightFile:
    """What a light client keeps between two runs."""

    version: U8
    genesis_hash: Hash
    header: Header
    validators: ValidatorSet

    @classmethod
    def of(cls, trusted: TrustedState, genesis_hash: bytes) -> LightFile:
        """What is to be kept of a trusted state."""
        return cls(LIGHT_FILE_VERSION, genesis_hash, trusted.header, trusted.validators)

    @property
    def trusted(self) -> TrustedState:
        """The header that was verified last, and its set."""
        return TrustedState(self.header, self.validators)

    @classmethod
    def load(cls, path: Path) -> LightFile:
        """Read the file; raises `ConfigError` or `DecodeError`."""
        try:
            with path.open("rb") as file:
                data = file.read(LIGHT_FILE_BYTES_MAX)
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}."
            raise ConfigError(
                message, remedy="Name a file that `openledger light` wrote."
            ) from error
        loaded = codec_of(LightFile).decode(data)
        if loaded.version != LIGHT_FILE_VERSION:
            message = f"{path} has version {loaded.version}, not {LIGHT_FILE_VERSION}."
            raise ConfigError(message, remedy="Begin a new file with --genesis and --trust.")
        return loaded

    def save(self, path: Path) -> None:
        """Replace the file; raises `OSError`."""
        write_atomically(path, codec_of(LightFile).encode(self), path.parent)


def fetch_from(node: Transport) -> Fetch:
    """Return how to ask the node at the other end."""

    def fetch(height: int) -> LightBlock:
        return LightBlock.decode(bytes.fromhex(node.call("chain_getLightBlock", height)))

    return fetch


def begin(height: int, block_id: bytes, primary: Fetch) -> TrustedState:
    """Return a header that is trusted for its id, as people told it to each other.

    Raises `ConfigError` where the node has another, and what `primary` raises.
    """
    block = primary(height)
    named = block.header.validators_hash == block.validators.hash()
    if (block.header.height, block.header.id()) != (height, block_id) or not named:
        message = f"The node's block {height} is {block.header.id().hex()}, which is not trusted."
        raise ConfigError(message, remedy="Compare height and id with others; ask another node.")
    return TrustedState(block.header, block.validators)


def follow(
    root: TrustedState, target_height: int, policy: LightPolicy, primary: Fetch
) -> LightSync:
    """Verify the block of a height; raises what `LightSync.receive` and `primary` raise."""
    sync = LightSync(root, target_height, policy)
    while (height := sync.wanted) is not None:
        sync.receive(primary(height), _now_ms())
    return sync


def compare(
    root: TrustedState, target: LightBlock, policy: LightPolicy, nodes: Mapping[Side, Fetch]
) -> LightClientAttack | None:
    """Return the evidence if a witness proves another block than `target`; `None` if it agrees.

    Raises what `WitnessCheck.receive` and the nodes raise, unless there is evidence by then.
    """
    check = WitnessCheck(root, target, policy)
    try:
        while (wanted := check.wanted) is not None:
            side, height = wanted
            check.receive(nodes[side](height), _now_ms())
    except OpenLedgerError:
        if check.attack is None:
            raise
    return check.attack


def certificates_from(node: Transport) -> Archive:
    """Return how to ask the node at the other end for the certificates that it keeps."""

    def fetch(height: int) -> Sequence[Certificate]:
        decision = Decision.decode(bytes.fromhex(node.call("chain_getDecision", height)))
        return decision.justification

    return fetch


def complete(attack: LightClientAttack, archives: Sequence[Archive]) -> LightClientAttack:
    """Return the evidence with the certificate that two rounds take, if one of the nodes has it."""
    for archive in archives:
        if attack.is_complete or attack.certificate is not None:
            break
        with suppress(OpenLedgerError):  # evidence that is not complete is worth showing, too
            attack = attack.with_certificate(archive(attack.one.header.height))
    return attack


def read(
    trusted: TrustedState, keys: Collection[bytes], node: Transport
) -> dict[bytes, bytes | None]:
    """Values of storage keys after the trusted block; raises `InvalidProof`, `ClientError`."""
    names = [key.hex() for key in keys]
    answer = node.call("state_getReadProof", names, trusted.header.height, True)
    return trusted.read(StateProof.decode(bytes.fromhex(answer["proof"])), keys)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
