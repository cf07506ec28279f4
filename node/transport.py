"""JSON-RPC and content requests to one node over one keep-alive connection pool.

Every method of the node may be repeated: reads change nothing, content is addressed by its hash,
and submitting the same signed bytes twice is answered like once.  So a request whose answer was
lost is simply sent again, until the caller's patience ends.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import httpx

from node.closing import Closing
from node.errors import NodeUnreachable, RpcFailed

PATIENCE_S = 1.5
"""How long a request is repeated while nothing answers, unless the caller says otherwise."""
PAUSE_FIRST_S = 0.05
PAUSE_MAX_S = 1.0
"""Pauses double from the first to the longest."""
CONNECT_TIMEOUT_S = 3.0
BATCH_REQUESTS_MAX = 100


class Transport(Closing):
    """Requests to the node at `url`; safe to share between threads."""

    def __init__(self, url: str, *, timeout_s: float, patience_s: float = PATIENCE_S) -> None:
        """Prepare the pool; nothing is sent yet."""
        self._patience_s = patience_s
        self.url = url.rstrip("/")
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        # A proxy from the environment has no business between a client and its own node.
        self._http = httpx.Client(timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def call(self, method: str, *parameters: Any) -> Any:
        """The result of one method; raises `RpcFailed`, `NodeUnreachable`."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        answer = self._answer_of(request)
        failure = failure_of(answer)
        if failure is not None:
            raise failure
        return answer["result"]

    def call_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """The results of one method for several parameter lists; raises the first failure."""
        results = self.try_many(method, parameters)
        for result in results:
            if isinstance(result, RpcFailed):
                raise result
        return results

    def try_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """The result, or the `RpcFailed`, for each of several parameter lists, in their order."""
        results: list[Any] = []
        for start in range(0, len(parameters), BATCH_REQUESTS_MAX):
            part = parameters[start : start + BATCH_REQUESTS_MAX]
            batch = [
                {"jsonrpc": "2.0", "id": index, "method": method, "params": list(each)}
                for index, each in enumerate(part)
            ]
            answers = self._answer_of(batch)
            if not isinstance(answers, list) or len(answers) != len(batch):
                raise _nonsense(self.url)
            results.extend(failure_of(answer) or answer["result"] for answer in answers)
        return results

    def request(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        """One HTTP request, repeated while nothing answers; raises `NodeUnreachable`."""
        deadline = time.monotonic() + self._patience_s
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                return self._http.request(method, self.url + path, content=content)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                repeatable = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
                if time.monotonic() + pause_s > deadline or not repeatable:
                    raise _unreachable(self.url, error) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def _answer_of(self, payload: object) -> Any:
        response = self.request("POST", "/", httpx.Request("POST", self.url, json=payload).content)
        try:
            return response.json()
        except ValueError as error:
            raise _nonsense(self.url) from error


def failure_of(answer: Any) -> RpcFailed | None:
    """The error in the answer to a JSON-RPC request, or None for a result."""
    if not isinstance(answer, dict) or ("result" in answer) == ("error" in answer):
        message = "The answer is not JSON-RPC 2.0."
        remedy = "Check that the URL is that of an OpenLedger node."
        return RpcFailed(message, remedy=remedy, kind="NotJsonRpc", code=0)
    if "error" not in answer:
        return None
    error = answer["error"]
    data = error.get("data") or {}
    return RpcFailed(
        str(error.get("message", "The node gave no reason.")),
        remedy=str(data.get("remedy", "")),
        kind=str(data.get("type", "")),
        code=int(error.get("code", 0)),
    )


def _unreachable(url: str, error: Exception) -> NodeUnreachable:
    if isinstance(error, httpx.ConnectError):
        message = f"No node answers at {url}."
        return NodeUnreachable(message, remedy="Start one with `openledger dev`, or check the URL.")
    if isinstance(error, httpx.TimeoutException):
        message = f"The node at {url} did not answer in time."
        return NodeUnreachable(message, remedy="Check its log, or try again when it is less busy.")
    message = f"The connection to {url} failed: {str(error) or type(error).__name__}."
    return NodeUnreachable(message, remedy="Check that the URL is http://HOST:PORT of a node.")


def _nonsense(url: str) -> NodeUnreachable:
    message = f"What answers at {url} is not an OpenLedger node."
    return NodeUnreachable(message, remedy="Check the URL; a node prints its own when it starts.")
