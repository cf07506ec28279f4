"""The operator's socket: who may use it, and what it does."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from genesis.chain_spec import dev_spec
from node.admin_client import AdminClient
from node.errors import ConfigError, NodeUnreachable, RpcFailed
from node.unix_sockets import open_unix_listener
from tests.node.conftest import Finished, RunningNode


def test_only_the_owner_may_write_to_the_socket(dev_node: RunningNode) -> None:
    """Mode 0600, and no admin method over HTTP."""
    mode = (dev_node.data / "admin").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    with dev_node.client() as client, pytest.raises(RpcFailed, match="no method"):
        client.call("admin_stop")


def test_a_web_page_cannot_reach_it(dev_node: RunningNode) -> None:
    """Another host name is refused, as are other paths."""
    transport = httpx.HTTPTransport(uds=str(dev_node.data / "admin"))
    with httpx.Client(transport=transport) as http:
        assert http.post("http://localhost/", content=b"{}").status_code == 403
        assert http.get("http://openledger-admin/health").status_code == 404


def test_the_operator_commands_a_node(
    start_node: Callable[..., RunningNode], openledger: Callable[..., Finished]
) -> None:
    """Snapshot, log level, stop: each from the command line; the second stop finds nobody."""
    node = start_node()
    data = ("--data", str(node.data), "--json")
    with node.client() as client:
        client.wait_height(1)
    written = json.loads(openledger("admin", "snapshot", *data).stdout)
    assert (Path(written["directory"]) / "manifest").exists()
    assert openledger("admin", "log-level", "debug", *data).returncode == 0
    with node.client() as client:
        client.wait_height(client.height() + 1)
    assert openledger("admin", "stop", *data).returncode == 0
    assert node._wait() == 0
    assert "finalised" in node.log.read_text()
    assert not (node.data / "admin").exists()
    refused = openledger("admin", "stop", *data)
    assert refused.returncode == 2
    assert "No node runs" in refused.stderr


def test_the_operator_bans_and_forgives(
    tmp_path: Path,
    start_node: Callable[..., RunningNode],
    openledger: Callable[..., Finished],
) -> None:
    """From the command line; what cannot be banned is said, and the ban survives a restart."""
    dev_spec().save(tmp_path / "chain.toml")
    start = ("node", f"--chain={tmp_path / 'chain.toml'}", "--p2p-port=0")
    node = start_node(start=start)
    data = ("--data", str(node.data))
    stranger = "ab" * 32
    banned = json.loads(openledger("admin", "ban", stranger, *data, "--json").stdout)
    assert banned["who"] == f"id {stranger}"
    assert openledger("admin", "ban", "192.0.2.7", *data, "--hours", "1").returncode == 0
    refused = openledger("admin", "ban", "localhost", *data)
    assert refused.returncode == 2
    assert "not the identity" in refused.stderr
    node.stop()
    start_node(start=start)
    assert "192.0.2.7" in openledger("admin", "peers", *data).stdout
    known = json.loads(openledger("admin", "peers", *data, "--json").stdout)
    assert (known["peers"], len(known["bans"])) == ([], 2)
    for was_banned in (True, False):
        lifted = json.loads(openledger("admin", "unban", stranger, *data, "--json").stdout)
        assert lifted == {"was_banned": was_banned}


def test_a_node_without_a_network_has_nobody_to_ban(dev_node: RunningNode) -> None:
    """It says so."""
    with AdminClient(dev_node.data) as admin:
        assert admin.call("admin_peers") == {"peers": [], "bans": []}
        assert admin.call("admin_unban", "192.0.2.7") is False
        with pytest.raises(RpcFailed, match="no network"):
            admin.call("admin_ban", "192.0.2.7")


def test_wrong_levels_are_named(dev_node: RunningNode) -> None:
    """As every parameter."""
    with AdminClient(dev_node.data) as admin, pytest.raises(RpcFailed, match="one of debug"):
        admin.call("admin_setLogLevel", "loud")


def test_a_path_that_is_too_long_is_a_typed_error(tmp_path: Path) -> None:
    """The kernel's limit is said in a sentence, on both sides."""
    long = tmp_path / ("x" * 90) / "admin"
    with pytest.raises(ConfigError, match="107 bytes"):
        open_unix_listener(long)
    with pytest.raises(NodeUnreachable), AdminClient(tmp_path) as admin:
        admin.call("admin_stop")


def test_what_is_left_of_a_killed_node_is_replaced(start_node: Callable[..., RunningNode]) -> None:
    """A stale socket does not keep the next node from starting."""
    node = start_node()
    node.kill()
    assert (node.data / "admin").exists()
    node = start_node()
    with AdminClient(node.data) as admin:
        assert admin.call("admin_setLogLevel", "info") is True
