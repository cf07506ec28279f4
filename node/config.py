"""What a node is started with, and the layout of its data directory.

<data>/chain.toml    the chain spec this directory belongs to
<data>/state/        LevelDB: blocks, state, commits, events
<data>/signer        what the validator's keys have signed last
<data>/log           the write-ahead log of the height that is being decided
<data>/node.key      who this node is for other nodes
<data>/peers.json    the nodes that it knows of
<data>/content/      the content store
<data>/mempool       extrinsics that were acknowledged and wait for a block
<data>/admin         UNIX socket of a running node, for `openledger admin`
<data>/snapshots/    exports of the state, made on SIGUSR1 or by `openledger admin snapshot`
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from genesis.chain_spec import ChainSpec
from node.content import QUOTA_BYTES_DEFAULT
from node.errors import ConfigError
from node.files import write_atomically
from node.http.messages import LOCAL_HOSTS
from node.p2p.network import NetworkConfig
from runtime.state.store import Retention

HASH_BYTES = 32
STATE_HEIGHTS_DEFAULT = 10_000
"""For how many heights a node that is told nothing can read and prove old values."""
SIGNER_BYTES_MAX = 64 * 1024
"""A signer file holds a few votes."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The files of one node."""

    root: Path

    @property
    def spec(self) -> Path:
        """The chain spec."""
        return self.root / "chain.toml"

    @property
    def state(self) -> Path:
        """The store's directory."""
        return self.root / "state"

    @property
    def signer(self) -> Path:
        """The signer file."""
        return self.root / "signer"

    @property
    def node_key(self) -> Path:
        """Who this node is for others; made on first use."""
        return self.root / "node.key"

    @property
    def address_book(self) -> Path:
        """The nodes that this one knows of."""
        return self.root / "peers.json"

    @property
    def log(self) -> Path:
        """The write-ahead log of consensus."""
        return self.root / "log"

    @property
    def content(self) -> Path:
        """The content store's directory."""
        return self.root / "content"

    @property
    def mempool(self) -> Path:
        """The mempool's journal."""
        return self.root / "mempool"

    @property
    def admin_socket(self) -> Path:
        """Where a running node takes orders of its operator."""
        return self.root / "admin"

    @property
    def snapshots(self) -> Path:
        """Where a running node puts exports."""
        return self.root / "snapshots"

    def read_signer(self) -> bytes | None:
        """The bytes of the signer file, or None; raises `ConfigError` if it cannot be read."""
        try:
            with self.signer.open("rb") as file:
                return file.read(SIGNER_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            message = f"The signer file {self.signer} cannot be read: {error.strerror}."
            raise ConfigError(message, remedy="Make it readable for this user.") from error

    def load_spec(self, given: Path | None) -> ChainSpec:
        """The directory's chain spec; a new directory takes the `given` one.

        Raises `ConfigError` when there is none, when the two differ, or when the directory holds
        something else.
        """
        if given is not None:
            return self.take_spec(ChainSpec.load(given))
        if self.spec.exists():
            return ChainSpec.load(self.spec)
        message = f"{self.root} holds no chain yet."
        remedy = "Give a chain spec with --chain, or use `openledger dev`."
        raise ConfigError(message, remedy=remedy)

    def take_spec(self, spec: ChainSpec) -> ChainSpec:
        """Make a new directory one of `spec`; raises `ConfigError` if it is another chain's."""
        if not self.spec.exists():
            self.begin(spec)
        elif ChainSpec.load(self.spec) != spec:
            message = f"{self.root} belongs to another chain than is asked for."
            remedy = "Leave --chain and --pallet out to go on with it, or choose another --data."
            raise ConfigError(message, remedy=remedy)
        return spec

    def begin(self, spec: ChainSpec) -> None:
        """Make this an empty directory of the chain `spec`; raises `ConfigError`."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            foreign = [entry.name for entry in self.root.iterdir()]
            if foreign:
                message = f"{self.root} is not empty and not a node's: it has {foreign[0]!r}."
                remedy = "Choose an empty or a new --data directory."
                raise ConfigError(message, remedy=remedy)
            write_atomically(self.spec, spec.to_toml().encode(), self.root)
        except OSError as error:
            message = f"The data directory {self.root} cannot be made: {error.strerror}."
            remedy = "Choose a folder that this user may write to."
            raise ConfigError(message, remedy=remedy) from error


def parse_hash(text: str) -> bytes:
    """Read 64 hexadecimal digits; raises `ConfigError`."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != HASH_BYTES:
        message = f"{text!r} is not a hash."
        raise ConfigError(message, remedy="Give 64 hexadecimal digits.")
    return value


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A block that the operator trusts."""

    height: int
    block_id: bytes

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read `HEIGHT:BLOCK_ID`; raises `ConfigError`."""
        height, _, block_id = text.partition(":")
        try:
            parsed = cls(int(height), bytes.fromhex(block_id))
        except ValueError:
            parsed = cls(0, b"")
        if parsed.height < 1 or len(parsed.block_id) != 32:
            message = f"{text!r} is not a block to trust."
            remedy = "Give HEIGHT:ID, as `openledger status` of a node you trust shows them."
            raise ConfigError(message, remedy=remedy)
        return parsed


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How a node serves; what it computes is in the chain spec alone."""

    rpc_port: int
    """0 for any free one."""
    rpc_host: str = "127.0.0.1"
    network: NetworkConfig | None = None
    """None for a node that no other node connects to."""
    allowed_hosts: frozenset[str] = field(default=LOCAL_HOSTS)
    checkpoint: Checkpoint | None = None
    """From where a new node takes the state from its peers; None: every block from block 0."""
    snapshot_blocks: int = 0
    """Export the state every so many blocks, for nodes that join; 0: never."""
    content_quota_bytes: int = QUOTA_BYTES_DEFAULT
    retention: Retention = field(default=Retention(state_heights=STATE_HEIGHTS_DEFAULT))
