"""`openledger node | dev | init`: run a validator or a throw-away one, prepare a directory."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.key_choice import (
    PasswordFile,
    ValidatorAccount,
    choose_key,
    dev_keypair,
    named_account,
)
from node.cli.output import JsonFlag, print_fields, print_json

if TYPE_CHECKING:
    from genesis.chain_spec import ChainSpec
    from node.consensus.start import NodeKeys
    from node.p2p.network import NetworkConfig

DEFAULT_RPC_PORT = 9944
DEFAULT_P2P_PORT = 30333
GIB = 1024**3

Data = Annotated[Path, typer.Option("--data", help="The node's data directory.", metavar="DIR")]
Spec = Annotated[
    Path | None,
    typer.Option("--chain", help="Chain spec; needed for a new directory.", metavar="SPEC.toml"),
]
RpcPort = Annotated[int, typer.Option(help="TCP port of RPC and content; 0 for any free one.")]
RpcHost = Annotated[str, typer.Option(help="Address to listen on.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="Also answer requests for this host name; may be repeated."),
]
ContentQuota = Annotated[int, typer.Option(help="Limit of all stored content, in GiB.", min=1)]
AddPallet = Annotated[
    list[str] | None,
    typer.Option("--pallet", help="Also run this installed pallet; may be repeated."),
]
RetainHeights = Annotated[
    int,
    typer.Option(
        help="Heights at which old values can be read and proved; 0: all, an archive.", min=0
    ),
]
RetainBlocks = Annotated[
    int, typer.Option(help="Blocks kept with their extrinsics and events; 0: all.", min=0)
]
P2pPort = Annotated[int, typer.Option(help="TCP port for other nodes; 0 for any free one.")]
P2pHost = Annotated[
    str, typer.Option(help="Address to listen on for other nodes; 0.0.0.0 for the whole world.")
]
Peers = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        help="A node to connect to; with an identity it is kept for ever. May be repeated.",
        metavar="[IDENTITY@]HOST:PORT",
    ),
]
Trust = Annotated[
    str | None,
    typer.Option(
        help="A block that you trust: a new node then takes a snapshot of its peers.",
        metavar="HEIGHT:ID",
    ),
]
SnapshotBlocks = Annotated[
    int, typer.Option(help="Make a snapshot every so many blocks for new nodes; 0: never.", min=0)
]
ValidatorKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="OPENLEDGER_KEY",
        help="The validator's key: a file, a name in the keystore, or dev:NAME. "
        "Without one the node only follows the chain.",
        metavar="KEY",
    ),
]
SignerSocket = Annotated[
    Path | None,
    typer.Option(
        "--signer",
        help="The socket of `openledger signer run`, instead of --key.",
        metavar="PATH",
    ),
]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]
LogFile = Annotated[Path | None, typer.Option(help="Write logs here instead of stderr.")]


def run_node(
    data: Data,
    key: ValidatorKey = None,
    validator: ValidatorAccount = None,
    signer: SignerSocket = None,
    chain: Spec = None,
    password_file: PasswordFile = None,
    rpc_port: RpcPort = DEFAULT_RPC_PORT,
    rpc_host: RpcHost = "127.0.0.1",
    allow_host: AllowHost = None,
    p2p_port: P2pPort = DEFAULT_P2P_PORT,
    p2p_host: P2pHost = "127.0.0.1",
    peer: Peers = None,
    trust: Trust = None,
    snapshot_blocks: SnapshotBlocks = 0,
    content_quota_gib: ContentQuota = 20,
    retain_heights: RetainHeights = 10_000,
    retain_blocks: RetainBlocks = 0,
    log_level: LogLevel = "info",
    log_file: LogFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a node of a chain: decide blocks as a validator or follow, answer RPC, store content.

    Example: openledger node --data DIR --chain chain.toml --key validator
    """
    from node.config import Checkpoint, DataDirectory, NodeConfig
    from node.consensus.keys import ValidatorKeys
    from node.consensus.remote_signer import RemoteSigner
    from node.http.messages import LOCAL_HOSTS
    from node.logs import configure_logs
    from node.service import run
    from runtime.state.store import Retention

    configure_logs(log_level, log_file)
    directory = DataDirectory(data)
    spec = directory.load_spec(chain)
    config = NodeConfig(
        rpc_host=rpc_host,
        network=_network(p2p_host, p2p_port, peer or ()),
        checkpoint=None if trust is None else Checkpoint.parse(trust),
        snapshot_blocks=snapshot_blocks,
        rpc_port=rpc_port,
        allowed_hosts=LOCAL_HOSTS | frozenset(allow_host or ()),
        content_quota_bytes=content_quota_gib * GIB,
        retention=Retention(retain_heights or None, retain_blocks or None),
    )
    keys: NodeKeys | None = None
    if key is not None and signer is not None:
        raise typer.BadParameter("Give --key or --signer, not both.")
    if signer is not None:
        keys = RemoteSigner(signer)
    elif key is not None:
        account = None if validator is None else named_account(validator)
        keys = ValidatorKeys.from_keypair(choose_key(key, password_file), account)
    run(config, directory, spec, keys, lambda url, genesis: _ready(url, genesis, as_json))


