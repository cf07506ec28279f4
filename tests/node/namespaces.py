"""Nodes in network namespaces of their own, on two switches that one wire joins.

    node 1 -- port -- [ left ] == wire == [ right ] -- port -- node 4
    node 2 -- port -- [ left ]            [ right ] -- port -- node 3

Everything is in namespaces, which needs root and `ip` (iproute2): nothing of the machine's own
network changes.  What ends is deleted, with the links in it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from bench.local_network import LocalNetwork
from node.client import NodeClient
from node.connection import REQUEST_TIMEOUT_S
from node.localnet import LocalNode, start
from node.transport import Transport

CLONE_NEWNET = 0x40000000
_NAMES = Path("/run/netns")
_OWN = Path("/proc/thread-self/ns/net")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace, with nothing in it but its loopback."""

    def __init__(self, name: str) -> None:
        self.name = f"openledger-{os.getpid()}-{name}"
        ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> None:
        """Change links and addresses in it."""
        ip("-n", self.name, *arguments)

    def delete(self) -> None:
        """Remove it and its links, as soon as no process is in it."""
        ip("netns", "delete", self.name)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have the sockets and processes that this thread makes in it."""
        with _OWN.open("rb") as own, (_NAMES / self.name).open("rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())


class Wire:
    """What joins the two switches."""

    def __init__(self, switches: Namespace) -> None:
        self._switches = switches
        switches.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire-end")
        for switch, end in (("left", "wire"), ("right", "wire-end")):
            switches.ip("link", "add", switch, "type", "bridge")
            switches.ip("link", "set", end, "master", switch)
            switches.ip("link", "set", switch, "up")
        self.restore()

    def cut(self) -> None:
        """Let no frame through; nobody is told."""
        self._switches.ip("link", "set", "wire", "down")

    def restore(self) -> None:
        """Let all frames through."""
        for end in ("wire", "wire-end"):
            self._switches.ip("link", "set", end, "up")


class InsideTransport(Transport):
    """Requests to a node from inside its namespace."""

    def __init__(self, url: str, namespace: Namespace) -> None:
        super().__init__(url, timeout_s=REQUEST_TIMEOUT_S)
        self._namespace = namespace

    def request(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        """One HTTP request over the loopback of the node."""
        with self._namespace.entered():
            return super().request(method, path, content)


class InsideClient(NodeClient):
    """A client of a node inside its namespace."""

    def __init__(self, url: str, namespace: Namespace) -> None:
        super().__init__(url)
        self._transport = InsideTransport(url, namespace)


class DividedNetwork(LocalNetwork):
    """Validators that reach each other over the switches, and RPC clients that the cut spares."""

    def __init__(self, nodes: Sequence[LocalNode], sides: Sequence[str]) -> None:
        """The node at each place is on the side of the same place: `left` or `right`."""
        hosts = [f"10.0.0.{place}" for place in range(1, len(nodes) + 1)]
        super().__init__([_listening(node, nodes, hosts) for node in nodes])
        self._switches = Namespace("switches")
        self.wire = Wire(self._switches)
        self._places = {node.name: Namespace(node.name) for node in nodes}
        for host, side, place in zip(hosts, sides, self._places.values(), strict=True):
            port = f"port-{host.rpartition('.')[2]}"
            peer = ("peer", "name", port, "netns", self._switches.name)
            place.ip("link", "add", "eth", "type", "veth", *peer)
            place.ip("address", "add", f"{host}/24", "dev", "eth")
            place.ip("link", "set", "eth", "up")
            self._switches.ip("link", "set", port, "master", side, "up")

    def start(self, *names: str, code: str | None = None) -> None:
        """Start some, or all, each in its namespace, and wait until they answer."""
        for name in names or self.names:
            with self._places[name].entered():
                self.running[name] = start(self.node(name), code)
        for name in names or self.names:
            self.wait_for_answer(name)

    def client(self, name: str) -> NodeClient:
        """A new client of one node, beside it."""
        return InsideClient(self.node(name).url, self._places[name])

    def metrics(self, name: str) -> str:
        """All metrics of a node."""
        with InsideTransport(self.node(name).url, self._places[name]) as transport:
            return transport.request("GET", "/metrics").text

    def delete(self) -> None:
        """Remove the namespaces."""
        for namespace in (*self._places.values(), self._switches):
            namespace.delete()


def ip(*arguments: str) -> None:
    """Run `ip`; raises `CalledProcessError` where this process may not."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def why_not() -> str | None:
    """Why no namespaces can be made here; `None` where they can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    try:
        Namespace("trial").delete()
    except (subprocess.CalledProcessError, OSError) as error:
        return f"no network namespace can be made here: {error}"
    return None


def _listening(node: LocalNode, nodes: Sequence[LocalNode], hosts: Sequence[str]) -> LocalNode:
    """The same node, which others reach at its host of the switches."""
    arguments = list(node.arguments)
    for each, host in zip(nodes, hosts, strict=True):
        loopback = f"@127.0.0.1:{each.p2p_port}"
        arguments = [text.replace(loopback, f"@{host}:{each.p2p_port}") for text in arguments]
    return replace(node, arguments=(*arguments, f"--p2p-host={hosts[nodes.index(node)]}"))


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
