"""`openledger light`: verify a chain's blocks and state without running a node of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_error,
    print_fields,
    print_json,
)
from node.errors import ConfigError

if TYPE_CHECKING:
    from consensus.light import LightPolicy, LightSync, TrustedState
    from node.light import Fetch, LightFile
    from node.transport import Transport

DEFAULT_FILE = Path("light.cbor")
REQUEST_TIMEOUT_S = 60.0
_TRUST = re.compile(r"(\d{1,19}):([0-9a-f]{64})")
_HASH = re.compile(r"[0-9a-f]{64}")

Height = Annotated[
    int | None, typer.Argument(help="The height to verify; by default the node's head.", min=1)
]
Witness = Annotated[
    list[str] | None,
    typer.Option(help="URL of another node, which must agree; may be repeated.", metavar="URL"),
]
Genesis = Annotated[str, typer.Option(help="To begin: the chain's genesis hash.", metavar="HASH")]
Trust = Annotated[
    str,
    typer.Option(
        help="To begin: height and id of a block of this week, from people you trust.",
        metavar="HEIGHT:ID",
    ),
]
File = Annotated[Path, typer.Option(help="What was verified last; begun or updated.")]
Keys = Annotated[
    list[str] | None,
    typer.Option("--read", help="A storage key to read, in hexadecimal; may be repeated."),
]


def light(
    height: Height = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    witness: Witness = None,
    genesis: Genesis = "",
    trust: Trust = "",
    file: File = DEFAULT_FILE,
    read: Keys = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify a block, and state under it, from a block that is trusted.

    Example: openledger light --genesis HASH --trust 120:ID --witness https://other.example
    """
    from consensus.light import LightPolicy
    from node.light import TRUSTING_PERIOD_MS, LightFile, fetch_from, follow
    from node.light import read as read_state
    from node.transport import Transport

    with ExitStack() as stack:
        urls = (node, *(witness or ()))
        primary, *others = (
            stack.enter_context(Transport(url, timeout_s=REQUEST_TIMEOUT_S)) for url in urls
        )
        known = _known(file, genesis, trust, fetch_from(primary))
        policy = LightPolicy(known.genesis_hash, TRUSTING_PERIOD_MS)
        target = height or int(primary.call("system_health")["finalized_height"])
        sync = follow(known.trusted, target, policy, fetch_from(primary))
        for other in others:
            _require_agreement(known.trusted, sync, policy, primary, other)
        LightFile.of(sync.trusted, known.genesis_hash).save(file)
        values = read_state(sync.trusted, [_bytes(key) for key in read], primary) if read else {}
    _print(sync, len(others), values, as_json)


def _known(file: Path, genesis: str, trust: str, primary: Fetch) -> LightFile:
    """What the file has, or what the options name."""
    from node.light import LightFile, begin

    if not genesis and not trust:
        return LightFile.load(file)
    match = _TRUST.fullmatch(trust)
    if match is None or not _HASH.fullmatch(genesis):
        raise ConfigError(
            "--genesis takes 64 hexadecimal digits, and --trust a height, a colon and 64 of them.",
            remedy="Take both from people you trust; `openledger status` of a node prints them.",
        )
    root = begin(int(match[1]), bytes.fromhex(match[2]), primary)
    return LightFile.of(root, bytes.fromhex(genesis))


def _require_agreement(
    root: TrustedState, sync: LightSync, policy: LightPolicy, primary: Transport, other: Transport
) -> None:
    """End with exit code 1, and the evidence, if the witness proves another block."""
    from consensus.evidence import Evidence
    from consensus.light import Side
    from node.light import certificates_from, compare, complete, fetch_from

    if not sync.trace:
        return
    nodes = {Side.PRIMARY: fetch_from(primary), Side.WITNESS: fetch_from(other)}
    attack = compare(root, sync.trace[-1], policy, nodes)
    if attack is None:
        return
    # The chain remembers a set for as long as a header of it is trusted.
    known = {root.validators.hash(): root.validators}
    archives = [certificates_from(each) for each in (primary, other)]
    attack = complete(attack, archives).without_known_sets(known.get)
    print_error(
        f"{primary.url} and {other.url} prove different blocks of height "
        f"{attack.one.header.height}: validators of this chain signed both.",
        "Trust neither; report each line below to the chain, which takes the one that names its "
        "validators: openledger tx Offences report --evidence HEX",
    )
    for validators_hash in attack.validators_hashes:
        print(Evidence(validators_hash, attack=attack).encode().hex())
    raise typer.Exit(1)


def _bytes(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError as error:
        message = f"--read {key} is not hexadecimal."
        raise ConfigError(message, remedy="Give a storage key in hexadecimal digits.") from error


def _print(
    sync: LightSync, witness_count: int, values: Mapping[bytes, bytes | None], as_json: bool
) -> None:
    header = sync.trusted.header
    fields: dict[str, Any] = {
        "height": header.height,
        "id": header.id(),
        "state_root": header.state_root,
        "time_ms": header.time_ms,
        "validators": len(sync.trusted.validators.validators),
        "steps": len(sync.trace),
        "witnesses": witness_count,
    }
    read = {key.hex(): value for key, value in values.items()}
    if as_json:
        print_json(fields | {"values": read})
    else:
        print_fields(fields | read)