def run_dev(
    data: Annotated[
        Path | None,
        typer.Option(help="Keep the chain here; by default it is deleted at the end."),
    ] = None,
    pallet: AddPallet = None,
    rpc_port: RpcPort = DEFAULT_RPC_PORT,
    log_level: LogLevel = "warning",
    log_file: LogFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a one-validator development chain with funded accounts (dev:alice, dev:bob, ...).

    Example: openledger dev --data .openledger/dev
    """
    from genesis.chain_spec import DEV_ACCOUNTS, dev_spec
    from node.config import DataDirectory, NodeConfig
    from node.consensus.keys import ValidatorKeys
    from node.logs import configure_logs
    from node.service import run

    configure_logs(log_level, log_file)
    validator = next(iter(DEV_ACCOUNTS))

    def ready(url: str, genesis_hash: bytes) -> None:
        _ready(url, genesis_hash, as_json)
        if not as_json:
            print("Funded accounts, whose keys everybody knows:")
            print_fields({f"  dev:{name}": dev_keypair(name).account for name in DEV_ACCOUNTS})
            sys.stdout.flush()

    with _kept_or_temporary(data) as folder:
        directory = DataDirectory(folder)
        if pallet or not directory.spec.exists():
            directory.take_spec(_with_pallets(dev_spec(), pallet))
        spec = directory.load_spec(None)
        keys = ValidatorKeys.from_keypair(dev_keypair(validator))
        run(NodeConfig(rpc_port=rpc_port), directory, spec, keys, ready)


def init(
    data: Data,
    chain: Annotated[
        Path, typer.Option("--chain", help="Chain spec to start from.", metavar="SPEC.toml")
    ],
    pallet: AddPallet = None,
    as_json: JsonFlag = False,
) -> None:
    """Prepare a data directory for a chain, and print the chain's genesis hash.

    Each --pallet is written into the directory's chain.toml, behind those of the chain spec.

    Example: openledger init --data DIR --chain chain.toml
    """
    from genesis.chain_spec import ChainSpec, genesis_block
    from node.config import DataDirectory

    spec = DataDirectory(data).take_spec(_with_pallets(ChainSpec.load(chain), pallet))
    block = genesis_block(spec)[0]
    fields = {"chain": spec.name, "genesis_hash": block.header.id(), "data": str(data)}
    (print_json if as_json else print_fields)(fields)


def _with_pallets(spec: ChainSpec, names: Sequence[str] | None) -> ChainSpec:
    """The spec with installed pallets added; raises `PalletPackageError`, `DefinitionError`."""
    from genesis.compose import compose
    from genesis.pallet_packages import describe_pallet, load_pallets

    extended = replace(spec, pallets=spec.pallets + tuple(map(describe_pallet, names or ())))
    # Now, before anything is written: a clash of two pallets must not leave a directory behind.
    compose(load_pallets(extended.pallets))
    return extended


def _network(host: str, port: int, peers: Sequence[str]) -> NetworkConfig:
    """Where to listen, and whom to connect to; raises `InvalidAddress`."""
    from node.p2p.addresses import PeerAddress
    from node.p2p.network import NetworkConfig

    addresses = [PeerAddress.parse(text) for text in peers]
    return NetworkConfig(
        host=host,
        port=port,
        seeds=tuple(each for each in addresses if each.identity is None),
        reserved=tuple(each for each in addresses if each.identity is not None),
    )


def _ready(url: str, genesis_hash: bytes, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"url": url, "genesis_hash": genesis_hash.hex()}), flush=True)
    else:
        print(f"OpenLedger node ready at {url}")
        print_fields(
            {
                "  JSON-RPC": url,
                "  WebSocket": url.replace("http", "ws", 1),
                "  readiness": f"{url}/ready",
                "  metrics": f"{url}/metrics",
            }
        )
        sys.stdout.flush()


@contextlib.contextmanager
def _kept_or_temporary(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="openledger-dev-") as folder:
        yield Path(folder)
