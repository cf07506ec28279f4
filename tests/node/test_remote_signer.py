"""A signer in a process of its own: it holds keys and file, and never contradicts itself."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consensus.cryptography import key_scheme
from consensus.errors import SignerStateError
from consensus.signer import SignerState
from consensus.votes import Statement, VoteKind
from genesis.chain_spec import dev_spec, development_keypair, genesis_block
from node.beacon import make_beacon
from node.config import DataDirectory
from node.consensus.keys import ValidatorKeys
from node.consensus.remote_signer import RemoteSigner
from node.errors import ConfigError, SignerUnavailable
from node.signer_backup import export_signed, import_signed
from tests.node.conftest import RunningNode

KEYS = ValidatorKeys.from_keypair(development_keypair("validator"))
GENESIS = genesis_block(dev_spec())[0].header.id()
SCHEME = key_scheme(dev_spec().validator_set(), GENESIS)
FIRST = Statement(VoteKind.NOTARIZE, 5, 1, b"a" * 32)
OTHER = Statement(VoteKind.NOTARIZE, 5, 1, b"b" * 32)


@contextmanager
def signer_process(folder: Path) -> Iterator[Path]:
    """A running signer; gives its socket."""
    path = folder / "s.sock"
    command = [
        *(sys.executable, "-m", "node.cli", "signer", "run", f"--data={folder / 'signer'}"),
        *("--key=dev:validator", f"--genesis={GENESIS.hex()}", f"--socket={path}", "--json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            readable, _, _ = select.select([process.stdout], [], [], 60)
            assert readable
            assert process.stdout.readline()
            yield path
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def test_it_signs_once_and_remembers_over_a_restart(tmp_path: Path) -> None:
    """Verified votes and beacons; the same again is the same; another one is refused."""
    with signer_process(tmp_path) as path, RemoteSigner(path) as remote:
        assert remote.account == KEYS.account
        assert path.stat().st_mode & 0o777 == 0o600
        vote = remote.sign(FIRST, GENESIS, SCHEME.validators_hash)
        assert vote is not None
        assert SCHEME.verify_vote(vote) == 0
        assert remote.sign(FIRST, GENESIS, SCHEME.validators_hash) == vote
        assert remote.sign(OTHER, GENESIS, SCHEME.validators_hash) is None
        assert make_beacon(remote, GENESIS, 5, bytes(32)) == make_beacon(
            KEYS, GENESIS, 5, bytes(32)
        )
    with signer_process(tmp_path) as path, RemoteSigner(path) as remote:
        assert remote.remembered() == (vote,)
        assert remote.sign(OTHER, GENESIS, SCHEME.validators_hash) is None
    with pytest.raises(SignerUnavailable):
        RemoteSigner(path)


def test_it_signs_for_one_chain_only(tmp_path: Path) -> None:
    """A node of another chain gets neither votes nor beacons."""
    with signer_process(tmp_path) as path, RemoteSigner(path) as remote:
        assert remote.sign(FIRST, bytes(32), SCHEME.validators_hash) is None
        with pytest.raises(SignerUnavailable, match="another chain"):
            remote.sign_beacon(bytes(32), 5, bytes(32))


def test_a_node_without_keys_decides_blocks_by_its_signer(tmp_path: Path) -> None:
    """`openledger node --signer PATH` is a validator, and keeps no signer file of its own."""
    dev_spec().save(tmp_path / "chain.toml")
    with signer_process(tmp_path) as path:
        chain = f"--chain={tmp_path / 'chain.toml'}"
        node = RunningNode(
            tmp_path / "node", start=("node", chain, f"--signer={path}", "--p2p-port=0")
        )
        try:
            with node.client() as client:
                client.wait_height(3)
        finally:
            node.stop()
    assert not (tmp_path / "node" / "signer").exists()
    state = SignerState.decode((tmp_path / "signer" / "signer").read_bytes())
    assert state.votes[-1].statement.height >= 3


def test_what_was_signed_moves_to_another_machine(tmp_path: Path) -> None:
    """Export and import; what is there is never replaced by something earlier."""
    home, away = DataDirectory(tmp_path / "home"), DataDirectory(tmp_path / "away")
    home.root.mkdir()
    earlier = SignerState.new().with_vote(KEYS.sign_vote(FIRST, SCHEME.payload(FIRST)))
    home.signer.write_bytes(earlier.encode())
    assert export_signed(home, tmp_path / "file") == {"height": 5, "round": 1, "votes": 1}
    assert import_signed(away, tmp_path / "file")["height"] == 5
    assert away.signer.read_bytes() == home.signer.read_bytes()
    later = Statement(VoteKind.NOTARIZE, 6, 1, b"a" * 32)
    away.signer.write_bytes(
        earlier.with_vote(KEYS.sign_vote(later, SCHEME.payload(later))).encode()
    )
    with pytest.raises(SignerStateError, match="signed later"):
        import_signed(away, tmp_path / "file")
    with pytest.raises(ConfigError):
        export_signed(home, tmp_path / "file")
