"""The process that verifies signatures beside the node: half of a transfer's cost leaves its core.

The node decodes what arrives, sends what must be verified in chunks, and goes on with other work
until the answer comes.  What arrives while the process is busy waits and goes together, so that a
burst costs few messages; how much waits is limited by who asks: an HTTP server's open requests.

    request = count, the payloads' lengths (4 bytes each), and of each account, payload, signature
    answer  = one byte for each: 1 where the signature holds

A request is made by joining what is there: the node's threads share one interpreter, and what one
of them does the others wait for.

The process ends when its input does: when the node stops, or is killed.
"""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import IO

import trio

from node.closing import Closing
from runtime.errors import OpenLedgerError
from runtime.extrinsic import SignatureClaim
from runtime.keys import ACCOUNT_BYTES, SIGNATURE_BYTES, verify

CHUNK_MAX = 4_096
"""The most signatures of one request."""
ALONE_MAX = 2
"""So few signatures are verified at once here: a request costs more."""
_LENGTH_BYTES = 4
_STOP_TIMEOUT_S = 10


class VerifierStopped(OpenLedgerError):
    """The process that verifies signatures has ended."""


class VerifierProcess(Closing):
    """The process, and a thread for each direction; use it as a context manager.

    The next request is in the pipe when the answer to the last one leaves: the process never waits
    for the node's interpreter.
    """

    def __init__(self) -> None:
        """Start the process."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "node.verifier"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="verifier-requests")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="verifier-answers")

    def close(self) -> None:
        """End the process, when it has answered what it was asked."""
        self._writer.shutdown(wait=True, cancel_futures=True)
        self._reader.shutdown(wait=True, cancel_futures=True)
        # Closes the pipes, which ends the process, and waits for it.
        self._process.communicate(timeout=_STOP_TIMEOUT_S)

    def start(self, claims: Sequence[SignatureClaim]) -> Future[list[bool]]:
        """Begin to verify signatures; the result may raise `VerifierStopped`."""
        self._writer.submit(self._ask, claims)
        return self._reader.submit(self._answer, len(claims))

    def _ask(self, claims: Sequence[SignatureClaim]) -> None:
        requests = self._process.stdin
        # Where the pipe is broken, the answer says so.
        with suppress(OSError, ValueError):
            if requests is not None:
                requests.write(_encode(claims))
                requests.flush()

    def _answer(self, count: int) -> list[bool]:
        answers = self._process.stdout
        answer = b"" if answers is None else answers.read(count)
        if len(answer) != count:
            message = "The process that verifies signatures has ended."
            raise VerifierStopped(message, remedy="Restart the node; see its log.")
        return [byte == 1 for byte in answer]


class Verifier:
    """Signatures of concurrent requests, verified together; `run` it once, under trio."""

    def __init__(self, process: VerifierProcess) -> None:
        self._process = process
        self._waiting: list[_Request] = []
        self._arrived = trio.Event()

    async def holds(self, claim: SignatureClaim) -> bool:
        """Whether a signature holds."""
        request = _Request(claim)
        self._waiting.append(request)
        self._arrived.set()
        await request.answered.wait()
        return request.valid

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived = trio.Event()
            while self._waiting:
                chunk, self._waiting = self._waiting[:CHUNK_MAX], self._waiting[CHUNK_MAX:]
                for request, valid in zip(chunk, await self._verify(chunk), strict=True):
                    request.valid = valid
                    request.answered.set()

    async def _verify(self, chunk: Sequence[_Request]) -> list[bool]:
        claims = [request.claim for request in chunk]
        if len(claims) > ALONE_MAX:
            try:
                return await trio.to_thread.run_sync(self._process.start(claims).result)
            except VerifierStopped:
                pass  # slower, and right: everything is verified here from now on
        return [verify(*claim) for claim in claims]


class _Request:
    __slots__ = ("answered", "claim", "valid")

    def __init__(self, claim: SignatureClaim) -> None:
        self.claim = claim
        self.valid = False
        self.answered = trio.Event()


def _encode(claims: Sequence[SignatureClaim]) -> bytes:
    lengths = [len(payload) for _, payload, _ in claims]
    return struct.pack(f">I{len(claims)}I", len(claims), *lengths) + b"".join(
        chain.from_iterable(claims)
    )


def _read_claims(requests: IO[bytes], count: int) -> Iterator[SignatureClaim]:
    lengths = struct.unpack(f">{count}I", requests.read(_LENGTH_BYTES * count))
    claims = requests.read(sum(lengths) + count * (ACCOUNT_BYTES + SIGNATURE_BYTES))
    at = 0
    for length in lengths:
        payload_at = at + ACCOUNT_BYTES
        signature_at = payload_at + length
        end = signature_at + SIGNATURE_BYTES
        yield claims[at:payload_at], claims[payload_at:signature_at], claims[signature_at:end]
        at = end


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while head := requests.read(_LENGTH_BYTES):
        # The whole request first: the node must not wait while signatures are verified.
        claims = list(_read_claims(requests, int.from_bytes(head, "big")))
        answers.write(bytes([verify(*claim) for claim in claims]))
        answers.flush()


if __name__ == "__main__":
    # The node decides when to end: Ctrl-C reaches every process of the terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(sys.stdin.buffer, sys.stdout.buffer)
