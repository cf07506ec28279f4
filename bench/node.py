"""The node's bars: the RPC beside a raw echo of the same bytes, and finality of four validators.

    python -m bench.node --json

A development node in a process of its own answers `state_getStorage` of an account, block
production, journal and all; then, and again, `bench.echo` answers as many bytes to the same
requests.  The client keeps its connections and parses nothing but lengths, so that it waits for the
server.  `bench/finality.py` says how finality is measured.  Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from bench import finality
from bench.report import report
from genesis.chain_spec import development_keypair
from pallets.balances.pallet import Balances

CONNECTIONS = 8
ROUNDS = 21
ROUND_S = 0.4
RECEIVE_BYTES = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


@contextmanager
def started(*arguments: str) -> Iterator[bytes]:
    """A server process; gives the first line that it prints, and kills it in the end."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process.stdout.readline() if process.stdout else b""
        finally:
            process.kill()


class Client:
    """Some connections that repeat one request, each as soon as it has the answer."""

    def __init__(self, port: int, body: bytes) -> None:
        self._request = (
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        self._selector = selectors.DefaultSelector()
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(each, selectors.EVENT_READ, each)

    def close(self) -> None:
        """Close all connections."""
        for each in self._sockets:
            each.close()
        self._selector.close()

    def exchange(self) -> bytes:
        """The body of one answer."""
        self._sockets[0].sendall(self._request)
        return _read_answer(self._sockets[0])

    def calls_per_second(self) -> float:
        """How many answers come in a second."""
        start = time.perf_counter()
        count = 0
        for each in self._sockets:
            each.sendall(self._request)
        while (elapsed_s := time.perf_counter() - start) < ROUND_S:
            for key, _ in self._selector.select():
                _read_answer(key.data)
                key.data.sendall(self._request)
                count += 1
        for each in self._sockets:
            _read_answer(each)
        return count / elapsed_s


def _read_answer(connection: socket.socket) -> bytes:
    data = connection.recv(RECEIVE_BYTES)
    while _END_OF_HEAD not in data:
        data += connection.recv(RECEIVE_BYTES)
    head, _, body = data.partition(_END_OF_HEAD)
    length = int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(RECEIVE_BYTES)
    return body


def figures() -> Mapping[str, float]:
    """The figures of the bar, medians over the rounds."""
    key = Balances.accounts.storage_key(development_keypair("alice").account).hex()
    call = {"jsonrpc": "2.0", "id": 1, "method": "state_getStorage", "params": [key]}
    body = json.dumps(call).encode()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="openledger-bench-"))
        command = ("node.cli", "dev", "--data", f"{folder}/node", "--rpc-port", "0", "--json")
        node = json.loads(stack.enter_context(started(*command)))
        rpc = Client(urlsplit(node["url"]).port or 0, body)
        stack.callback(rpc.close)
        answer = rpc.exchange()
        if json.loads(answer).get("result") is None:
            raise SystemExit(f"The node answered {answer!r}.")
        port = int(stack.enter_context(started("bench.echo", str(len(answer)))))
        echo = Client(port, body)
        stack.callback(echo.close)
        pairs = [(rpc.calls_per_second(), echo.calls_per_second()) for _ in range(ROUNDS)]
    return {
        "rpc_per_second": statistics.median(own for own, _ in pairs),
        "echo_per_second": statistics.median(raw for _, raw in pairs),
        "rpc_per_second_over_echo": statistics.median(own / raw for own, raw in pairs),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The RPC's bar, as a ratio within one run.")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.parse_args()
    report("node", {**figures(), **finality.figures()})


if __name__ == "__main__":
    main()
